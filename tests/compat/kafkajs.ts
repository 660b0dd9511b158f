/**
 * kafkajs, asked for each capability. Owns its calls and nothing else; it must
 * never work around what kf does differently from Kafka.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Admin,
  CompressionTypes,
  ConfigResourceTypes,
  type Consumer,
  type EachMessagePayload,
  Kafka,
  logLevel,
  type PartitionAssigner,
  PartitionAssigners,
  type ProducerRecord,
} from "kafkajs";
import { until } from "../fixtures.ts";
import {
  BEYOND_OFFSET,
  type Capability,
  type Client,
  type Codec,
  codecOf,
  COMMITTED_OFFSET,
  COMMITTED_OFFSETS,
  COUNT,
  NotOffered,
  SOUGHT_MS,
  SOUGHT_OFFSET,
  TOO_LARGE,
} from "./capabilities.ts";
import type { Member, Seat } from "./group.ts";

/** Codecs that it has without a plug-in. */
const OWN: Partial<Record<Codec, CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
};

export const KAFKAJS: Client = {
  name: "kafkajs",
  version: "2.2.4",
  connect(bootstrap) {
    const kafka = newKafka(bootstrap, "compat");
    return {
      async probe(capability) {
        const [written, read] = (["produce", "consume"] as const)
          .map((verb) => codecOf(verb, capability));
        if (written) await produce(kafka, written);
        else if (read) await consume(kafka, read);
        else await PROBES[capability as keyof typeof PROBES](kafka);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  },
  join,
  lacks: {
    "cooperative-sticky": "has no cooperative assignor",
    "uniform": "has classic groups only",
  },
};

const PROBES = {
  "connect": connect,
  "create a topic": createTopic,
  "change a topic": (kafka) => withAdmin(kafka, changeTopic),
  "delete a topic": (kafka) =>
    withAdmin(kafka, (admin) => admin.deleteTopics({ topics: ["unwanted"] })),
  "produce idempotently": produceIdempotently,
  "seek by time": seekByTime,
  "commit and resume": commit,
  "list, describe and delete groups": (kafka) => withAdmin(kafka, groups),
  "commit a transaction": (kafka) =>
    transact(kafka, "write-committed", ["commit"]),
  "abort a transaction": (kafka) =>
    transact(kafka, "write-aborted", ["abort", "commit"]),
  "commit offsets in a transaction": commitInTransaction,
  "read committed records only": readCommitted,
  "delete records": (kafka) => withAdmin(kafka, deleteRecords),
  "fail on an unknown topic": unknownTopic,
  "fail on a message too large": tooLarge,
  "start over when the offset is out of range": startOver,
} satisfies Partial<Record<Capability, (kafka: Kafka) => Promise<void>>>;

function newKafka(bootstrap: string, clientId: string): Kafka {
  return new Kafka({
    clientId,
    brokers: [bootstrap],
    logLevel: logLevel.NOTHING,
  });
}

function newConsumer(kafka: Kafka, groupId: string): Consumer {
  return kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
}

async function connect(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const { brokers, controller } = await admin.describeCluster();
  await admin.disconnect();
  assertEquals([brokers.length, controller], [1, brokers[0]?.nodeId]);
}

async function createTopic(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const made = {
    topic: "made",
    numPartitions: 3,
    configEntries: [{ name: "retention.ms", value: "7200000" }],
  };
  assertEquals(await admin.createTopics({ topics: [made] }), true);
  assertEquals(await admin.createTopics({ topics: [made] }), false);
  const { topics } = await admin.fetchTopicMetadata({ topics: ["made"] });
  await admin.disconnect();
  assertEquals(topics[0]?.partitions.length, 3);
}

async function withAdmin(
  kafka: Kafka,
  use: (admin: Admin) => Promise<void>,
): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await use(admin);
  await admin.disconnect();
}

async function changeTopic(admin: Admin): Promise<void> {
  const name = "changing";
  await admin.createPartitions({
    topicPartitions: [{ topic: name, count: 2 }],
  });
  const retention = { name: "retention.ms", value: "3600000" };
  const type = ConfigResourceTypes.TOPIC;
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type, name, configEntries: [retention] }],
  });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type, name, configNames: ["retention.ms"] }],
  });
  assertEquals(resources[0]?.configEntries[0]?.configValue, "3600000");
}

async function groups(admin: Admin): Promise<void> {
  const id = "committing";
  const listed = await admin.listGroups();
  assert(listed.groups.some(({ groupId }) => groupId === id));
  const described = await admin.describeGroups([id]);
  assertEquals(described.groups[0]?.state, "Empty");
  await admin.deleteGroups([id]);
}

async function deleteRecords(admin: Admin): Promise<void> {
  // The client deletes of topics only that it has been asked for before.
  const [before] = await admin.fetchTopicOffsets("shrinking");
  assertEquals(before?.low, "0");
  await admin.deleteTopicRecords({
    topic: "shrinking",
    partitions: [{ partition: 0, offset: `${SOUGHT_OFFSET}` }],
  });
  const [offsets] = await admin.fetchTopicOffsets("shrinking");
  assertEquals(offsets?.low, `${SOUGHT_OFFSET}`);
}

function messages() {
  return Array.from({ length: COUNT }, (_, i) => ({
    key: `k${i}`,
    value: `value ${i}`,
    headers: { h: "v" },
  }));
}

/** The number of a codec, if kafkajs has it by itself. */
function numberOf(codec: Codec): CompressionTypes {
  const number = OWN[codec];
  if (number === undefined) throw new NotOffered("needs a plug-in package");
  return number;
}

async function produce(kafka: Kafka, codec: Codec): Promise<void> {
  const compression = numberOf(codec);
  const producer = kafka.producer();
  await producer.connect();
  const topic = `write-${codec}`;
  const [sent] = await producer.send({
    topic,
    compression,
    messages: messages(),
  });
  await producer.disconnect();
  assertEquals([sent?.errorCode, sent?.baseOffset], [0, "0"]);
}

async function produceIdempotently(kafka: Kafka): Promise<void> {
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const half = COUNT / 2;
  for (const part of [messages().slice(0, half), messages().slice(half)]) {
    await producer.send({ topic: "write-idempotent", messages: part });
  }
  await producer.disconnect();
}

/** Sends all, once per transaction, and ends each as told. */
async function transact(
  kafka: Kafka,
  topic: string,
  ends: readonly ("commit" | "abort")[],
): Promise<void> {
  const producer = kafka.producer({
    transactionalId: "kafkajs",
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  for (const end of ends) {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: messages() });
    await transaction[end]();
  }
  await producer.disconnect();
}

async function commitInTransaction(kafka: Kafka): Promise<void> {
  const producer = kafka.producer({
    transactionalId: "kafkajs",
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.sendOffsets({
    consumerGroupId: "transacting",
    topics: [{
      topic: "read-none",
      partitions: [{ partition: 0, offset: `${COMMITTED_OFFSET}` }],
    }],
  });
  await transaction.commit();
  await producer.disconnect();
}

async function readCommitted(kafka: Kafka): Promise<void> {
  const consumer = newConsumer(kafka, "reading-committed");
  const seen = await read(consumer, "settled", { count: COUNT });
  await consumer.disconnect();
  // Behind the aborted ones and their marker.
  assertEquals(seen.map(({ offset }) => Number(offset)), COMMITTED_OFFSETS);
}

/** Reads as a group of its own until `count` messages are there. */
async function read(
  consumer: Consumer,
  topic: string,
  { count, started }: { count: number; started?: () => void },
): Promise<EachMessagePayload["message"][]> {
  const seen: EachMessagePayload["message"][] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    // deno-lint-ignore require-await
    eachMessage: async ({ message }) => {
      seen.push(message);
    },
  });
  started?.();
  await until(`${topic} is read`, () => seen.length >= count);
  return seen;
}

async function consume(kafka: Kafka, codec: Codec): Promise<void> {
  numberOf(codec);
  const consumer = newConsumer(kafka, `consuming-${codec}`);
  const seen = await read(consumer, `read-${codec}`, { count: COUNT });
  await consumer.disconnect();
  assertEquals(
    seen.map(({ offset, key, value, headers }) => ({
      offset,
      key: key?.toString(),
      value: value?.toString(),
      headers: { h: headers?.h?.toString() },
    })),
    messages().map((message, i) => ({ offset: `${i}`, ...message })),
  );
}

async function seekByTime(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const [at] = await admin.fetchTopicOffsetsByTimestamp("times", SOUGHT_MS);
  await admin.disconnect();
  assertEquals(at?.offset, `${SOUGHT_OFFSET}`);
  const consumer = newConsumer(kafka, "seeking");
  const seen = await read(consumer, "times", {
    count: COUNT - SOUGHT_OFFSET,
    started: () => consumer.seek({ topic: "times", ...at! }),
  });
  await consumer.disconnect();
  assertEquals(seen[0]?.value?.toString(), `value ${SOUGHT_OFFSET}`);
}

async function commit(kafka: Kafka): Promise<void> {
  const offset = `${COMMITTED_OFFSET}`;
  const first = newConsumer(kafka, "committing");
  await read(first, "read-none", { count: COMMITTED_OFFSET });
  await first.commitOffsets([{ topic: "read-none", partition: 0, offset }]);
  await first.disconnect();
  const second = newConsumer(kafka, "committing");
  const seen = await read(second, "read-none", { count: 1 });
  await second.disconnect();
  assertEquals(seen[0]?.offset, offset);
}

async function unknownTopic(kafka: Kafka): Promise<void> {
  const sent = { topic: "nowhere", messages: [{ value: "x" }] };
  assertEquals(await errorOf(kafka, sent), "UNKNOWN_TOPIC_OR_PARTITION");
}

async function tooLarge(kafka: Kafka): Promise<void> {
  const sent = {
    topic: "narrow",
    messages: [{ value: "x".repeat(TOO_LARGE) }],
  };
  assertEquals(await errorOf(kafka, sent), "MESSAGE_TOO_LARGE");
}

/** The type of the error that a send meets. */
async function errorOf(kafka: Kafka, sent: ProducerRecord) {
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    retry: { retries: 0 },
  });
  await producer.connect();
  const error = await assertRejects(() => producer.send(sent)) as {
    type?: string;
    cause?: { type?: string };
  };
  await producer.disconnect();
  return error.type ?? error.cause?.type;
}

async function startOver(kafka: Kafka): Promise<void> {
  const consumer = newConsumer(kafka, "beyond");
  const at = { topic: "read-none", partition: 0, offset: `${BEYOND_OFFSET}` };
  const [first] = await read(consumer, at.topic, {
    count: 1,
    started: () => consumer.seek(at),
  });
  await consumer.disconnect();
  assertEquals(first?.offset, "0");
}

async function join({ bootstrap, topic, clientId }: Seat): Promise<Member> {
  const kafka = newKafka(bootstrap, clientId);
  const consumer = kafka.consumer({
    groupId: topic,
    heartbeatInterval: 200,
    maxWaitTimeInMs: 100,
    partitionAssigners: [roundRobin],
  });
  const records: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    // deno-lint-ignore require-await
    eachMessage: async ({ partition, message }) => {
      records.push(`${partition} ${message.offset}`);
    },
  });
  return { records: () => records, leave: () => consumer.disconnect() };
}

/** Its own assigner, under the name that the other clients know it by. */
const roundRobin: PartitionAssigner = (config) => ({
  ...PartitionAssigners.roundRobin(config),
  name: "roundrobin",
});
