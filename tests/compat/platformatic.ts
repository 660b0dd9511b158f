/**
 * `@platformatic/kafka`, asked for each capability. Owns its calls and nothing
 * else; it must never work around what kf does differently from Kafka.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Admin,
  ConfigResourceTypes,
  type ConsumeOptions,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from "@platformatic/kafka";
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
  SOUGHT_MS,
  SOUGHT_OFFSET,
  TOO_LARGE,
} from "./capabilities.ts";
import type { Member, Seat } from "./group.ts";

export const PLATFORMATIC: Client = {
  name: "@platformatic/kafka",
  version: "2.12.1",
  connect: (bootstrap) => ({
    async probe(capability) {
      const [written, read] = (["produce", "consume"] as const)
        .map((verb) => codecOf(verb, capability));
      if (written) await produce(bootstrap, written);
      else if (read) await consume(bootstrap, read);
      else await PROBES[capability as keyof typeof PROBES](bootstrap);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }),
  join,
};

const PROBES = {
  "connect": connect,
  "create a topic": createTopic,
  "change a topic": (bootstrap) => withAdmin(bootstrap, changeTopic),
  "delete a topic": (bootstrap) =>
    withAdmin(
      bootstrap,
      (admin) => admin.deleteTopics({ topics: ["unwanted"] }),
    ),
  "produce idempotently": produceIdempotently,
  "seek by time": seekByTime,
  "commit and resume": commit,
  "list, describe and delete groups": (bootstrap) =>
    withAdmin(bootstrap, groups),
  "commit a transaction": (bootstrap) =>
    transact(bootstrap, "write-committed", ["commit"]),
  "abort a transaction": (bootstrap) =>
    transact(bootstrap, "write-aborted", ["abort", "commit"]),
  "commit offsets in a transaction": commitInTransaction,
  "read committed records only": readCommitted,
  "delete records": (bootstrap) => withAdmin(bootstrap, deleteRecords),
  "fail on an unknown topic": unknownTopic,
  "fail on a message too large": tooLarge,
  "start over when the offset is out of range": startOver,
} satisfies Partial<Record<Capability, (bootstrap: string) => Promise<void>>>;

type Text = Message<string, string, string, string>;

function common(bootstrap: string) {
  return { clientId: "compat", bootstrapBrokers: [bootstrap] };
}

function newProducer(bootstrap: string) {
  return new Producer({ ...common(bootstrap), serializers: stringSerializers });
}

function newConsumer(
  bootstrap: string,
  groupId: string,
  { clientId, assignor }: Pick<Seat, "clientId" | "assignor"> = {
    clientId: "compat",
    assignor: "roundrobin",
  },
) {
  const own = {
    ...common(bootstrap),
    clientId,
    groupId,
    deserializers: stringDeserializers,
    maxWaitTime: 200,
    autocommit: false,
  };
  if (assignor === "uniform") {
    const groupProtocol = "consumer";
    return new Consumer({
      ...own,
      groupProtocol,
      groupRemoteAssignor: assignor,
    });
  }
  return new Consumer({
    ...own,
    protocols: [{ name: assignor, version: 1 }],
    heartbeatInterval: 200,
    sessionTimeout: 10_000,
  });
}

async function connect(bootstrap: string): Promise<void> {
  const admin = new Admin(common(bootstrap));
  const { brokers, controllerId } = await admin.metadata({ topics: [] });
  await admin.close();
  assertEquals([brokers.size, brokers.has(controllerId)], [1, true]);
}

async function createTopic(bootstrap: string): Promise<void> {
  const admin = new Admin(common(bootstrap));
  const options = {
    topics: ["made"],
    partitions: 3,
    replicas: 1,
    configs: [{ name: "retention.ms", value: "7200000" }],
  };
  const [made] = await admin.createTopics(options);
  assertEquals([made?.name, made?.partitions], ["made", 3]);
  const error = await assertRejects(() => admin.createTopics(options));
  await admin.close();
  assertEquals(apiErrorOf(error), "TOPIC_ALREADY_EXISTS");
}

/** The broker's own error below what the client throws. */
function apiErrorOf(error: unknown): string | undefined {
  const { apiId, errors, cause } = error as {
    apiId?: string;
    errors?: unknown[];
    cause?: unknown;
  };
  if (apiId !== undefined) return apiId;
  for (const inner of [...errors ?? [], cause]) {
    const found = inner ? apiErrorOf(inner) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

async function withAdmin(
  bootstrap: string,
  use: (admin: Admin) => Promise<void>,
): Promise<void> {
  const admin = new Admin(common(bootstrap));
  await use(admin);
  await admin.close();
}

async function changeTopic(admin: Admin): Promise<void> {
  const name = "changing";
  await admin.createPartitions({
    topics: [{ name, count: 2 }],
  });
  const topic = {
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: name,
  };
  const set = IncrementalAlterConfigOperationTypes.SET;
  const retention = { name: "retention.ms", value: "3600000" };
  await admin.incrementalAlterConfigs({
    resources: [{
      ...topic,
      configs: [{ ...retention, configOperation: set }],
    }],
  });
  const [described] = await admin.describeConfigs({
    resources: [{ ...topic, configurationKeys: [retention.name] }],
  });
  assertEquals(described?.configs[0]?.value, retention.value);
}

async function groups(admin: Admin): Promise<void> {
  const id = "committing";
  assert((await admin.listGroups()).has(id));
  const described = await admin.describeGroups({ groups: [id] });
  assertEquals(described.get(id)?.state, "Empty");
  await admin.deleteGroups({ groups: [id] });
}

async function deleteRecords(admin: Admin): Promise<void> {
  const offset = BigInt(SOUGHT_OFFSET);
  const [deleted] = await admin.deleteRecords({
    topics: [{
      name: "shrinking",
      partitions: [{ partition: 0, offset }],
    }],
  });
  assertEquals(deleted?.partitions[0]?.lowWatermark, offset);
}

function messages(topic: string) {
  return Array.from({ length: COUNT }, (_, i) => ({
    topic,
    partition: 0,
    key: `k${i}`,
    value: `value ${i}`,
    headers: { h: "v" },
  }));
}

async function produce(bootstrap: string, compression: Codec): Promise<void> {
  const producer = newProducer(bootstrap);
  const { offsets } = await producer.send({
    messages: messages(`write-${compression}`),
    compression,
  });
  await producer.close();
  assertEquals(offsets?.map(({ offset }) => offset), [0n]);
}

async function produceIdempotently(bootstrap: string): Promise<void> {
  const producer = newProducer(bootstrap);
  const all = messages("write-idempotent");
  for (const part of [all.slice(0, COUNT / 2), all.slice(COUNT / 2)]) {
    await producer.send({ messages: part, idempotent: true, acks: -1 });
  }
  await producer.close();
}

function newTransactional(bootstrap: string, transactionalId: string) {
  return new Producer({
    ...common(bootstrap),
    serializers: stringSerializers,
    idempotent: true,
    transactionalId,
  });
}

/** Sends all, once per transaction, and ends each as told. */
async function transact(
  bootstrap: string,
  topic: string,
  ends: readonly ("commit" | "abort")[],
): Promise<void> {
  const producer = newTransactional(bootstrap, topic);
  for (const end of ends) {
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: messages(topic) });
    await transaction[end]();
  }
  await producer.close();
}

async function commitInTransaction(bootstrap: string): Promise<void> {
  const topic = "read-none";
  const consumer = newConsumer(bootstrap, "transacting");
  const stream = await consumer.consume({ topics: [topic], mode: "earliest" });
  const seen: Text[] = [];
  stream.on("data", (message) => seen.push(message));
  await until(`${topic} is read`, () => seen.length >= COMMITTED_OFFSET);
  const producer = newTransactional(bootstrap, "transacting");
  const transaction = await producer.beginTransaction();
  await transaction.addConsumer(consumer);
  await transaction.addOffset(seen[COMMITTED_OFFSET - 1]!);
  await transaction.commit();
  await stream.close();
  await consumer.close();
  await producer.close();
}

async function readCommitted(bootstrap: string): Promise<void> {
  const consumer = newConsumer(bootstrap, "reading-committed");
  const seen = await read(consumer, "settled", {
    count: COUNT,
    mode: "earliest",
  });
  await consumer.close();
  assertEquals(seen.map(({ offset }) => Number(offset)), COMMITTED_OFFSETS);
}

type Start = Partial<ConsumeOptions<string, string, string, string>>;

/** Reads as a member of `groupId` until `count` messages are there. */
async function read(
  consumer: Consumer<string, string, string, string>,
  topic: string,
  { count, ...start }: Start & { count: number },
): Promise<Text[]> {
  const stream = await consumer.consume({ topics: [topic], ...start });
  const seen: Text[] = [];
  stream.on("data", (message) => seen.push(message));
  await until(`${topic} is read`, () => seen.length >= count);
  await stream.close();
  return seen;
}

async function consume(bootstrap: string, codec: Codec): Promise<void> {
  const consumer = newConsumer(bootstrap, `consuming-${codec}`);
  const topic = `read-${codec}`;
  const seen = await read(consumer, topic, { count: COUNT, mode: "earliest" });
  await consumer.close();
  assertEquals(
    seen.map(({ topic, partition, key, value, headers }) => ({
      topic,
      partition,
      key,
      value,
      headers: Object.fromEntries(headers),
    })),
    messages(topic),
  );
}

async function seekByTime(bootstrap: string): Promise<void> {
  const consumer = newConsumer(bootstrap, "seeking");
  const listed = await consumer.listOffsetsWithTimestamps({
    topics: ["times"],
    timestamp: BigInt(SOUGHT_MS),
  });
  const offset = listed.get("times")?.get(0)?.offset;
  assertEquals(offset, BigInt(SOUGHT_OFFSET));
  const [first] = await read(consumer, "times", {
    count: 1,
    mode: "manual",
    offsets: [{ topic: "times", partition: 0, offset: offset! }],
  });
  await consumer.close();
  assertEquals(first?.value, `value ${SOUGHT_OFFSET}`);
}

async function commit(bootstrap: string): Promise<void> {
  const topic = "read-none";
  const first = newConsumer(bootstrap, "committing");
  const stream = await first.consume({ topics: [topic], mode: "earliest" });
  await first.commit({
    offsets: [{
      topic,
      partition: 0,
      offset: BigInt(COMMITTED_OFFSET),
      leaderEpoch: 0,
    }],
  });
  await stream.close();
  await first.close();
  const second = newConsumer(bootstrap, "committing");
  const [next] = await read(second, topic, { count: 1, mode: "committed" });
  await second.close();
  assertEquals(next?.offset, BigInt(COMMITTED_OFFSET));
}

/** What a send that must fail throws. */
async function errorOf(
  bootstrap: string,
  message: { topic: string; value: string },
): Promise<unknown> {
  const producer = new Producer({
    ...common(bootstrap),
    serializers: stringSerializers,
    retries: 0,
  });
  const error = await assertRejects(
    () => producer.send({ messages: [message] }),
  );
  await producer.close();
  return error;
}

/** The broker's error is told in the client's own words. */
async function unknownTopic(bootstrap: string): Promise<void> {
  const error = await errorOf(bootstrap, { topic: "nowhere", value: "x" });
  assertStringIncludes(String(error), "Unknown topic nowhere");
}

async function tooLarge(bootstrap: string): Promise<void> {
  const value = "x".repeat(TOO_LARGE);
  const error = await errorOf(bootstrap, { topic: "narrow", value });
  assertEquals(apiErrorOf(error), "MESSAGE_TOO_LARGE");
}

async function startOver(bootstrap: string): Promise<void> {
  const consumer = newConsumer(bootstrap, "beyond");
  const topic = "read-none";
  const [first] = await read(consumer, topic, {
    count: 1,
    mode: "manual",
    fallbackMode: "earliest",
    offsets: [{ topic, partition: 0, offset: BigInt(BEYOND_OFFSET) }],
  });
  await consumer.close();
  assertEquals(first?.offset, 0n);
}

async function join(
  { bootstrap, topic, clientId, assignor }: Seat,
): Promise<Member> {
  const consumer = newConsumer(bootstrap, topic, { clientId, assignor });
  const stream = await consumer.consume({
    topics: [topic],
    mode: "committed",
    fallbackMode: "earliest",
    autocommit: true,
  });
  const records: string[] = [];
  stream.on("data", ({ partition, offset }) => {
    records.push(`${partition} ${offset}`);
  });
  return {
    records: () => records,
    async leave() {
      await stream.close();
      await consumer.close();
    },
  };
}
