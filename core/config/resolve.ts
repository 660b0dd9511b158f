/**
 * From texts to typed configs: which keys there are, what they may hold, which
 * layer wins. Owns the refusal of unknown and bad keys with INVALID_CONFIG and
 * a sentence; reads no file itself.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { BROKER_KEYS, type BrokerValues, REFUSED_KEYS } from "./broker_keys.ts";
import {
  ADMIN_KEYS,
  type AdminValues,
  CONSUMER_KEYS,
  type ConsumerValues,
  PRODUCER_KEYS,
  type ProducerValues,
} from "./client_keys.ts";
import type { ConfigKey, KeyTable, Synonym } from "./key.ts";
import { TOPIC_KEYS, type TopicValues } from "./topic_keys.ts";

/** Keys and their texts, as a file or a command line gives them. */
export type ConfigText = ReadonlyMap<string, string>;

/** Who said what about a broker, weakest first. */
export interface BrokerLayers {
  /** The file, overridden by the command line. */
  readonly static: ConfigText;
  /** Changed at run time for all brokers. */
  readonly dynamicDefault: ConfigText;
  /** Changed at run time for this broker. */
  readonly dynamicBroker: ConfigText;
}

/** A broker's config: values by Kafka's name, and where they come from. */
export interface BrokerConfig extends BrokerValues {
  /** The texts behind the values, for DescribeConfigs. */
  readonly layers: BrokerLayers;
}

/** A topic's config: what the log, validation and leader read. */
export interface TopicConfig {
  readonly cleanupPolicy: {
    readonly compact: boolean;
    readonly delete: boolean;
  };
  readonly compressionType: TopicValues["compression.type"];
  readonly compressionGzipLevel: number;
  readonly compressionLz4Level: number;
  readonly compressionZstdLevel: number;
  readonly deleteRetentionMs: number;
  readonly fileDeleteDelayMs: number;
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly followerReplicationThrottledReplicas: readonly string[];
  readonly indexIntervalBytes: number;
  readonly leaderReplicationThrottledReplicas: readonly string[];
  readonly maxCompactionLagMs: number;
  readonly maxMessageBytes: number;
  readonly messageTimestampAfterMaxMs: number;
  readonly messageTimestampBeforeMaxMs: number;
  readonly messageTimestampType: TopicValues["message.timestamp.type"];
  readonly minCleanableDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly minInsyncReplicas: number;
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  readonly segmentJitterMs: number;
  /** A compacted topic's is `max.compaction.lag.ms` at most. */
  readonly segmentMs: number;
}

const NOTHING: ConfigText = new Map();

/**
 * The broker's config from its static texts (file, then command line over it).
 * Throws {@linkcode KafkaError} `INVALID_CONFIG` naming every bad key.
 */
export function resolveBrokerConfig(
  properties: ConfigText = NOTHING,
): BrokerConfig {
  refuseBad(BROKER_KEYS, properties, "broker");
  return layered({
    static: properties,
    dynamicDefault: NOTHING,
    dynamicBroker: NOTHING,
  });
}

/** The same config under other dynamic texts, which were checked when set. */
export function withDynamicConfig(
  config: BrokerConfig,
  dynamic: { readonly default: ConfigText; readonly broker: ConfigText },
): BrokerConfig {
  return layered({
    static: config.layers.static,
    dynamicDefault: dynamic.default,
    dynamicBroker: dynamic.broker,
  });
}

function layered(layers: BrokerLayers): BrokerConfig {
  const values: Record<string, unknown> = { layers };
  const { dynamicBroker, dynamicDefault } = layers;
  for (const [name, key] of Object.entries<ConfigKey<unknown>>(BROKER_KEYS)) {
    const text = dynamicBroker.get(name) ?? dynamicDefault.get(name) ??
      layers.static.get(name);
    values[name] = text === undefined ? key.default : key.parse(text);
  }
  return Object.freeze(values) as unknown as BrokerConfig;
}

/**
 * A topic's config: its own texts over the broker's. Throws
 * {@linkcode KafkaError} `INVALID_CONFIG` naming every bad key.
 */
export function resolveTopicConfig(
  overrides: ConfigText,
  broker: BrokerConfig,
): TopicConfig {
  refuseBad(TOPIC_KEYS, overrides, "topic");
  const config = topicConfigOf(overrides, broker);
  const { minCompactionLagMs: min, maxCompactionLagMs: max } = config;
  if (min > max) {
    throw new KafkaError(
      "INVALID_CONFIG",
      `Cannot wait min.compaction.lag.ms (${min}) and compact within max.compaction.lag.ms (${max}): set the former to the latter at most`,
    );
  }
  return config;
}

/** The same of texts that are known to be good one by one. */
function topicConfigOf(
  overrides: ConfigText,
  broker: BrokerConfig,
): TopicConfig {
  const get = (name: keyof typeof TOPIC_KEYS): unknown => {
    const text = overrides.get(name);
    return text === undefined
      ? topicDefault(name, broker)
      : TOPIC_KEYS[name].parse(text);
  };
  const number = (name: keyof typeof TOPIC_KEYS) => get(name) as number;
  const policy = get("cleanup.policy") as readonly string[];
  const maxCompactionLagMs = number("max.compaction.lag.ms");
  return Object.freeze<TopicConfig>({
    cleanupPolicy: {
      compact: policy.includes("compact"),
      delete: policy.includes("delete"),
    },
    compressionType: get("compression.type") as TopicConfig["compressionType"],
    compressionGzipLevel: number("compression.gzip.level"),
    compressionLz4Level: number("compression.lz4.level"),
    compressionZstdLevel: number("compression.zstd.level"),
    deleteRetentionMs: number("delete.retention.ms"),
    fileDeleteDelayMs: number("file.delete.delay.ms"),
    flushMessages: number("flush.messages"),
    flushMs: number("flush.ms"),
    followerReplicationThrottledReplicas: get(
      "follower.replication.throttled.replicas",
    ) as readonly string[],
    indexIntervalBytes: number("index.interval.bytes"),
    leaderReplicationThrottledReplicas: get(
      "leader.replication.throttled.replicas",
    ) as readonly string[],
    maxCompactionLagMs,
    maxMessageBytes: number("max.message.bytes"),
    messageTimestampAfterMaxMs: number("message.timestamp.after.max.ms"),
    messageTimestampBeforeMaxMs: number("message.timestamp.before.max.ms"),
    messageTimestampType: get(
      "message.timestamp.type",
    ) as TopicConfig["messageTimestampType"],
    minCleanableDirtyRatio: number("min.cleanable.dirty.ratio"),
    minCompactionLagMs: number("min.compaction.lag.ms"),
    minInsyncReplicas: number("min.insync.replicas"),
    retentionBytes: number("retention.bytes"),
    retentionMs: number("retention.ms"),
    segmentBytes: number("segment.bytes"),
    segmentIndexBytes: number("segment.index.bytes"),
    segmentJitterMs: number("segment.jitter.ms"),
    segmentMs: policy.includes("compact")
      ? Math.min(number("segment.ms"), maxCompactionLagMs)
      : number("segment.ms"),
  });
}

/**
 * The same of what a metadata log holds: keys that only Apache Kafka knows
 * may stand in a folder that was its own, and change nothing here.
 */
export function storedTopicConfig(
  overrides: ConfigText,
  broker: BrokerConfig,
): TopicConfig {
  const known = [...overrides]
    .filter(([name]) => Object.hasOwn(TOPIC_KEYS, name));
  // Good when they were set; the broker's own may have moved since.
  refuseBad(TOPIC_KEYS, new Map(known), "topic");
  return topicConfigOf(new Map(known), broker);
}

/** The value of a topic key when the topic itself says nothing. */
export function topicDefault(
  name: keyof typeof TOPIC_KEYS,
  broker: BrokerValues,
): unknown {
  const synonyms: readonly Synonym[] = TOPIC_KEYS[name].synonyms ?? [];
  for (const synonym of synonyms) {
    const value = broker[synonym.name as keyof BrokerValues];
    if (value === null || value === undefined) continue;
    return synonym.scale === undefined || (value as number) < 0
      ? value
      : (value as number) * synonym.scale;
  }
  return TOPIC_KEYS[name].default;
}

/** A kind of client. */
export type ClientKind = "producer" | "consumer" | "admin";

/** What each kind of client resolves to. */
export interface ClientValues extends Record<ClientKind, unknown> {
  producer: ProducerValues;
  consumer: ConsumerValues;
  admin: AdminValues;
}

const CLIENT_KEYS: Readonly<Record<ClientKind, KeyTable>> = {
  producer: PRODUCER_KEYS,
  consumer: CONSUMER_KEYS,
  admin: ADMIN_KEYS,
};

/** The kinds of client that know a key of Kafka's; none for a wrong name. */
export function clientKindsOf(name: string): ClientKind[] {
  return (["producer", "consumer", "admin"] as const)
    .filter((kind) => Object.hasOwn(CLIENT_KEYS[kind], name));
}

/**
 * A client's config from Kafka's names. Throws {@linkcode KafkaError}
 * `INVALID_CONFIG` naming every bad key.
 */
export function clientConfig<Kind extends ClientKind>(
  kind: Kind,
  properties: Readonly<Record<string, unknown>>,
): ClientValues[Kind] {
  const table = CLIENT_KEYS[kind];
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    texts.set(name, value === Infinity ? "9223372036854775807" : String(value));
  }
  refuseBad(table, texts, kind);
  if (kind === "consumer") refuseOtherProtocol(texts);
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(table)) {
    const text = texts.get(name);
    values[name] = text === undefined ? key.default : key.parse(text);
  }
  return Object.freeze(values) as unknown as ClientValues[Kind];
}

/** Keys that the other group protocol alone would read, as Kafka refuses them. */
function refuseOtherProtocol(texts: ConfigText): void {
  const protocol = texts.get("group.protocol") ?? "classic";
  const foreign = protocol === "classic" ? ["group.remote.assignor"] : [
    "heartbeat.interval.ms",
    "partition.assignment.strategy",
    "session.timeout.ms",
  ];
  const problems = foreign.filter((name) => texts.has(name)).map((name) =>
    `Cannot set consumer config "${name}" with group.protocol=${protocol}: leave it out`
  );
  if (problems.length > 0) {
    throw new KafkaError("INVALID_CONFIG", problems.join("\n"));
  }
}

/** A sentence why `text` is refused for `name`; undefined when it is fine. */
export function configProblem(
  table: KeyTable,
  name: string,
  { text, scope }: { readonly text: string; readonly scope: string },
): string | undefined {
  const key = Object.hasOwn(table, name) ? table[name] : undefined;
  if (key === undefined) {
    const why = scope === "broker" ? refusedBecause(name) : undefined;
    if (why !== undefined) {
      return `Kafka's broker config "${name}" would change nothing: ${why}; leave it out`;
    }
    const near = nearest(name, Object.keys(table));
    const hint = near === undefined ? "" : `: did you mean "${near}"?`;
    return `Unknown ${scope} config "${name}"${hint}`;
  }
  try {
    key.parse(text);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    return `Invalid value "${text}" for ${scope} config "${name}": it ${cause.message}`;
  }
}

function refusedBecause(name: string): string | undefined {
  return REFUSED_KEYS.find(([pattern]) => pattern.test(name))?.[1];
}

function refuseBad(table: KeyTable, texts: ConfigText, scope: string): void {
  const problems: string[] = [];
  for (const [name, text] of texts) {
    const problem = configProblem(table, name, { text, scope });
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length > 0) {
    throw new KafkaError("INVALID_CONFIG", problems.join("\n"));
  }
}

function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of names) {
    const distance = editDistance(name, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
