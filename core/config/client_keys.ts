/**
 * The keys of producer, consumer and admin client that kf honours, by Kafka's
 * names. Owns names, defaults and bounds; a key that nothing reads must not
 * stand here.
 *
 * @module
 */
import {
  bool,
  choice,
  type ConfigValues,
  int,
  list,
  long,
  string,
} from "./key.ts";
import { checkGzipLevel, CODEC_NAMES } from "./topic_keys.ts";

const COMMON_KEYS = {
  "bootstrap.servers": list(["localhost:9092"], {
    check: (servers) =>
      servers.length === 0 ? "must name a HOST:PORT" : undefined,
    doc: "HOST:PORT of brokers to ask first, comma-separated. Kafka has no " +
      "default.",
  }),
  "client.id": string("", { doc: "Name that the broker sees and logs." }),
  "connections.max.idle.ms": long(540000, {
    min: -1,
    doc: "Connections unused for this long are closed.",
  }),
  "metadata.max.age.ms": long(300000, {
    min: 0,
    doc: "Age after which metadata is asked for anew.",
  }),
  "reconnect.backoff.max.ms": long(1000, {
    min: 0,
    doc: "Longest pause between two attempts to connect to one broker.",
  }),
  "reconnect.backoff.ms": long(50, {
    min: 0,
    doc: "First pause between two attempts to connect to one broker.",
  }),
  "request.timeout.ms": int(30000, {
    min: 0,
    doc: "How long one request waits for its answer.",
  }),
  "retry.backoff.max.ms": long(1000, {
    min: 0,
    doc: "Longest pause before a failed request is sent again.",
  }),
  "retry.backoff.ms": long(100, {
    min: 0,
    doc: "First pause before a failed request is sent again.",
  }),
  "socket.connection.setup.timeout.ms": long(10000, {
    min: 0,
    doc: "How long a connection may take to be set up.",
  }),
} as const;

export const PRODUCER_KEYS = {
  ...COMMON_KEYS,
  "acks": choice("all", {
    valid: ["all", "-1", "0", "1"],
    doc: "Who must have a record before it counts as sent: all in-sync " +
      "replicas, the leader (1) or nobody (0).",
  }),
  "batch.size": int(16384, {
    min: 0,
    doc: "Bytes that a partition's batch may grow to before it is sent.",
  }),
  "buffer.memory": long(33554432, {
    min: 0,
    doc: "Bytes of unsent records held before send waits.",
  }),
  "compression.gzip.level": int(-1, {
    min: -1,
    max: 9,
    check: checkGzipLevel,
    doc: "Level of gzip; -1 is gzip's own default.",
  }),
  "compression.lz4.level": int(9, { min: 1, max: 17, doc: "Level of lz4." }),
  "compression.type": choice("none", {
    valid: CODEC_NAMES,
    doc: "Codec of the batches.",
  }),
  "compression.zstd.level": int(3, {
    min: -131072,
    max: 22,
    doc: "Level of zstd.",
  }),
  "delivery.timeout.ms": int(120000, {
    min: 0,
    doc: "How long a record may take from send to acknowledgement, retries " +
      "included.",
  }),
  "enable.idempotence": bool(true, {
    doc: "Whether retries can't duplicate or reorder records; needs acks=all.",
  }),
  "linger.ms": long(5, {
    min: 0,
    doc: "How long a batch waits for more records before it is sent.",
  }),
  "max.block.ms": long(60000, {
    min: 0,
    doc: "How long send waits for metadata or room.",
  }),
  "max.in.flight.requests.per.connection": int(5, {
    min: 1,
    doc: "Produce requests in flight to one broker; at most 5 when idempotent.",
  }),
  "max.request.size": int(1048576, {
    min: 0,
    doc: "Largest produce request, and so largest record, in bytes.",
  }),
  "partitioner.ignore.keys": bool(false, {
    doc: "Whether records with keys are spread like those without.",
  }),
  "retries": int(2147483647, {
    min: 0,
    doc: "How often a failed batch is sent again within delivery.timeout.ms.",
  }),
  "transaction.timeout.ms": int(60000, {
    min: 0,
    doc: "How long a transaction may stay open before the broker aborts it.",
  }),
  "transactional.id": string(null, {
    check: (id) => id === "" ? "must not be empty" : undefined,
    doc: "Name under which transactions are made; a new producer of the same " +
      "name fences the one before.",
  }),
} as const;

export const CONSUMER_KEYS = {
  ...COMMON_KEYS,
  "allow.auto.create.topics": bool(true, {
    doc: "Whether asking for a missing topic may create it.",
  }),
  "auto.commit.interval.ms": int(5000, {
    min: 0,
    doc: "How often positions are committed with enable.auto.commit.",
  }),
  "auto.offset.reset": choice("latest", {
    valid: ["latest", "earliest", "none"],
    doc: "Where to start without a valid committed offset; none: an error.",
  }),
  "check.crcs": bool(true, {
    doc: "Whether fetched batches' checksums are verified.",
  }),
  "client.rack": string("", { doc: "Rack that this client stands in." }),
  "default.api.timeout.ms": int(60000, {
    min: 0,
    doc: "How long one call of the client may take, retries included.",
  }),
  "enable.auto.commit": bool(true, {
    doc: "Whether positions are committed in the background.",
  }),
  "exclude.internal.topics": bool(true, {
    doc: "Whether a pattern leaves out internal topics.",
  }),
  "fetch.max.bytes": int(52428800, {
    min: 0,
    doc: "Largest answer to a fetch, in bytes.",
  }),
  "fetch.max.wait.ms": int(500, {
    min: 0,
    doc: "How long the broker waits for fetch.min.bytes.",
  }),
  "fetch.min.bytes": int(1, {
    min: 0,
    doc: "Bytes for which the broker waits before it answers a fetch.",
  }),
  "group.id": string(null, { doc: "Consumer group to join." }),
  "group.instance.id": string(null, {
    check: (id) => id === "" ? "must not be empty" : undefined,
    doc: "Name that makes this member static: a restart within the session " +
      "timeout keeps its partitions.",
  }),
  "group.protocol": choice("classic", {
    valid: ["classic", "consumer"],
    doc: "Who divides the partitions: a member (classic), or the broker " +
      "(consumer, KIP-848).",
  }),
  "group.remote.assignor": string(null, {
    check: (name) => name === "" ? "must not be empty" : undefined,
    doc: "Assignor that the broker uses with group.protocol=consumer, " +
      "uniform or range; unset leaves it to the broker.",
  }),
  "heartbeat.interval.ms": int(3000, {
    min: 1,
    doc: "How often the member tells the coordinator that it is alive.",
  }),
  "isolation.level": choice("read_uncommitted", {
    valid: ["read_committed", "read_uncommitted"],
    doc: "Whether records of open and aborted transactions are read.",
  }),
  "max.partition.fetch.bytes": int(1048576, {
    min: 0,
    doc: "Bytes of one partition in an answer to a fetch.",
  }),
  "max.poll.interval.ms": int(300000, {
    min: 1,
    doc: "Longest time between two polls before the member leaves its group.",
  }),
  "max.poll.records": int(500, {
    min: 1,
    doc: "Records that one poll returns at most.",
  }),
  "partition.assignment.strategy": list(["range", "cooperative-sticky"], {
    valid: ["range", "roundrobin", "sticky", "cooperative-sticky"],
    check: (names) => names.length === 0 ? "must name an assignor" : undefined,
    doc: "Assignors by preference. Kafka takes Java class names.",
  }),
  "session.timeout.ms": int(45000, {
    min: 1,
    doc: "Silence after which the coordinator removes the member.",
  }),
} as const;

export const ADMIN_KEYS = {
  ...COMMON_KEYS,
  "default.api.timeout.ms": int(60000, {
    min: 0,
    doc: "How long one call of the client may take, retries included.",
  }),
  "retries": int(2147483647, {
    min: 0,
    doc: "How often a failed request is sent again.",
  }),
} as const;

/** Values of the producer's keys, by Kafka's name. */
export type ProducerValues = ConfigValues<typeof PRODUCER_KEYS>;

/** Values of the consumer's keys, by Kafka's name. */
export type ConsumerValues = ConfigValues<typeof CONSUMER_KEYS>;

/** Values of the admin client's keys, by Kafka's name. */
export type AdminValues = ConfigValues<typeof ADMIN_KEYS>;
