/**
 * The broker keys that kf honours. Owns names, defaults and bounds; a key that
 * nothing reads must not stand here. Where kf's default differs from Kafka's
 * the doc says so.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import {
  bool,
  choice,
  type ConfigValues,
  double,
  int,
  list,
  long,
  short,
  string,
} from "./key.ts";
import { CLUSTER_KEYS } from "./cluster_keys.ts";
import { checkCleanupPolicy, checkGzipLevel } from "./topic_keys.ts";

const SERVER_KEYS = {
  "advertised.listeners": list([], {
    doc: "Addresses that clients are told to connect to; listeners when empty.",
  }),
  "auto.create.topics.enable": bool(true, {
    doc: "Whether asking for a missing topic creates it.",
  }),
  "broker.rack": string(null, { doc: "Rack that this broker stands in." }),
  "broker.session.timeout.ms": int(9000, {
    min: 1,
    doc:
      "A broker that the controller hasn't heard of for this long is fenced.",
  }),
  "connections.max.idle.ms": long(600000, {
    min: 1,
    doc: "Connections silent for this long are closed.",
  }),
  "cordoned.log.dirs": list([], {
    update: "per-broker",
    doc: "Data folders that take no new replicas, or * for all; from " +
      "metadata.version 30 on.",
  }),
  "default.replication.factor": int(1, {
    min: 1,
    doc: "Replicas of topics created without a replication factor.",
  }),
  "delete.topic.enable": bool(true, {
    doc: "Whether topics can be deleted.",
  }),
  "fetch.max.bytes": int(LIMITS.fetchBytesMax, {
    min: 1024,
    doc: "Largest answer to a fetch, in bytes.",
  }),
  "kf.http.listener": string("off", {
    doc: "Where health and metrics are told over HTTP, to whoever connects: " +
      "HOST:PORT, port 0 for a free one; or off. Kafka has no such key.",
  }),
  "kf.metrics.partitions.max": int(1000, {
    min: 0,
    update: "cluster-wide",
    doc: "With more partitions than this, topics and partitions have no " +
      "metrics of their own. Kafka has no such key.",
  }),
  "listeners": list(["PLAINTEXT://:9092"], {
    doc: "Addresses to listen on: NAME://HOST:PORT, no host for all " +
      "interfaces, port 0 for a free one.",
  }),
  "log.dir": string("kf-data", {
    doc: "Data folder, when log.dirs is not set. Kafka's default is " +
      "/tmp/kafka-logs.",
  }),
  "log.dirs": list([], {
    doc: "Data folder; one. log.dir when empty.",
    check: (dirs) => dirs.length > 1 ? "must name one folder" : undefined,
  }),
  "max.connections": int(2147483647, {
    min: 0,
    update: "cluster-wide",
    doc: "Connections that the broker holds at once.",
  }),
  "max.connections.per.ip": int(2147483647, {
    min: 0,
    update: "cluster-wide",
    doc: "Connections that one address may hold at once.",
  }),
  "max.request.partition.size.limit": int(2000, {
    min: 1,
    doc: "Partitions in one answer to DescribeTopicPartitions.",
  }),
  "max.incremental.fetch.session.cache.slots": int(LIMITS.fetchSessionsMax, {
    min: 0,
    doc: "Incremental fetch sessions kept at once.",
  }),
  "metadata.log.max.record.bytes.between.snapshots": long(20971520, {
    min: 1,
    doc: "Bytes of metadata records after which a snapshot is taken.",
  }),
  "metadata.log.max.snapshot.interval.ms": long(3600000, {
    min: 0,
    doc: "Time after which a snapshot of changed metadata is taken; 0: never.",
  }),
  "node.id": int(1, {
    min: 0,
    doc: "This node's id in the cluster. Kafka has no default.",
  }),
  "num.partitions": int(1, {
    min: 1,
    doc: "Partitions of topics created without a number.",
  }),
  "producer.id.expiration.ms": int(86400000, {
    min: 1,
    update: "cluster-wide",
    doc: "How long a silent producer's sequence state is kept.",
  }),
  "socket.request.max.bytes": int(LIMITS.frameBytesMax, {
    min: 1,
    doc: "Largest request frame; a larger one closes the connection.",
  }),
} as const;

const GROUP_KEYS = {
  "group.consumer.assignors": list(["uniform", "range"], {
    valid: ["uniform", "range"],
    check: (names) => names.length === 0 ? "must name one" : undefined,
    doc: "Assignors that members of consumer groups may ask for; the first " +
      "is used when they don't.",
  }),
  "group.consumer.heartbeat.interval.ms": int(5000, {
    min: 1,
    doc: "How often members of consumer groups are to be heard of.",
  }),
  "group.consumer.max.heartbeat.interval.ms": int(15000, {
    min: 1,
    doc: "Largest consumer.heartbeat.interval.ms that a group may have.",
  }),
  "group.consumer.max.session.timeout.ms": int(60000, {
    min: 1,
    doc: "Largest consumer.session.timeout.ms that a group may have.",
  }),
  "group.consumer.max.size": int(2147483647, {
    min: 1,
    doc: "Members that one consumer group may have.",
  }),
  "group.consumer.migration.policy": choice("bidirectional", {
    valid: ["bidirectional", "upgrade", "downgrade", "disabled"],
    doc: "Whether a classic group becomes a consumer group, or the other way " +
      "round, while it has members.",
  }),
  "group.consumer.min.heartbeat.interval.ms": int(5000, {
    min: 1,
    doc: "Smallest consumer.heartbeat.interval.ms that a group may have.",
  }),
  "group.consumer.min.session.timeout.ms": int(45000, {
    min: 1,
    doc: "Smallest consumer.session.timeout.ms that a group may have.",
  }),
  "group.consumer.regex.refresh.interval.ms": int(600000, {
    min: 1,
    doc: "How long new topics may wait for members that subscribe by a " +
      "regular expression; at most ten seconds.",
  }),
  "group.consumer.session.timeout.ms": int(45000, {
    min: 1,
    doc: "How long a silent member stays in its consumer group.",
  }),
  "group.initial.rebalance.delay.ms": int(3000, {
    min: 0,
    doc: "How long an empty group's first rebalance waits for more members.",
  }),
  "group.max.session.timeout.ms": int(1800000, {
    min: 1,
    doc: "Longest session timeout that a member may ask for.",
  }),
  "group.max.size": int(2147483647, {
    min: 1,
    doc: "Members that one group may have.",
  }),
  "group.min.session.timeout.ms": int(6000, {
    min: 1,
    doc: "Shortest session timeout that a member may ask for.",
  }),
  "offset.metadata.max.bytes": int(LIMITS.offsetMetadataBytesMax, {
    min: 0,
    doc: "Largest text stored beside a committed offset.",
  }),
  "offsets.retention.check.interval.ms": long(600000, {
    min: 1,
    doc: "How often expired offsets are looked for.",
  }),
  "offsets.retention.minutes": int(10080, {
    min: 1,
    doc: "How long an inactive group's offsets are kept.",
  }),
  "offsets.topic.num.partitions": int(50, {
    min: 1,
    doc: "Partitions of __consumer_offsets, when it is created.",
  }),
  "offsets.topic.replication.factor": short(1, {
    min: 1,
    doc: "Replicas of __consumer_offsets, when it is created. Kafka's " +
      "default is 3.",
  }),
  "offsets.topic.segment.bytes": int(104857600, {
    min: 1048576,
    doc: "segment.bytes of __consumer_offsets, when it is created.",
  }),
} as const;

const TRANSACTION_KEYS = {
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": int(10000, {
    min: 1,
    doc: "How often transactions that take too long are looked for.",
  }),
  "transaction.max.timeout.ms": int(900000, {
    min: 1,
    doc: "Longest timeout of a transaction that a producer may ask for.",
  }),
  "transaction.partition.verification.enable": bool(true, {
    update: "cluster-wide",
    doc: "Whether a transaction's coordinator is asked before its first " +
      "record in a partition is taken.",
  }),
  "transaction.remove.expired.transaction.cleanup.interval.ms": int(3600000, {
    min: 1,
    doc: "How often expired transactional ids are looked for.",
  }),
  "transaction.state.log.min.isr": int(1, {
    min: 1,
    doc: "min.insync.replicas of __transaction_state, when it is created. " +
      "Kafka's default is 2.",
  }),
  "transaction.state.log.num.partitions": int(50, {
    min: 1,
    doc: "Partitions of __transaction_state, when it is created.",
  }),
  "transaction.state.log.replication.factor": short(1, {
    min: 1,
    doc: "Replicas of __transaction_state, when it is created. Kafka's " +
      "default is 3.",
  }),
  "transaction.state.log.segment.bytes": int(104857600, {
    min: 1048576,
    doc: "segment.bytes of __transaction_state, when it is created.",
  }),
  "transactional.id.expiration.ms": int(604800000, {
    min: 1,
    doc: "How long a transactional id that nobody uses is remembered.",
  }),
} as const;

const LOG_KEYS = {
  "compression.gzip.level": int(-1, {
    min: -1,
    max: 9,
    check: checkGzipLevel,
    update: "cluster-wide",
    doc: "Default of the topic key compression.gzip.level.",
  }),
  "compression.lz4.level": int(9, {
    min: 1,
    max: 17,
    update: "cluster-wide",
    doc: "Default of the topic key compression.lz4.level.",
  }),
  "compression.type": choice("producer", {
    valid: ["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"],
    update: "cluster-wide",
    doc: "Default of the topic key compression.type.",
  }),
  "compression.zstd.level": int(3, {
    min: -131072,
    max: 22,
    update: "cluster-wide",
    doc: "Default of the topic key compression.zstd.level.",
  }),
  "log.cleaner.backoff.ms": long(15000, {
    min: 0,
    update: "cluster-wide",
    doc: "How often the cleaner looks for logs to compact.",
  }),
  "log.cleaner.dedupe.buffer.size": long(134217728, {
    min: 1048577,
    update: "cluster-wide",
    doc: "Bytes for the keys of one compaction; when they are used up, the " +
      "rest of the log is left to the next one.",
  }),
  "log.cleaner.delete.retention.ms": long(86400000, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key delete.retention.ms.",
  }),
  "log.cleaner.enable": bool(true, {
    doc: "Whether topics with cleanup.policy=compact are compacted; without " +
      "it __consumer_offsets grows for ever.",
  }),
  "log.cleaner.io.max.bytes.per.second": double(Number.MAX_VALUE, {
    min: 1,
    update: "cluster-wide",
    doc: "Bytes that compactions read and write per second at most.",
  }),
  "log.cleaner.max.compaction.lag.ms": long(Infinity, {
    min: 1,
    update: "cluster-wide",
    doc: "Default of the topic key max.compaction.lag.ms.",
  }),
  "log.cleaner.min.cleanable.ratio": double(0.5, {
    min: 0,
    max: 1,
    update: "cluster-wide",
    doc: "Default of the topic key min.cleanable.dirty.ratio.",
  }),
  "log.cleaner.min.compaction.lag.ms": long(0, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key min.compaction.lag.ms.",
  }),
  "log.cleanup.policy": list(["delete"], {
    valid: ["compact", "delete"],
    check: checkCleanupPolicy,
    update: "cluster-wide",
    doc: "Default of the topic key cleanup.policy.",
  }),
  "log.flush.interval.messages": long(Infinity, {
    min: 1,
    update: "cluster-wide",
    doc: "Default of the topic key flush.messages.",
  }),
  "log.flush.interval.ms": long(null, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key flush.ms; " +
      "log.flush.scheduler.interval.ms when not set.",
  }),
  "log.flush.offset.checkpoint.interval.ms": int(60000, {
    min: 0,
    doc: "How often recovery points are written.",
  }),
  "log.flush.scheduler.interval.ms": long(Infinity, {
    min: 0,
    doc: "Default of log.flush.interval.ms.",
  }),
  "log.flush.start.offset.checkpoint.interval.ms": int(60000, {
    min: 0,
    doc: "How often log start offsets are written.",
  }),
  "log.index.interval.bytes": int(4096, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key index.interval.bytes.",
  }),
  "log.index.size.max.bytes": int(10485760, {
    min: 4,
    update: "cluster-wide",
    doc: "Default of the topic key segment.index.bytes.",
  }),
  "log.message.timestamp.after.max.ms": long(3600000, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key message.timestamp.after.max.ms.",
  }),
  "log.message.timestamp.before.max.ms": long(Infinity, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key message.timestamp.before.max.ms.",
  }),
  "log.message.timestamp.type": choice("CreateTime", {
    valid: ["CreateTime", "LogAppendTime"],
    update: "cluster-wide",
    doc: "Default of the topic key message.timestamp.type.",
  }),
  "log.retention.bytes": long(-1, {
    min: -1,
    update: "cluster-wide",
    doc: "Default of the topic key retention.bytes.",
  }),
  "log.retention.check.interval.ms": long(300000, {
    min: 1,
    doc: "How often retention looks for segments to delete.",
  }),
  "log.retention.hours": int(168, {
    min: -1,
    doc: "Default of retention.ms in hours, weakest of the three.",
  }),
  "log.retention.minutes": int(null, {
    min: -1,
    doc: "Default of retention.ms in minutes; beats log.retention.hours.",
  }),
  "log.retention.ms": long(null, {
    min: -1,
    update: "cluster-wide",
    doc: "Default of the topic key retention.ms; beats minutes and hours.",
  }),
  "log.roll.hours": int(168, {
    min: 1,
    doc: "Default of the topic key segment.ms in hours.",
  }),
  "log.roll.jitter.hours": int(0, {
    min: 0,
    doc: "Default of the topic key segment.jitter.ms in hours.",
  }),
  "log.roll.jitter.ms": long(null, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key segment.jitter.ms; beats the hours.",
  }),
  "log.roll.ms": long(null, {
    min: 1,
    update: "cluster-wide",
    doc: "Default of the topic key segment.ms; beats log.roll.hours.",
  }),
  "log.segment.bytes": int(1073741824, {
    min: 1048576,
    update: "cluster-wide",
    doc: "Default of the topic key segment.bytes.",
  }),
  "log.segment.delete.delay.ms": long(60000, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key file.delete.delay.ms.",
  }),
  "message.max.bytes": int(LIMITS.batchBytesMax, {
    min: 0,
    update: "cluster-wide",
    doc: "Default of the topic key max.message.bytes.",
  }),
  "min.insync.replicas": int(1, {
    min: 1,
    update: "cluster-wide",
    doc: "Default of the topic key min.insync.replicas.",
  }),
  "unclean.leader.election.enable": bool(false, {
    update: "cluster-wide",
    doc: "Default of the topic key unclean.leader.election.enable.",
  }),
} as const;

const REPLICA_KEYS = {
  "follower.replication.throttled.rate": long(Infinity, {
    min: 0,
    update: "per-broker",
    doc: "Bytes per second at which throttled replicas here catch up.",
  }),
  "leader.replication.throttled.rate": long(Infinity, {
    min: 0,
    update: "per-broker",
    doc: "Bytes per second that throttled leaders here give to replicas " +
      "that are not in sync.",
  }),
  "replica.fetch.backoff.ms": int(1000, {
    min: 0,
    doc: "How long a follower waits when its leader can't answer.",
  }),
  "replica.fetch.max.bytes": int(1_048_576, {
    min: 0,
    doc: "Bytes that a follower asks for of one partition.",
  }),
  "replica.fetch.min.bytes": int(1, {
    min: 0,
    doc: "Bytes that a leader waits for before it answers a follower.",
  }),
  "replica.fetch.response.max.bytes": int(10_485_760, {
    min: 0,
    doc: "Bytes that a follower asks for at once.",
  }),
  "replica.fetch.wait.max.ms": int(500, {
    min: 0,
    doc: "How long a leader waits for them.",
  }),
  "replica.high.watermark.checkpoint.interval.ms": long(5000, {
    min: 1,
    doc: "How often high watermarks are written.",
  }),
  "replica.lag.time.max.ms": long(30_000, {
    min: 1,
    doc: "How long a follower may lag and stay in sync.",
  }),
  "replica.selector.class": string(null, {
    valid: ["org.apache.kafka.common.replica.RackAwareReplicaSelector"],
    doc: "Sends consumers to a follower in their rack; unset: to the leader.",
  }),
  "replica.socket.timeout.ms": int(30_000, {
    min: 1,
    doc: "How long a follower waits for an answer beyond the wait for bytes.",
  }),
  "replication.quota.window.num": int(11, {
    min: 1,
    doc: "Windows over which the rate of throttled replication is measured.",
  }),
  "replication.quota.window.size.seconds": int(1, {
    min: 1,
    doc: "How long such a window is.",
  }),
} as const;

export const BROKER_KEYS = {
  ...SERVER_KEYS,
  ...CLUSTER_KEYS,
  ...GROUP_KEYS,
  ...TRANSACTION_KEYS,
  ...LOG_KEYS,
  ...REPLICA_KEYS,
} as const;

/** Values of the broker keys, by Kafka's name. */
export type BrokerValues = ConfigValues<typeof BROKER_KEYS>;

const ONE_LOOP = "one event loop serves everything";
const ONE_NODE = "this version runs as one node, broker and controller in one";

/**
 * Keys that stand in Kafka's own `server.properties` and that nothing here
 * would honour, with the reason that a refusal gives.
 */
export const REFUSED_KEYS: readonly (readonly [RegExp, string])[] = [
  [/^log\.cleaner\.(threads|io\.buffer\.)/, ONE_LOOP],
  [/^num\.(network|io|recovery|replica)\..*|^background\.threads$/, ONE_LOOP],
  [/^broker\.id|^controller\.|^zookeeper\./, ONE_NODE],
  [/^(inter\.broker|early\.start)\.|^listener\.|^security\./, ONE_NODE],
  [/^replica\./, ONE_NODE],
  [/^socket\.(send|receive)\.buffer\./, "the system sizes socket buffers"],
  [/^transaction\.two\.phase\./, "two-phase commit is not served"],
  [/^transaction\.state\.log\.load\./, "a state log is read in one go"],
  [
    /^share\.|^group\.(share|streams)\./,
    "only classic and consumer groups are served",
  ],
  [
    /^group\.consumer\.(min\.|max\.)?assign/,
    "assignments are computed at once, by the coordinator itself",
  ],
  [/^(ssl|sasl)\.|^authorizer\./, "only PLAINTEXT is served"],
];
