/**
 * What a follower must make of its leader's log, whichever of the two is Apache
 * Kafka: every codec, transactions with their markers, rolled segments,
 * deleted records, retention, compaction. Owns the steps; whoever runs them
 * brings the cluster.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Admin,
  createAdmin,
  createConsumer,
  createProducer,
} from "../../net/client.ts";
import { run, until } from "../fixtures.ts";
import type { MixedCluster } from "./mixed_cluster.ts";
import { equalLogs, latestByKey, segmentsIn } from "./replica_logs.ts";

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const ENCODER = new TextEncoder();
const SMALL_SEGMENTS = { "segment.bytes": "1048576" };

/** A pair of nodes in a cluster, and what its clients are told. */
export class Pair implements AsyncDisposable {
  readonly config: Readonly<Record<string, string | number>>;
  readonly admin: Admin;

  constructor(
    readonly cluster: MixedCluster,
    readonly leader: number,
    readonly follower: number,
  ) {
    this.config = {
      "bootstrap.servers": cluster.addresses,
      "metadata.max.age.ms": 500,
      "reconnect.backoff.max.ms": 200,
    };
    this.admin = createAdmin(this.config);
  }

  /** A topic's name that says who leads. */
  topic(name: string): string {
    return `${name}-${this.leader}-${this.follower}`;
  }

  /** The topic, once both replicas of each partition are in sync. */
  async create(
    name: string,
    { partitions = 1, configs = {} }: {
      readonly partitions?: number;
      readonly configs?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<string> {
    const topic = this.topic(name);
    const replicas = [this.leader, this.follower];
    const assignments = Array.from({ length: partitions }, () => replicas);
    const [made] = await this.admin.createTopics([
      { name: topic, assignments, configs },
    ]);
    assertEquals(made!.error, undefined);
    await this.inSync(topic, this.leader);
    return topic;
  }

  /** Waits until both are in sync, and `leader` leads. */
  async inSync(topic: string, leader?: number): Promise<void> {
    await until(`${topic} is in sync`, async () => {
      const [described] = await this.admin.describeTopics([topic]);
      return described!.error === undefined &&
        described!.partitions.every((each) =>
          each.isr.length === 2 && [undefined, each.leader].includes(leader)
        );
    }, 60_000);
  }

  /** The two folders of a partition, the leader's first. */
  folders(topic: string, partition = 0): [string, string] {
    const folder = (id: number) =>
      `${this.cluster.node(id).data}/${topic}-${partition}`;
    return [folder(this.leader), folder(this.follower)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.close();
  }
}

/** Runs every step over a pair. */
export async function replicaSuite(
  t: Deno.TestContext,
  pair: Pair,
): Promise<void> {
  await t.step("every codec, of kf and of librdkafka", () => codecs(pair));
  await t.step("transactions with their markers", () => transactions(pair));
  await t.step("segments roll, records are deleted", () => deletions(pair));
  await t.step("retention drops segments", () => retention(pair));
  await t.step("a compacted topic", () => compaction(pair));
}

/** Values that don't compress. */
function noise(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

async function codecs(pair: Pair): Promise<void> {
  const topic = await pair.create("codecs", { partitions: CODECS.length });
  for (const [partition, codec] of CODECS.entries()) {
    const producer = createProducer({
      ...pair.config,
      "compression.type": codec,
      "linger.ms": 5,
    });
    const sent = Array.from({ length: 200 }, (_, i) =>
      producer.send({
        topic,
        partition,
        key: ENCODER.encode(`key ${i}`),
        value: ENCODER.encode(`${codec} ${i} `.repeat(20)),
        headers: [["n", `${i}`]],
      }));
    await Promise.all(sent);
    await producer.close();
    const lines = Array.from({ length: 200 }, (_, i) => `k${i}:v ${i}\n`);
    const kcat = await run([
      ...["kcat", "-P", "-b", pair.cluster.addresses, "-t", topic],
      ...["-p", `${partition}`, "-K", ":", "-z", codec],
      ...["-X", "enable.idempotence=true", "-X", "batch.num.messages=17"],
    ], { stdin: lines.join("") });
    assertEquals(kcat.code, 0, kcat.stderr);
    const compared = await equalLogs(pair.folders(topic, partition), 400);
    assert(compared > 12, `${codec}: ${compared} batches`);
  }
}

async function transactions(pair: Pair): Promise<void> {
  const topic = await pair.create("transactions");
  const ids = ["a", "b"].map((name) => pair.topic(name));
  const producers = ids.map((id) =>
    createProducer({ ...pair.config, "transactional.id": id })
  );
  await Promise.all(producers.map((each) => each.initTransactions()));
  const committed: string[] = [];
  for (let i = 0; i < 6; i++) {
    // Both are open at once; one of them aborts.
    const values = producers.map((_, p) => `${i} of ${p}`);
    for (const [p, producer] of producers.entries()) {
      producer.beginTransaction();
      await producer.send({ topic, partition: 0, value: values[p]! });
    }
    await producers[0]![i % 2 ? "abortTransaction" : "commitTransaction"]();
    await producers[1]!.commitTransaction();
    if (i % 2 === 0) committed.push(values[0]!);
    committed.push(values[1]!);
  }
  await Promise.all(producers.map((each) => each.close()));
  assertEquals(await equalLogs(pair.folders(topic), 24), 24);
  const read = await readCommitted(pair, topic, committed.length);
  assertEquals(read, committed);
}

/** The committed values of partition 0. */
export async function readCommitted(
  pair: Pair,
  topic: string,
  count: number,
): Promise<string[]> {
  const consumer = createConsumer({
    ...pair.config,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
  });
  const values: string[] = [];
  consumer.assign([{ topic, partition: 0 }]);
  await until(`${count} are read`, async () => {
    for (const { records } of await consumer.poll(200)) {
      for (const { value } of records) {
        values.push(new TextDecoder().decode(value!));
      }
    }
    return values.length >= count;
  });
  await consumer.close();
  return values;
}

/** Records of 50 KB, of which one segment holds about twenty. */
async function fill(pair: Pair, topic: string, count: number): Promise<void> {
  const producer = createProducer({ ...pair.config, "batch.size": 1 });
  const sent = Array.from({ length: count }, (_, i) =>
    producer.send({
      topic,
      partition: 0,
      key: ENCODER.encode(`key ${i % 7}`),
      value: noise(50_000),
    }));
  await Promise.all(sent);
  await producer.close();
}

async function logStart(pair: Pair, topic: string): Promise<number> {
  const partition = { topic, partition: 0 };
  const [listed] = await pair.admin.listOffsets([partition], "earliest");
  return listed!.offset ?? -1;
}

async function deletions(pair: Pair): Promise<void> {
  const configs = { ...SMALL_SEGMENTS, "file.delete.delay.ms": "0" };
  const topic = await pair.create("deletions", { configs });
  await fill(pair, topic, 100);
  const folders = pair.folders(topic);
  assertEquals(await equalLogs(folders, 100), 100);
  for (const folder of folders) {
    assert(segmentsIn(folder) >= 5, `${folder} has ${segmentsIn(folder)}`);
  }
  const [deleted] = await pair.admin.deleteRecords([
    { topic, partition: 0, offset: 70 },
  ]);
  assertEquals([deleted!.error, deleted!.lowWatermark], [undefined, 70]);
  for (const folder of folders) {
    await until(`${folder} has lost segments`, () => segmentsIn(folder) <= 3);
  }
  assertEquals(await logStart(pair, topic), 70);
  await fill(pair, topic, 3);
  await equalLogs(folders, 103);
}

async function retention(pair: Pair): Promise<void> {
  const configs = { ...SMALL_SEGMENTS, "file.delete.delay.ms": "0" };
  const topic = await pair.create("retention", { configs });
  await fill(pair, topic, 60);
  const folders = pair.folders(topic);
  assertEquals(await equalLogs(folders, 60), 60);
  await pair.admin.incrementalAlterConfigs([{
    type: "topic",
    name: topic,
    changes: [{ name: "retention.bytes", operation: "set", value: "1100000" }],
  }]);
  for (const folder of folders) {
    await until(`${folder} has lost segments`, () => segmentsIn(folder) <= 2);
  }
  const start = await logStart(pair, topic);
  assert(start > 0 && start < 60, `it starts at ${start}`);
  await fill(pair, topic, 3);
  await equalLogs(folders, 63);
}

async function compaction(pair: Pair): Promise<void> {
  const configs = {
    ...SMALL_SEGMENTS,
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "file.delete.delay.ms": "0",
  };
  const topic = await pair.create("compaction", { configs });
  await fill(pair, topic, 100);
  const folders = pair.folders(topic);
  for (const folder of folders) {
    await until(`${folder} is compacted`, () => sizeOf(folder) < 2_500_000);
  }
  await fill(pair, topic, 3);
  // Each compacts for itself: they agree on the last record of each key.
  const keyed = folders.map((folder) => () => latestByKey(folder));
  await until("all is copied", () => {
    const [one, other] = keyed.map((read) =>
      Math.max(...read().latest.values())
    );
    return one === 102 && other === 102;
  });
  const [one, other] = keyed.map((read) => read());
  assertEquals(one!.latest, other!.latest);
  assert(one!.count < 103 && other!.count < 103);
}

function sizeOf(folder: string): number {
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(".log"))
    .reduce((sum, { name }) => {
      return sum + Deno.statSync(`${folder}/${name}`).size;
    }, 0);
}
