/**
 * Times three nodes of kf beside three of Apache Kafka in the same layout, on
 * one machine: the same C load and the same client, factor 3, `acks=all`. Then
 * how kf's failover and controller grow with partitions. Prints figures and
 * ratios; asserts nothing. Needs `cc`, and for the comparison Java and the jars.
 *
 * `deno run -A bench/compare/replicated.ts [produce|growth]`; both without.
 *
 * @module
 */
import { createAdmin, createProducer } from "../../net/client.ts";
import { apacheKafkaJars } from "../../tests/compat/apache_kafka.ts";
import { MixedCluster } from "../../tests/compat/mixed_cluster.ts";
import { until } from "../../tests/fixtures.ts";
import { build, cpuSeconds, median, print } from "./measure.ts";

const ROUNDS = 5;
const CONNECTIONS = 4;
const DEPTH = 8;
const RECORD_BYTES = 1000;
const BATCH_SIZES = [1024, 16384, 65536];
const PRODUCE_BYTES = 60_000_000;
const SMALL_BATCH_PRODUCE_BYTES = 15_000_000;
const LATENCY_SENDS = 1500;
const TOPIC = "bench";
/** Partitions that are made at once. */
const STEP = 250;
/** As an operator would run it, but for a heap that lets three fit. */
const JVM = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC"];

const CONFIG = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "broker.heartbeat.interval.ms": "2000",
  "broker.session.timeout.ms": "9000",
  "replica.fetch.wait.max.ms": "500",
  "controller.quorum.election.timeout.ms": "1000",
  "log.segment.bytes": "1073741824",
};

type Kind = "kf" | "kafka";

function start(
  kind: Kind,
  jars: string,
  config: Readonly<Record<string, string>> = {},
): Promise<MixedCluster> {
  return MixedCluster.start({
    jars,
    nodes: [kind, kind, kind],
    controller: kind,
    config: { ...CONFIG, ...config },
    jvm: JVM,
  });
}

/** Makes `TOPIC`, a step at a time: each partition is three synced writes. */
async function createTopic(
  cluster: MixedCluster,
  partitions: number,
): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  try {
    for (let made = 0; made < partitions;) {
      const count = Math.min(partitions, made + STEP);
      const [done] = made === 0
        ? await admin.createTopics([
          { name: TOPIC, partitions: count, replicationFactor: 3 },
        ])
        : await admin.createPartitions([{ name: TOPIC, count }]);
      if (done?.error) throw done.error;
      made = count;
      await until(`${made} partitions are in sync`, async () => {
        const [found] = await admin.describeTopics([TOPIC]);
        return found?.partitions.length === made &&
          found.partitions.every(({ isr }) => isr.length === 3);
      }, 60_000);
    }
  } finally {
    await admin.close();
  }
}

async function leaderOf(cluster: MixedCluster): Promise<number> {
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  const [found] = await admin.describeTopics([TOPIC]);
  await admin.close();
  return found!.partitions[0]!.leader;
}

/** CPU of all nodes so far. */
function cpuOf({ nodes }: MixedCluster): number {
  return nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid!), 0);
}

interface Sample {
  readonly mbPerSecond: number;
  readonly cpuSecondsPerGb: number;
}

async function produce(
  cluster: MixedCluster,
  { binary, port, size }: { binary: string; port: number; size: number },
): Promise<Sample> {
  const before = cpuOf(cluster);
  const bytes = size > 1024 ? PRODUCE_BYTES : SMALL_BATCH_PRODUCE_BYTES;
  const { code, stdout } = await new Deno.Command(binary, {
    args: ["produce", port, TOPIC, size, RECORD_BYTES]
      .concat([CONNECTIONS, DEPTH, bytes]).map(String),
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error("Cannot produce: the load ended in an error");
  const result = JSON.parse(new TextDecoder().decode(stdout));
  return {
    mbPerSecond: result.bytes / result.seconds / 1e6,
    cpuSecondsPerGb: (cpuOf(cluster) - before) / result.bytes * 1e9,
  };
}

/** Milliseconds of one record after the other, sorted. */
async function latencies(cluster: MixedCluster): Promise<number[]> {
  const producer = createProducer({
    "bootstrap.servers": cluster.addresses,
    "acks": "all",
    "linger.ms": 0,
  });
  const value = new Uint8Array(RECORD_BYTES);
  const times: number[] = [];
  for (let i = 0; i < LATENCY_SENDS; i++) {
    const began = performance.now();
    await producer.send({ topic: TOPIC, partition: 0, value });
    times.push(performance.now() - began);
  }
  await producer.close();
  // The first ones find the way, and have a machine warm up.
  return times.slice(times.length / 3).sort((a, b) => a - b);
}

/** One of the two that are compared. */
interface Side {
  readonly kind: Kind;
  readonly cluster: MixedCluster;
  /** Where the leader listens. */
  readonly port: number;
}

async function sideOf(kind: Kind, cluster: MixedCluster): Promise<Side> {
  await createTopic(cluster, 1);
  const { port } = cluster.node(await leaderOf(cluster));
  return { kind, cluster, port };
}

/** In turns: what else the machine does meets both. */
async function compareProduce(
  sides: readonly [Side, Side],
  { binary, size }: { readonly binary: string; readonly size: number },
): Promise<void> {
  const rounds: Sample[][] = [];
  // One more, which isn't counted, warms it up.
  for (let round = 0; round <= ROUNDS; round++) {
    const samples: Sample[] = [];
    for (const { cluster, port } of sides) {
      samples.push(await produce(cluster, { binary, port, size }));
    }
    rounds.push(samples);
  }
  rounds.shift();
  const name = `produce ${size / 1024} KB`;
  sides.forEach(({ kind }, at) => {
    const medianOf = (what: keyof Sample) =>
      median(rounds.map((samples) => samples[at]![what])).toFixed(1).padStart(
        6,
      );
    print(
      `${name.padEnd(16)} ${kind.padEnd(6)} ${medianOf("mbPerSecond")} MB/s ${
        medianOf("cpuSecondsPerGb")
      } CPU-s/GB in all three`,
    );
  });
  const ratios = rounds.map(([kf, kafka]) => ({
    speed: kf!.mbPerSecond / kafka!.mbPerSecond,
    perCpu: kafka!.cpuSecondsPerGb / kf!.cpuSecondsPerGb,
  }));
  print(
    `${name}: kf / Kafka ${
      median(ratios.map(({ speed }) => speed)).toFixed(2)
    } of the MB/s, ${
      median(ratios.map(({ perCpu }) => perCpu)).toFixed(2)
    } of the MB per CPU-second`,
  );
}

async function compareLatency(sides: readonly [Side, Side]): Promise<void> {
  const medians: number[] = [];
  for (const { kind, cluster } of sides) {
    const times = await latencies(cluster);
    const p50 = times[times.length >> 1]!;
    const p99 = times[Math.floor(times.length * 0.99)]!;
    medians.push(p50);
    print(
      `${"one at a time".padEnd(16)} ${kind.padEnd(6)} p50 ${
        p50.toFixed(2)
      } ms, p99 ${p99.toFixed(2)} ms`,
    );
  }
  const [kf, kafka] = medians;
  print(
    `one at a time: kf / Kafka ${
      (kafka! / kf!).toFixed(2)
    } of the speed at p50`,
  );
}

async function compare(jars: string, binary: string): Promise<void> {
  await using kf = await start("kf", jars);
  await using kafka = await start("kafka", jars);
  const sides = [
    await sideOf("kf", kf),
    await sideOf("kafka", kafka),
  ] as const;
  for (const size of BATCH_SIZES) {
    await compareProduce(sides, { binary, size });
  }
  await compareLatency(sides);
}

const SIZES = [100, 1000, 5000];
const SESSION_MS = 3000;
const IDLE_MS = 10_000;
/** So many partitions are written to at the time of a failure. */
const PROBED = 30;

function residentMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}

/** Until every probed partition takes records again, from the kill on. */
async function failover(
  cluster: MixedCluster,
  { partitions, victim }: { partitions: number; victim: number },
): Promise<number[]> {
  const producer = createProducer({
    "bootstrap.servers": cluster.addresses,
    "acks": "all",
    "linger.ms": 0,
    "retry.backoff.ms": 20,
    "request.timeout.ms": 3000,
  });
  const value = new Uint8Array(10);
  const step = Math.max(1, Math.floor(partitions / PROBED));
  const probed = Array.from({ length: PROBED }, (_, i) => i * step);
  const sendAll = () =>
    probed.map(async (partition) => {
      const began = performance.now();
      await producer.send({ topic: TOPIC, partition, value });
      return performance.now() - began;
    });
  await Promise.all(sendAll());
  await cluster.node(victim).kill();
  const times = await Promise.all(sendAll());
  await producer.close();
  return times.sort((a, b) => a - b);
}

async function grow(partitions: number): Promise<void> {
  await using cluster = await start("kf", "", {
    "broker.session.timeout.ms": String(SESSION_MS),
  });
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  const { leaderId } = await admin.describeMetadataQuorum();
  await admin.close();
  const { pid } = cluster.node(leaderId);
  const began = performance.now();
  await createTopic(cluster, partitions);
  const madeMs = performance.now() - began;
  const idleFrom = cpuSeconds(pid!);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const idle = (cpuSeconds(pid!) - idleFrom) / IDLE_MS * 1000;
  const memory = residentMb(pid!);
  const before = cpuSeconds(pid!);
  const times = await failover(cluster, {
    partitions,
    victim: leaderId % 3 + 1,
  });
  const spent = cpuSeconds(pid!) - before;
  print(
    `${String(partitions).padStart(5)} partitions: made in ${
      (madeMs / 1000).toFixed(1)
    } s; controller idle ${(idle * 100).toFixed(1)} % CPU, ${
      memory.toFixed(0)
    } MB; a broker killed: last write after ${
      (times.at(-1)! / 1000).toFixed(1)
    } s (session ${SESSION_MS / 1000} s), controller ${
      spent.toFixed(1)
    } CPU-s meanwhile`,
  );
}

const what = Deno.args[0];
if (what !== "growth") {
  const folder = Deno.makeTempDirSync({ prefix: "kf-bench-" });
  try {
    const found = await apacheKafkaJars();
    if ("reason" in found) print(`skipped: ${found.reason}`);
    else await compare(found.folder, await build("load.c", folder));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
if (what !== "produce") { for (const size of SIZES) await grow(size); }
