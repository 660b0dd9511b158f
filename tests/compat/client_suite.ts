/**
 * What kf's clients must do against any broker: every codec both ways, a group
 * of two that rebalances, admin operations. Owns the steps; who runs them
 * brings the broker.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Admin,
  type ConsumedBatch,
  type Consumer,
  createAdmin,
  createConsumer,
  createProducer,
  KafkaError,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";

const TEXT = new TextDecoder();

/** Runs every step against the broker at `bootstrap`. */
export async function clientSuite(
  t: Deno.TestContext,
  bootstrap: string,
): Promise<void> {
  const common = { "bootstrap.servers": bootstrap };
  await t.step("admin operations", () => adminOperations(common));
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    await t.step(`${codec} there and back`, () => roundTrip(common, codec));
  }
  for (const strategy of ["range", "cooperative-sticky"]) {
    await t.step(
      `two members share a group (${strategy})`,
      () => sharedGroup(common, strategy),
    );
  }
  await t.step("unknown topics fail by name", () => unknownTopic(common));
}

type Common = { "bootstrap.servers": string };

async function adminOperations(common: Common): Promise<void> {
  const admin = createAdmin(common);
  try {
    const created = await admin.createTopics([
      { name: "a1", partitions: 2, configs: { "retention.ms": "1000000" } },
      { name: "bad name" },
    ]);
    assertEquals(created[0]?.error, undefined);
    assertEquals(created[1]?.error?.error, "INVALID_TOPIC_EXCEPTION");
    await admin.createPartitions([{ name: "a1", count: 3 }]);
    await until("a1 has three partitions", async () => {
      const [topic] = await admin.describeTopics(["a1"]);
      return topic?.partitions.length === 3;
    });
    const [changed] = await admin.incrementalAlterConfigs([{
      type: "topic",
      name: "a1",
      changes: [{ name: "retention.ms", operation: "set", value: "5000" }],
    }]);
    assertEquals(changed?.error, undefined);
    await until("the new retention is described", async () => {
      const [config] = await admin.describeConfigs([
        { type: "topic", name: "a1" },
      ]);
      return config?.entries.find(({ name }) => name === "retention.ms")
        ?.value === "5000";
    });
    const cluster = await admin.describeCluster();
    assertEquals(cluster.nodes.length, 1);
    const [versions] = await admin.apiVersions();
    assert(versions!.apis.some(({ name }) => name === "Fetch"));
    await beneath(admin, cluster.nodes[0]!.nodeId);
    const offsets = [{ topic: "a1", partition: 0, offset: 0 }];
    const [altered] = await admin.alterGroupOffsets("g-admin", offsets);
    assertEquals(altered?.error, undefined);
    const listed = await admin.listGroupOffsets("g-admin");
    assertEquals(listed.map(({ offset }) => offset), [0]);
    assert(
      (await admin.listGroups()).some(({ groupId }) => groupId === "g-admin"),
    );
    assertEquals(await admin.deleteGroups(["g-admin"]), [{ name: "g-admin" }]);
    const [deleted] = await admin.deleteTopics(["a1"]);
    assertEquals(deleted?.error, undefined);
  } finally {
    await admin.close();
  }
}

/** What is told of quorum, features and log folders of the one node. */
async function beneath(admin: Admin, nodeId: number): Promise<void> {
  const quorum = await admin.describeMetadataQuorum();
  assertEquals(quorum.leaderId, nodeId);
  assertEquals(quorum.voters.map((voter) => voter.nodeId), [nodeId]);
  assert(quorum.voters[0]!.logEndOffset > 0);
  const named = "metadata.version";
  const level = async () =>
    (await admin.describeFeatures()).find(({ name }) => name === named)!;
  const { level: before, maxSupported } = await level();
  assert(before > 0 && before <= maxSupported);
  const kind = "upgrade";
  await admin.updateFeatures([{ name: named, level: before, kind }]);
  const error = await assertRejects(
    () =>
      admin.updateFeatures([{ name: named, level: maxSupported + 1, kind }]),
    KafkaError,
  );
  assertEquals(error.error, "INVALID_UPDATE_VERSION");
  assertEquals((await level()).level, before);
  const [folder, ...others] = await admin.describeLogDirs(["a1"]);
  assertEquals([folder!.nodeId, others.length], [nodeId, 0]);
  assert(folder!.replicas.length > 0);
  assert(folder!.replicas.every(({ topic }) => topic === "a1"));
}

async function roundTrip(common: Common, codec: string): Promise<void> {
  const topic = `codec-${codec}`;
  const count = 2000;
  const producer = createProducer({ ...common, "compression.type": codec });
  const failures: KafkaError[] = [];
  for (let i = 0; i < count; i++) {
    producer.append({
      topic,
      partition: 0,
      key: `k${i}`,
      value: `value ${i}`,
      headers: [["h", String(i)]],
    }, (error) => {
      if (error) failures.push(error);
    });
  }
  await producer.close();
  assertEquals(failures, []);
  const consumer = createConsumer(common);
  consumer.assign([{ topic, partition: 0 }]);
  consumer.seek({ topic, partition: 0 }, "earliest");
  const seen: string[] = [];
  await until("all records are read", async () => {
    for (const { records } of await consumer.poll(500)) {
      for (const record of records) {
        assertEquals(record.offset, seen.length);
        assertEquals(TEXT.decode(record.key!), `k${seen.length}`);
        assertEquals(TEXT.decode(record.headers[0]!.value!), `${seen.length}`);
        seen.push(TEXT.decode(record.value!));
      }
    }
    return seen.length === count;
  });
  assertEquals(seen.at(-1), `value ${count - 1}`);
  const [end] = await consumer.endOffsets([{ topic, partition: 0 }]);
  assertEquals(end?.offset, count);
  await consumer.close();
}

async function sharedGroup(common: Common, strategy: string): Promise<void> {
  const topic = `shared-${strategy}`;
  const admin = createAdmin(common);
  await admin.createTopics([{ name: topic, partitions: 4 }]);
  await admin.close();
  const producer = createProducer(common);
  for (let i = 0; i < 400; i++) {
    producer.append({ topic, partition: i % 4, value: `${i}` });
  }
  await producer.flush();
  const make = () => {
    const consumer = createConsumer({
      ...common,
      "group.id": `group-${strategy}`,
      "auto.offset.reset": "earliest",
      "heartbeat.interval.ms": 200,
      "partition.assignment.strategy": strategy,
    });
    consumer.subscribe([topic]);
    return consumer;
  };
  const seen = new Set<string>();
  const take = (batches: ConsumedBatch[]) => {
    for (const { records } of batches) {
      for (const { value } of records) seen.add(TEXT.decode(value!));
    }
  };
  const first = make();
  await until("the first member has all", async () => {
    take(await first.poll(100));
    return first.assignment().length === 4;
  });
  const second = make();
  const pollBoth = async () => {
    const both: Consumer[] = [first, second];
    const polled = await Promise.all(both.map((member) => member.poll(100)));
    polled.forEach(take);
  };
  await until("two members have two each", async () => {
    await pollBoth();
    return first.assignment().length === 2 && second.assignment().length === 2;
  });
  await until("everything is read", async () => {
    await pollBoth();
    return seen.size === 400;
  });
  await second.close();
  await until("the first member has all again", async () => {
    take(await first.poll(100));
    return first.assignment().length === 4;
  });
  await first.commit();
  await first.close();
  await producer.close();
}

async function unknownTopic(common: Common): Promise<void> {
  const producer = createProducer({ ...common, "max.block.ms": 500 });
  const error = await assertRejects(
    () => producer.send({ topic: "not allowed!", value: "x" }),
    KafkaError,
  );
  assertEquals(error.error, "INVALID_TOPIC_EXCEPTION");
  await producer.close();
}
