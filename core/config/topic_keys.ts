/**
 * The topic keys that kf honours, with the broker keys that give their
 * defaults. Owns names, defaults and bounds; a key that nothing reads must not
 * stand here.
 *
 * @module
 */
import {
  bool,
  choice,
  type ConfigValues,
  double,
  int,
  list,
  long,
  type Synonym,
} from "./key.ts";

const by = (...names: string[]): Synonym[] => names.map((name) => ({ name }));

/** Codec names of `compression.type`. */
export const CODEC_NAMES = [
  "none",
  "gzip",
  "snappy",
  "lz4",
  "zstd",
] as const;

/** An empty or doubled policy is refused, as Kafka refuses it. */
export function checkCleanupPolicy(
  policy: readonly string[],
): string | undefined {
  return policy.length === 0
    ? "must name compact, delete or both"
    : new Set(policy).size < policy.length
    ? "must not name a policy twice"
    : undefined;
}

/** gzip takes 1 to 9 and -1, its own default. */
export function checkGzipLevel(level: number): string | undefined {
  return level === 0 ? "must be -1 or from 1 to 9" : undefined;
}

/** `*`, or some of `PARTITION:BROKER`. */
function checkReplicas(entries: readonly string[]): string | undefined {
  const isAll = entries.length === 1 && entries[0] === "*";
  return isAll || entries.every((entry) => /^\d+:\d+$/.test(entry))
    ? undefined
    : "must be * or a list of PARTITION:BROKER";
}

export const TOPIC_KEYS = {
  "cleanup.policy": list(["delete"], {
    valid: ["compact", "delete"],
    check: checkCleanupPolicy,
    synonyms: by("log.cleanup.policy"),
    doc: "What happens to old segments: delete removes them by age and size, " +
      "compact keeps the latest record of each key and refuses records without one.",
  }),
  "compression.gzip.level": int(-1, {
    min: -1,
    max: 9,
    check: checkGzipLevel,
    synonyms: by("compression.gzip.level"),
    doc: "Level used when compression.type is gzip; -1 is gzip's own default.",
  }),
  "compression.lz4.level": int(9, {
    min: 1,
    max: 17,
    synonyms: by("compression.lz4.level"),
    doc: "Level used when compression.type is lz4.",
  }),
  "compression.type": choice("producer", {
    valid: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
    synonyms: by("compression.type"),
    doc: "Codec in which batches are stored; producer keeps what was sent, " +
      "uncompressed inflates.",
  }),
  "compression.zstd.level": int(3, {
    min: -131072,
    max: 22,
    synonyms: by("compression.zstd.level"),
    doc: "Level used when compression.type is zstd.",
  }),
  "delete.retention.ms": long(86400000, {
    min: 0,
    synonyms: by("log.cleaner.delete.retention.ms"),
    doc: "How long a compaction keeps tombstones and transaction markers.",
  }),
  "file.delete.delay.ms": long(60000, {
    min: 0,
    synonyms: by("log.segment.delete.delay.ms"),
    doc: "How long a deleted segment's files stay on disk.",
  }),
  "flush.messages": long(Infinity, {
    min: 1,
    synonyms: by("log.flush.interval.messages"),
    doc: "Records after which the log is forced to disk before they are " +
      "acknowledged; 1 syncs every record.",
  }),
  "flush.ms": long(Infinity, {
    min: 0,
    synonyms: by("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
    doc: "Milliseconds after which appended records are forced to disk.",
  }),
  "follower.replication.throttled.replicas": list([], {
    check: checkReplicas,
    synonyms: [],
    doc: "Replicas that are slowed down while they catch up, as " +
      "PARTITION:BROKER, or *: see follower.replication.throttled.rate.",
  }),
  "index.interval.bytes": int(4096, {
    min: 0,
    synonyms: by("log.index.interval.bytes"),
    doc: "Bytes of records between two entries of the offset index.",
  }),
  "leader.replication.throttled.replicas": list([], {
    check: checkReplicas,
    synonyms: [],
    doc: "Replicas that, as leaders, slow down those who are not in sync, as " +
      "PARTITION:BROKER, or *: see leader.replication.throttled.rate.",
  }),
  "max.compaction.lag.ms": long(Infinity, {
    min: 1,
    synonyms: by("log.cleaner.max.compaction.lag.ms"),
    doc: "Age at which a record is compacted at the latest, however clean " +
      "the log is.",
  }),
  "max.message.bytes": int(1048588, {
    min: 0,
    synonyms: by("message.max.bytes"),
    doc: "Largest record batch, compressed, in bytes.",
  }),
  "message.timestamp.after.max.ms": long(3600000, {
    min: 0,
    synonyms: by("log.message.timestamp.after.max.ms"),
    doc: "How far a record's time may lie ahead of the broker's (CreateTime).",
  }),
  "message.timestamp.before.max.ms": long(Infinity, {
    min: 0,
    synonyms: by("log.message.timestamp.before.max.ms"),
    doc: "How far a record's time may lie behind the broker's (CreateTime).",
  }),
  "message.timestamp.type": choice("CreateTime", {
    valid: ["CreateTime", "LogAppendTime"],
    synonyms: by("log.message.timestamp.type"),
    doc: "Whose time a record carries: the producer's or the broker's.",
  }),
  "min.cleanable.dirty.ratio": double(0.5, {
    min: 0,
    max: 1,
    synonyms: by("log.cleaner.min.cleanable.ratio"),
    doc: "Part of a log that must be new since its last compaction before " +
      "the next one.",
  }),
  "min.compaction.lag.ms": long(0, {
    min: 0,
    synonyms: by("log.cleaner.min.compaction.lag.ms"),
    doc: "Age below which records are not compacted.",
  }),
  "min.insync.replicas": int(1, {
    min: 1,
    synonyms: by("min.insync.replicas"),
    doc: "In-sync replicas that must exist for an acks=all produce.",
  }),
  "retention.bytes": long(-1, {
    min: -1,
    synonyms: by("log.retention.bytes"),
    doc: "Bytes per partition above which old segments go; -1: no limit.",
  }),
  "retention.ms": long(604800000, {
    min: -1,
    synonyms: [
      { name: "log.retention.ms" },
      { name: "log.retention.minutes", scale: 60000 },
      { name: "log.retention.hours", scale: 3600000 },
    ],
    doc: "Age at which old segments go, in milliseconds; -1: never.",
  }),
  "segment.bytes": int(1073741824, {
    min: 1048576,
    synonyms: by("log.segment.bytes"),
    doc: "Size at which a segment is closed and a new one begun.",
  }),
  "segment.index.bytes": int(10485760, {
    min: 4,
    synonyms: by("log.index.size.max.bytes"),
    doc: "Largest index file; a segment whose index is full is closed.",
  }),
  "segment.jitter.ms": long(0, {
    min: 0,
    synonyms: [
      { name: "log.roll.jitter.ms" },
      { name: "log.roll.jitter.hours", scale: 3600000 },
    ],
    doc: "Random part by which segment.ms is shortened.",
  }),
  "segment.ms": long(604800000, {
    min: 1,
    synonyms: [
      { name: "log.roll.ms" },
      { name: "log.roll.hours", scale: 3600000 },
    ],
    doc: "Age at which a segment is closed even when it is not full.",
  }),
  "unclean.leader.election.enable": bool(false, {
    synonyms: by("unclean.leader.election.enable"),
    doc: "Whether a replica that isn't in sync may lead when no other can: " +
      "records may be lost.",
  }),
} as const;

/** Values of the topic keys, by Kafka's name. */
export type TopicValues = ConfigValues<typeof TOPIC_KEYS>;

/** One of the topic keys. */
export type TopicKeyName = keyof typeof TOPIC_KEYS;
