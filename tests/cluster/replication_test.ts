/**
 * Records on several nodes, as clients meet them: what was acknowledged by all
 * in-sync replicas is there whatever process dies, and whoever comes back
 * catches up.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Admin,
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { hasProgram, run, until } from "../fixtures.ts";
import { Cluster, type ClusterNode } from "./cluster.ts";

const TOPIC = "t";
const PARTITIONS = 3;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const DURABLE = { "min.insync.replicas": "2" };

/** Clients of the whole cluster; closed with the scope. */
function clientsOf({ addresses }: Cluster) {
  const common = {
    "bootstrap.servers": addresses,
    "metadata.max.age.ms": 500,
    "reconnect.backoff.max.ms": 200,
  };
  const admin = createAdmin(common);
  const producer = createProducer({ ...common, acks: "all" });
  return {
    admin,
    producer,
    common,
    async [Symbol.asyncDispose]() {
      await producer.close();
      await admin.close();
    },
  };
}

/** Sends numbers until it is told to end; gives those that were acknowledged. */
function writing(producer: Producer) {
  const acked: string[] = [];
  const failed: unknown[] = [];
  let isOver = false;
  const loop = (async () => {
    for (let i = 0; !isOver; i++) {
      const value = String(i);
      const sent = { topic: TOPIC, partition: i % PARTITIONS };
      try {
        await producer.send({ ...sent, value: ENCODER.encode(value) });
        acked.push(value);
      } catch (error) {
        failed.push(error);
      }
    }
  })();
  return {
    acked,
    failed,
    /** Resolves when `count` more were acknowledged. */
    more: async (count: number) => {
      const target = acked.length + count;
      await until(`${count} more are written`, () => acked.length >= target);
    },
    async end() {
      isOver = true;
      await loop;
    },
  };
}

async function readAll(
  common: Readonly<Record<string, string | number>>,
  count: number,
): Promise<string[]> {
  const consumer = createConsumer({
    ...common,
    "group.id": "readers",
    "auto.offset.reset": "earliest",
  });
  const values: string[] = [];
  try {
    consumer.subscribe([TOPIC]);
    await until("all are read", async () => {
      for (const { records } of await consumer.poll(200)) {
        for (const { value } of records) values.push(DECODER.decode(value!));
      }
      return values.length >= count;
    });
  } finally {
    await consumer.close();
  }
  return values;
}

async function leaderOf(admin: Admin, partition: number): Promise<number> {
  const [described] = await admin.describeTopics([TOPIC]);
  return described!.partitions[partition]!.leader;
}

async function inSync(admin: Admin): Promise<void> {
  await until("all replicas are in sync", async () => {
    const [described] = await admin.describeTopics([TOPIC]);
    return described!.partitions.every(({ isr }) => isr.length === 3);
  });
}

Deno.test("what three processes acknowledged survives each of them, killed in turn", async () => {
  await using cluster = await Cluster.start({
    nodes: 3,
    asProcesses: true,
    config: {
      ...DURABLE,
      "offsets.topic.replication.factor": "3",
      "group.initial.rebalance.delay.ms": "0",
    },
  });
  await using clients = clientsOf(cluster);
  const { admin, producer, common } = clients;
  await admin.createTopics([
    { name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 },
  ]);
  const writer = writing(producer);
  try {
    await writer.more(20);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const killed = await leaderOf(admin, partition);
      const node = cluster.node(killed);
      await node.kill();
      await writer.more(20);
      assert(await leaderOf(admin, partition) !== killed);
      await node.start();
      await inSync(admin);
    }
  } finally {
    await writer.end();
  }
  assertEquals(writer.failed, []);
  const values = await readAll(common, writer.acked.length);
  // Idempotent: each once, in the order of its partition.
  assertEquals(values.toSorted(byNumber), writer.acked);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own = values.filter((value) =>
      Number(value) % PARTITIONS === partition
    );
    assertEquals(own, own.toSorted(byNumber));
  }
  if (!hasProgram("kcat", "-V")) return;
  const { stdout, code, stderr } = await run([
    ...["kcat", "-b", cluster.addresses, "-C", "-t", TOPIC, "-e", "-q"],
    ...["-f", "%s\n"],
  ]);
  assertEquals(code, 0, stderr);
  const read = stdout.trimEnd().split("\n").toSorted(byNumber);
  assertEquals(read, writer.acked);
});

Deno.test("offsets come in the order asked, whoever leads", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await using clients = clientsOf(cluster);
  const { admin, producer, common } = clients;
  const count = 9;
  await admin.createTopics([
    { name: TOPIC, partitions: count, replicationFactor: 3 },
  ]);
  const partitions = Array.from(
    { length: count },
    (_, partition) => ({ topic: TOPIC, partition }),
  );
  for (const at of partitions) {
    for (let left = at.partition; left > 0; left--) {
      await producer.send({ ...at, value: ENCODER.encode("v") });
    }
  }
  const consumer = createConsumer(common);
  try {
    const ends = await consumer.endOffsets(partitions);
    const wanted = partitions.map(({ partition }) => partition);
    assertEquals(ends.map(({ partition }) => partition), wanted);
    assertEquals(ends.map(({ offset }) => offset), wanted);
  } finally {
    await consumer.close();
  }
});

Deno.test("a rolling restart reaches no application", async () => {
  await using cluster = await Cluster.start({ nodes: 3, config: DURABLE });
  await using clients = clientsOf(cluster);
  const { admin, producer, common } = clients;
  await admin.createTopics([
    { name: TOPIC, partitions: PARTITIONS, replicationFactor: 3 },
  ]);
  const writer = writing(producer);
  try {
    await writer.more(20);
    for (const node of cluster.nodes as readonly ClusterNode[]) {
      await node.stop();
      await writer.more(20);
      await node.start();
      await inSync(admin);
    }
    await writer.more(20);
  } finally {
    await writer.end();
  }
  assertEquals(writer.failed, []);
  const values = await readAll(common, writer.acked.length);
  assertEquals(values.toSorted(byNumber), writer.acked);
});

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
