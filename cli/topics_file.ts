/**
 * `topics.yaml`: the topics as they should be, and what must change to get
 * there. Reading and comparing only; it must never change anything. Topics that
 * the file does not name are nobody's business.
 *
 * @module
 */
import type { Admin, ResourceConfig, TopicDescription } from "../net/client.ts";
import { UsageError } from "./failure.ts";
import { readText } from "./terminal.ts";
import { isMapping, parseYaml } from "./yaml.ts";

/** A topic as it should be; what is `undefined` may be anything. */
export interface WantedTopic {
  readonly name: string;
  readonly partitions: number | undefined;
  readonly replicas: number | undefined;
  /** When given, all that is set on the topic. */
  readonly configs: Readonly<Record<string, string>> | undefined;
}

/** One thing to change. */
export interface Change {
  readonly topic: string;
  readonly change: "create" | "partitions" | "set" | "unset" | "impossible";
  /** The config key, `partitions` or `replicas`; of a new topic `topic`. */
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** What is wanted, and what must change for it. */
export interface Plan {
  readonly wanted: readonly WantedTopic[];
  readonly changes: readonly Change[];
}

const TOPIC_KEYS = ["partitions", "replicas", "configs"];

/** Reads the file and compares it with the cluster. */
export async function planOf(path: string, admin: Admin): Promise<Plan> {
  const wanted = await readTopicsFile(path);
  const there = await admin.describeTopics(wanted.map(({ name }) => name));
  for (const { error } of there) {
    if (error && error.error !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
  }
  const known = there.filter(({ error }) => error === undefined);
  const configs = known.length === 0 ? [] : await admin.describeConfigs(
    known.map(({ name }) => ({ type: "topic" as const, name })),
  );
  for (const { error } of configs) if (error) throw error;
  const changes = wanted.flatMap((topic) =>
    changesOf(topic, {
      topic: known.find(({ name }) => name === topic.name),
      config: configs.find(({ name }) => name === topic.name),
    })
  );
  return { wanted, changes };
}

/** What must change for one topic; `topic` is absent when there is none. */
export function changesOf(
  wanted: WantedTopic,
  found: {
    readonly topic: Pick<TopicDescription, "partitions"> | undefined;
    readonly config: Pick<ResourceConfig, "entries"> | undefined;
  },
): Change[] {
  const topic = wanted.name;
  if (found.topic === undefined) {
    const to = `${wanted.partitions ?? "default"} partitions`;
    return [
      { topic, change: "create", name: "topic", from: null, to },
      ...configChanges(wanted, undefined),
    ];
  }
  const changes: Change[] = [];
  const { partitions } = found.topic;
  const replicas = partitions[0]?.replicas.length ?? 0;
  if (wanted.partitions !== undefined) {
    const [from, to] = [partitions.length, wanted.partitions];
    const change = to > from ? "partitions" : "impossible";
    if (to !== from) {
      changes.push({ topic, change, name: "partitions", ...text(from, to) });
    }
  }
  if (wanted.replicas !== undefined && wanted.replicas !== replicas) {
    changes.push({
      topic,
      change: "impossible",
      name: "replicas",
      ...text(replicas, wanted.replicas),
    });
  }
  return [...changes, ...configChanges(wanted, found.config)];
}

function configChanges(
  { name: topic, configs }: WantedTopic,
  found: Pick<ResourceConfig, "entries"> | undefined,
): Change[] {
  if (configs === undefined) return [];
  const own = new Map(
    (found?.entries ?? [])
      .filter(({ source }) => source === "DYNAMIC_TOPIC_CONFIG")
      .map(({ name, value }) => [name, value]),
  );
  const sets = Object.entries(configs)
    .filter(([name, to]) => own.get(name) !== to)
    .map(([name, to]): Change => ({
      topic,
      change: "set",
      name,
      from: own.get(name) ?? null,
      to,
    }));
  const unsets = [...own].filter(([name]) => !Object.hasOwn(configs, name))
    .map(([name, from]): Change => ({
      topic,
      change: "unset",
      name,
      from,
      to: null,
    }));
  return [...sets, ...unsets];
}

function text(from: number, to: number) {
  return { from: String(from), to: String(to) };
}

async function readTopicsFile(path: string): Promise<WantedTopic[]> {
  const content = readText(path === "-" ? "/dev/stdin" : path);
  if (content === undefined) {
    throw new UsageError(`Cannot read "${path}": there is no such file`);
  }
  return topicsOf(path, await parseYaml(path, content));
}

/** The topics of a parsed file; throws `UsageError` on what it can't mean. */
export function topicsOf(
  path: string,
  values: Readonly<Record<string, unknown>>,
): WantedTopic[] {
  const refuse = (why: string) =>
    new UsageError(`Cannot read "${path}": ${why}`);
  const { topics, ...rest } = values;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw refuse(`unknown key "${unknown}": only topics stands at the top`);
  }
  if (!isMapping(topics)) {
    throw refuse("topics must hold a name: and below it what it should be");
  }
  return Object.entries(topics).map(([name, value]) => {
    const given = value ?? {};
    if (!isMapping(given)) throw refuse(`topic "${name}" must hold key: value`);
    const wrong = Object.keys(given).find((key) => !TOPIC_KEYS.includes(key));
    if (wrong !== undefined) {
      throw refuse(
        `unknown key "${wrong}" of topic "${name}": one of ${
          TOPIC_KEYS.join(", ")
        }`,
      );
    }
    const count = (key: "partitions" | "replicas") => {
      const number = given[key];
      if (number === undefined || number === null) return undefined;
      if (Number.isInteger(number) && Number(number) > 0) return Number(number);
      throw refuse(`${key} of topic "${name}" must be a whole number from 1`);
    };
    return {
      name,
      partitions: count("partitions"),
      replicas: count("replicas"),
      configs: configsOf(
        given["configs"],
        () => refuse(`configs of topic "${name}" must hold key: value`),
      ),
    };
  });
}

function configsOf(
  value: unknown,
  refusal: () => UsageError,
): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isMapping(value)) throw refusal();
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      if (Array.isArray(each)) return [name, each.join(",")];
      if (typeof each === "object") throw refusal();
      return [name, String(each)];
    }),
  );
}
