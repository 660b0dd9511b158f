/**
 * What kf's transactional producer and `read_committed` consumer promise,
 * against whichever broker is given. Owns no broker.
 *
 * @module
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
  KafkaError,
  type Producer,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";

const TEXT = new TextDecoder();
const ONE = 0;

/** The texts of a topic's partition 0 up to its end, as a reader sees them. */
async function textsOf(
  bootstrap: string,
  topic: string,
  isolation = "read_committed",
): Promise<string[]> {
  const consumer = createConsumer({
    "bootstrap.servers": bootstrap,
    "isolation.level": isolation,
  });
  const at = { topic, partition: ONE };
  consumer.assign([at]);
  consumer.seek(at, "earliest");
  const texts: string[] = [];
  const [end] = await consumer.endOffsets([at]);
  await until(`${topic} is read to its end`, async () => {
    for (const { records } of await consumer.poll(50)) {
      for (const { value } of records) texts.push(TEXT.decode(value!));
    }
    return await consumer.position(at) >= end!.offset;
  });
  await consumer.close();
  return texts;
}

/** A transactional producer that is ready to begin. */
async function producerOf(
  bootstrap: string,
  transactionalId: string,
  config: Record<string, string> = {},
): Promise<Producer> {
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": transactionalId,
    ...config,
  });
  await producer.initTransactions();
  return producer;
}

async function makeTopic(
  bootstrap: string,
  name: string,
  { partitions = 1, configs = {} }: {
    partitions?: number;
    configs?: Record<string, string>;
  } = {},
): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": bootstrap });
  await admin.createTopics([{ name, partitions, configs }]);
  await admin.close();
}

/** Refuses with an error of that name. */
async function refuses(error: string, act: () => Promise<unknown>) {
  assertEquals((await assertRejects(act, KafkaError)).error, error);
}

async function committedAndAborted(bootstrap: string): Promise<void> {
  const topic = "txn-words";
  await makeTopic(bootstrap, topic);
  const producer = await producerOf(bootstrap, topic);
  producer.beginTransaction();
  await producer.send({ topic, value: "kept" });
  await producer.commitTransaction();
  producer.beginTransaction();
  await producer.send({ topic, value: "given up" });
  producer.append({ topic, value: "given up unsent" });
  await producer.abortTransaction();
  producer.beginTransaction();
  producer.append({ topic, value: "kept, too" });
  await producer.commitTransaction();
  producer.beginTransaction();
  await producer.abortTransaction();
  producer.beginTransaction();
  await producer.commitTransaction();
  await until("the markers are written", async () => {
    const texts = await textsOf(bootstrap, topic);
    return String(texts) === "kept,kept, too";
  });
  const all = await textsOf(bootstrap, topic, "read_uncommitted");
  assertEquals(all, ["kept", "given up", "kept, too"]);
  producer.beginTransaction();
  await producer.send({ topic, value: "never ended" });
  assertEquals(await textsOf(bootstrap, topic), ["kept", "kept, too"]);
  await producer.close();
  await until("close() aborted", async () => {
    const consumer = createConsumer({
      "bootstrap.servers": bootstrap,
      "isolation.level": "read_committed",
    });
    const at = { topic, partition: ONE };
    const [stable] = await consumer.endOffsets([at]);
    await consumer.close();
    return stable!.offset === 9 - 1;
  });
}

async function offsetsWithRecords(bootstrap: string): Promise<void> {
  const topic = "txn-offsets";
  await makeTopic(bootstrap, topic);
  const group = {
    groupId: "txn-offsets-group",
    generationId: -1,
    memberId: "",
    groupInstanceId: null,
  };
  const consumer = createConsumer({
    "bootstrap.servers": bootstrap,
    "group.id": group.groupId,
  });
  const at = { topic, partition: ONE };
  const committed = async () => (await consumer.committed([at]))[0]?.offset;
  const producer = await producerOf(bootstrap, topic);
  producer.beginTransaction();
  await producer.sendOffsetsToTransaction([{ ...at, offset: 7 }], group);
  await producer.abortTransaction();
  assertEquals(await committed(), undefined);
  for (const offset of [8, 9]) {
    producer.beginTransaction();
    producer.append({ topic, value: "x" });
    await producer.sendOffsetsToTransaction([{ ...at, offset }], group);
    await producer.commitTransaction();
    assertEquals(await committed(), offset);
  }
  producer.beginTransaction();
  await producer.sendOffsetsToTransaction([{ ...at, offset: 10 }], group);
  const admin = createAdmin({ "bootstrap.servers": bootstrap });
  const [seen] = await admin.listGroupOffsets(group.groupId);
  assertEquals([seen?.offset, seen?.error], [9, undefined]);
  await admin.close();
  await refuses(
    "UNKNOWN_MEMBER_ID",
    () =>
      producer.sendOffsetsToTransaction([{ ...at, offset: 10 }], {
        ...group,
        generationId: 3,
        memberId: "nobody",
      }),
  );
  assertEquals(producer.transactionError?.isFatal, false);
  await refuses("UNKNOWN_MEMBER_ID", () => producer.commitTransaction());
  await producer.abortTransaction();
  assertEquals(producer.transactionError, undefined);
  assertEquals(await committed(), 9);
  await consumer.close();
  await producer.close();
}

async function fenced(bootstrap: string): Promise<void> {
  const topic = "txn-fenced";
  await makeTopic(bootstrap, topic);
  const zombie = await producerOf(bootstrap, topic);
  zombie.beginTransaction();
  await zombie.send({ topic, value: "of the zombie" });
  const heir = await producerOf(bootstrap, topic);
  heir.beginTransaction();
  heir.append({ topic, value: "of the heir" });
  await heir.commitTransaction();
  let refusal: KafkaError | undefined;
  zombie.append({ topic, value: "too late" }, (error) => refusal = error);
  await refuses(
    "PRODUCER_FENCED",
    () =>
      zombie.commitTransaction().catch(async (error) => {
        assertEquals(error, zombie.transactionError?.error);
        await zombie.abortTransaction();
      }),
  );
  assertEquals(zombie.transactionError?.isFatal, true);
  assertEquals(refusal instanceof KafkaError, true);
  assertThrows(() => zombie.beginTransaction(), KafkaError, "took it over");
  await zombie.close();
  await heir.close();
  await until(
    "only the heir's is there",
    async () => String(await textsOf(bootstrap, topic)) === "of the heir",
  );
}

async function lostRecords(bootstrap: string): Promise<void> {
  const topic = "txn-lost";
  await makeTopic(bootstrap, topic, {
    configs: { "max.message.bytes": "1000" },
  });
  const producer = await producerOf(bootstrap, topic);
  for (let round = 0; round < 3; round++) {
    producer.beginTransaction();
    await producer.send({ topic, value: `before ${round}` });
    const tooLarge = "x".repeat(2000);
    await refuses(
      "MESSAGE_TOO_LARGE",
      () => producer.send({ topic, value: tooLarge }),
    );
    assertEquals(producer.transactionError?.isFatal, false);
    await refuses(
      "MESSAGE_TOO_LARGE",
      () => producer.send({ topic, value: "refused" }),
    );
    await refuses("MESSAGE_TOO_LARGE", () => producer.commitTransaction());
    await producer.abortTransaction();
    producer.beginTransaction();
    producer.append({ topic, value: `after ${round}` });
    await producer.commitTransaction();
  }
  await until(
    "what was whole is there",
    async () =>
      String(await textsOf(bootstrap, topic)) === "after 0,after 1,after 2",
  );
  await producer.close();
}

async function manyInARow(bootstrap: string): Promise<void> {
  const topic = "txn-many";
  await makeTopic(bootstrap, topic, { partitions: 3 });
  const producer = await producerOf(bootstrap, topic, {
    "batch.size": "100",
    "linger.ms": "0",
  });
  const kept: string[] = [];
  for (let round = 0; round < 30; round++) {
    producer.beginTransaction();
    for (let i = 0; i < 20; i++) {
      const value = `${round} ${i}`;
      producer.append({ topic, partition: i % 3, value });
      if (i % 3 === ONE && round % 3 !== 1) kept.push(value);
    }
    if (round % 3 === 1) await producer.abortTransaction();
    else await producer.commitTransaction();
  }
  await until(
    "all are there, in order",
    async () => String(await textsOf(bootstrap, topic)) === String(kept),
  );
  await producer.close();
}

async function misuse(bootstrap: string): Promise<void> {
  const plain = createProducer({ "bootstrap.servers": bootstrap });
  assertThrows(() => plain.beginTransaction(), KafkaError, "transactional.id");
  await plain.close();
  const topic = "txn-misuse";
  const producer = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": topic,
  });
  assertThrows(() => producer.beginTransaction(), KafkaError, "first");
  await producer.initTransactions();
  await refuses("INVALID_TXN_STATE", () => producer.initTransactions());
  await refuses("INVALID_TXN_STATE", () => producer.send({ topic, value: "" }));
  await refuses("INVALID_TXN_STATE", () => producer.commitTransaction());
  await refuses("INVALID_TXN_STATE", () => producer.abortTransaction());
  producer.beginTransaction();
  assertThrows(() => producer.beginTransaction(), KafkaError, "not ended");
  await producer.close();
  const long = createProducer({
    "bootstrap.servers": bootstrap,
    "transactional.id": topic,
    "transaction.timeout.ms": 2_000_000_000,
  });
  await refuses("INVALID_TRANSACTION_TIMEOUT", () => long.initTransactions());
  await long.close();
  assertThrows(
    () => createProducer({ "transactional.id": "a", acks: "1" }),
    KafkaError,
    "acks=all",
  );
}

/** Runs all of it. */
export async function transactionsSuite(
  t: Deno.TestContext,
  bootstrap: string,
): Promise<void> {
  const steps = {
    "committed records are read, aborted ones are not": committedAndAborted,
    "offsets come and go with the records": offsetsWithRecords,
    "a producer of the same name fences the one before": fenced,
    "a lost record leaves only an abort, and the next one works": lostRecords,
    "many transactions in a row keep every record in order": manyInARow,
    "wrong calls are refused": misuse,
  };
  for (const [name, step] of Object.entries(steps)) {
    await t.step(name, () => step(bootstrap));
  }
}
