/**
 * The decision to change configs of topics and brokers, key by key. Decides
 * only; one bad key refuses its whole resource, not the others.
 *
 * @module
 */
import { BROKER_KEYS, type BrokerValues } from "../config/broker_keys.ts";
import { GROUP_KEYS } from "../config/group_keys.ts";
import { type ConfigKey, configText, type KeyTable } from "../config/key.ts";
import { configProblem, topicDefault } from "../config/resolve.ts";
import { TOPIC_KEYS, type TopicKeyName } from "../config/topic_keys.ts";
import { KafkaError } from "../errors.ts";
import { ELR_FEATURE, usesElr } from "./cluster_settings.ts";
import type {
  AlteredConfigs,
  ConfigChanges,
  ControllerDecision,
  ControllerState,
  NewConfigs,
} from "./controller.ts";
import { RESOURCE_TYPE } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { duplicates, itemResult, topicNameProblem } from "./topics.ts";

const OPERATION = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

const MIN_ISR = "min.insync.replicas";

type ConfigRecord = Extract<MetadataRecord, { type: "Config" }>;

interface Scope {
  readonly table: KeyTable;
  readonly scope: string;
  /** Why a text that the table allows is refused here all the same. */
  readonly problemOf?: (name: string, text: string) => string | undefined;
  /** Text of a key that the resource itself doesn't set. */
  readonly fallback: (name: string) => string | null;
}

interface Asked<T> {
  readonly resources: readonly T[];
  readonly validateOnly: boolean;
}

/** Changes configs, or only says whether they could be changed. */
export function incrementalAlterConfigs(
  asked: Asked<ConfigChanges>,
  state: ControllerState,
): ControllerDecision {
  const { records, resources } = decided(
    asked,
    (resource) => altered(resource, { state, isReplacement: false }),
  );
  return { records, reply: { type: "incrementalAlterConfigs", resources } };
}

/** Replaces configs, or only says whether they could be replaced. */
export function alterConfigs(
  asked: Asked<NewConfigs>,
  state: ControllerState,
): ControllerDecision {
  const { records, resources } = decided(asked, ({ configs, ...resource }) => {
    const changes = configs.map((config) => ({
      ...config,
      configOperation: OPERATION.SET,
    }));
    return altered({ ...resource, configs: changes }, {
      state,
      isReplacement: true,
    });
  });
  return { records, reply: { type: "alterConfigs", resources } };
}

function decided<T extends Omit<ConfigChanges, "configs">>(
  { resources, validateOnly }: Asked<T>,
  recordsOf: (resource: T) => MetadataRecord[],
): { records: MetadataRecord[]; resources: AlteredConfigs[] } {
  const records: MetadataRecord[] = [];
  const keyOf = ({ resourceType, resourceName }: T) =>
    `${resourceType}:${resourceName}`;
  const twice = duplicates(resources.map(keyOf));
  const results = resources.map((resource): AlteredConfigs => {
    const result = itemResult(() => {
      if (twice.has(keyOf(resource))) {
        throw new KafkaError(
          "INVALID_REQUEST",
          `Resource "${resource.resourceName}" stands more than once in the request`,
        );
      }
      records.push(...recordsOf(resource));
    });
    const { resourceType, resourceName } = resource;
    return { resourceType, resourceName, ...result };
  });
  return { records: validateOnly ? [] : records, resources: results };
}

function altered(
  { resourceType, resourceName, configs }: ConfigChanges,
  { state, isReplacement }: {
    readonly state: ControllerState;
    readonly isReplacement: boolean;
  },
): MetadataRecord[] {
  const scope = scopeOf({ resourceType, resourceName }, state);
  const names = configs.map(({ name }) => name);
  const [twice] = duplicates(names);
  if (twice !== undefined) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Config "${twice}" stands more than once in the request`,
    );
  }
  const current = state.image.configs(resourceType, resourceName);
  const records: ConfigRecord[] = [];
  const change = (name: string, value: string | null) =>
    records.push(
      metadataRecord("Config", { resourceType, resourceName, name, value }),
    );
  for (const config of configs) {
    const before = current.get(config.name) ?? null;
    const value = changed(config, { before, scope });
    if (value !== before) change(config.name, value);
  }
  if (isReplacement) {
    for (const name of current.keys()) {
      if (!names.includes(name)) change(name, null);
    }
  }
  return [...records, ...elrRecords(records, state)];
}

/** Who is eligible under another min.insync.replicas nobody knows. */
function elrRecords(
  changes: readonly ConfigRecord[],
  { image }: ControllerState,
): MetadataRecord[] {
  const change = changes.find(({ value: { name } }) => name === MIN_ISR);
  if (change === undefined || !usesElr(image)) return [];
  const { resourceType, resourceName, value } = change.value;
  const isTopic = resourceType === RESOURCE_TYPE.TOPIC;
  const why = isTopic
    ? undefined
    : resourceName !== ""
    ? "can't differ between brokers"
    : value === null
    ? "can't be removed from the cluster's defaults"
    : undefined;
  if (why !== undefined) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `${MIN_ISR} ${why} while ${ELR_FEATURE} is 1`,
    );
  }
  const topicName = isTopic ? resourceName : "";
  return [metadataRecord("ClearElr", { topicName })];
}

function scopeOf(
  { resourceType, resourceName }: Omit<ConfigChanges, "configs">,
  { image, config }: ControllerState,
): Scope {
  if (resourceType === RESOURCE_TYPE.TOPIC) {
    if (resourceName === "") {
      throw new KafkaError(
        "INVALID_REQUEST",
        "Configs of all topics can't be changed: name a topic",
      );
    }
    const problem = topicNameProblem(resourceName);
    if (problem !== undefined) {
      throw new KafkaError("INVALID_TOPIC_EXCEPTION", problem);
    }
    if (image.topic(resourceName) === undefined) {
      throw new KafkaError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `Topic "${resourceName}" does not exist`,
      );
    }
    return {
      table: TOPIC_KEYS,
      scope: "topic",
      fallback: (name) =>
        configText(topicDefault(name as TopicKeyName, config)),
    };
  }
  if (resourceType === RESOURCE_TYPE.GROUP) {
    return groupScope(resourceName, config);
  }
  if (resourceType !== RESOURCE_TYPE.BROKER) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Configs of resource type ${resourceType} can't be changed: only those of topics, brokers and groups`,
    );
  }
  if (resourceName !== "" && !/^\d{1,10}$/.test(resourceName)) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Broker "${resourceName}" is not a node id`,
    );
  }
  if (resourceName !== "" && !image.broker(Number(resourceName))) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Broker ${resourceName} is not registered`,
    );
  }
  return {
    table: BROKER_KEYS,
    scope: "broker",
    fallback: (name) =>
      configText(BROKER_KEYS[name as keyof typeof BROKER_KEYS].default),
  };
}

/** The broker keys between which a key of groups must lie. */
const GROUP_BOUNDS = {
  "consumer.heartbeat.interval.ms": {
    min: "group.consumer.min.heartbeat.interval.ms",
    max: "group.consumer.max.heartbeat.interval.ms",
  },
  "consumer.session.timeout.ms": {
    min: "group.consumer.min.session.timeout.ms",
    max: "group.consumer.max.session.timeout.ms",
  },
} as const;

/** A group need not exist to have configs. */
function groupScope(groupId: string, config: BrokerValues): Scope {
  if (groupId === "") {
    throw new KafkaError(
      "INVALID_REQUEST",
      "Configs of all groups can't be changed: name a group",
    );
  }
  return {
    table: GROUP_KEYS,
    scope: "group",
    problemOf: (name, text) => {
      const { min, max } = GROUP_BOUNDS[name as keyof typeof GROUP_BOUNDS];
      const value = Number(text);
      return value < config[min] || value > config[max]
        ? `Invalid value ${text} for config "${name}": it must lie between ${min} (${
          config[min]
        }) and ${max} (${config[max]})`
        : undefined;
    },
    fallback: () => null,
  };
}

function changed(
  change: ConfigChanges["configs"][number],
  { before, scope }: { readonly before: string | null; readonly scope: Scope },
): string | null {
  const { name, configOperation } = change;
  // Kafka lets any key go, known or not: its tools count on that.
  if (configOperation === OPERATION.DELETE) return null;
  const key = requireKey(name, scope);
  if (change.value === null) {
    throw new KafkaError("INVALID_REQUEST", `Config "${name}" has no value`);
  }
  const value = configOperation === OPERATION.SET
    ? change.value
    : listed({ name, configOperation, value: change.value }, {
      key,
      before: before ?? scope.fallback(name) ?? "",
    });
  const problem = configProblem(scope.table, name, {
    text: value,
    scope: scope.scope,
  });
  const refusal = problem ?? scope.problemOf?.(name, value);
  if (refusal !== undefined) throw new KafkaError("INVALID_CONFIG", refusal);
  return value;
}

function requireKey(
  name: string,
  { table, scope }: Scope,
): ConfigKey<unknown> {
  const key = Object.hasOwn(table, name) ? table[name] : undefined;
  if (key === undefined) {
    const problem = configProblem(table, name, { text: "", scope });
    throw new KafkaError("INVALID_CONFIG", problem!);
  }
  if (scope === "broker" && (key.update ?? "read-only") === "read-only") {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Config "${name}" can't be changed while the broker runs: set it at start`,
    );
  }
  return key;
}

function listed(
  { name, configOperation, value }: {
    readonly name: string;
    readonly configOperation: number;
    readonly value: string;
  },
  { key, before }: {
    readonly key: ConfigKey<unknown>;
    readonly before: string;
  },
): string {
  const isAppend = configOperation === OPERATION.APPEND;
  if (!isAppend && configOperation !== OPERATION.SUBTRACT) {
    throw new KafkaError(
      "INVALID_REQUEST",
      `Config operation ${configOperation} is not known`,
    );
  }
  if (key.type !== "LIST") {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Config "${name}" is no list: nothing can be ${
        isAppend ? "appended to" : "subtracted from"
      } it`,
    );
  }
  const parts = before === "" ? [] : before.split(",");
  const words = value.split(",").map((word) => word.trim());
  const rest = parts.filter((part) => !words.includes(part));
  if (!isAppend) return rest.join(",");
  const added = words.filter((word) => !parts.includes(word));
  return [...parts, ...new Set(added)].join(",");
}
