/**
 * How a broker grows with what it holds: topics of four partitions, each with a
 * record, and groups that commit. Prints what each phase takes, from the creation
 * to the deletion of the topics, memory, and the latency of commits at a fixed
 * rate, for a quarter, half and all of the size, so that what is not linear can be
 * seen; asserts nothing, and gives up after some minutes. Linux only.
 *
 * `deno run -A bench/scale.ts [TOPICS] [GROUPS]`
 *
 * @module
 */
import { createAdmin, createProducer } from "../net/client.ts";
import { OFFSET_COMMIT } from "../net/wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../net/wire/09_offset_fetch.ts";
import { type BrokerProcess, startBrokerProcess } from "../tests/fixtures.ts";
import { RawClient } from "../tests/raw_client.ts";

const TOPICS = Number(Deno.args[0] ?? 2000);
const GROUPS = Number(Deno.args[1] ?? 10_000);
const PARTITIONS = 4;
const CONNECTIONS = 8;
const COMMITS_PER_SECOND = 1000;
const COMMIT_SECONDS = 10;
const RETRIABLE = new Set([14, 15, 16]);
const FIRST_RUN_ARGS = ["-X", "auto.create.topics.enable=false"];
const TOPICS_PER_REQUEST = 100;
/** Then it ends, whatever it has got. */
const LIMIT_MS = 450_000;
/** What the kernel counts a process's time in. */
const TICKS_PER_SECOND = 100;

interface Size {
  readonly topics: number;
  readonly groups: number;
}

type Row = Readonly<Record<string, number>>;

const topicName = (i: number) => `topic-${String(i).padStart(5, "0")}`;
const groupName = (i: number) => `group-${String(i).padStart(5, "0")}`;

/** Commits an offset of each partition of one topic for one group. */
async function commit(
  client: RawClient,
  { group, topic, offset }: { group: number; topic: number; offset: number },
): Promise<void> {
  for (;;) {
    const { topics } = await client.call(
      { api: OFFSET_COMMIT, version: 8 },
      {
        groupId: groupName(group),
        generationIdOrMemberEpoch: -1,
        memberId: "",
        topics: [{
          name: topicName(topic),
          partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({
            partitionIndex: partition,
            committedOffset: offset,
          })),
        }],
      },
    );
    const { errorCode } = topics[0]!.partitions[0]!;
    if (errorCode === 0) return;
    if (!RETRIABLE.has(errorCode)) throw new Error(`commit: ${errorCode}`);
  }
}

async function fill(address: string, size: Size): Promise<Row> {
  const config = { "bootstrap.servers": address };
  const admin = createAdmin(config);
  const began = performance.now();
  const names = Array.from({ length: size.topics }, (_, i) => topicName(i));
  let slowestMs = 0;
  for (let i = 0; i < names.length; i += TOPICS_PER_REQUEST) {
    const asked = performance.now();
    await admin.createTopics(
      names.slice(i, i + TOPICS_PER_REQUEST)
        .map((name) => ({ name, partitions: PARTITIONS })),
    );
    slowestMs = Math.max(slowestMs, performance.now() - asked);
  }
  const created = performance.now();
  // Whoever asks for a coordinator first makes the topic of the offsets.
  await admin.listGroupOffsets(groupName(0));
  await admin.close();
  const producer = createProducer({ ...config, "linger.ms": 50 });
  await Promise.all(names.flatMap((topic) =>
    Array.from(
      { length: PARTITIONS },
      (_, partition) => producer.send({ topic, partition, value: "x" }),
    )
  ));
  await producer.close();
  return {
    "topics created, s": (created - began) / 1000,
    [`slowest ${TOPICS_PER_REQUEST} of them, s`]: slowestMs / 1000,
    "partitions written, s": (performance.now() - created) / 1000,
  };
}

async function connect(port: number): Promise<RawClient[]> {
  return await Promise.all(
    Array.from({ length: CONNECTIONS }, () => RawClient.connect(port)),
  );
}

async function firstCommits(port: number, size: Size): Promise<Row> {
  const clients = await connect(port);
  const began = performance.now();
  await Promise.all(clients.map(async (client, c) => {
    for (let group = c; group < size.groups; group += CONNECTIONS) {
      await commit(client, { group, topic: group % size.topics, offset: 0 });
    }
  }));
  for (const client of clients) client[Symbol.dispose]();
  return { "groups made, s": (performance.now() - began) / 1000 };
}

/** Open loop: a commit counts from when it was due, sent or not. */
async function commitAtRate(port: number, size: Size): Promise<Row> {
  const clients = await connect(port);
  const count = COMMITS_PER_SECOND * COMMIT_SECONDS;
  const latencies = new Float64Array(count);
  const began = performance.now();
  let next = 0;
  await Promise.all(clients.map(async (client) => {
    while (next < count) {
      const i = next++;
      const dueMs = began + i * 1000 / COMMITS_PER_SECOND;
      const early = dueMs - performance.now();
      if (early > 0) await new Promise((done) => setTimeout(done, early));
      const group = i * 7919 % size.groups;
      await commit(client, { group, topic: group % size.topics, offset: 1 });
      // A timer fires on whole milliseconds: only what is late counts.
      latencies[i] = performance.now() - Math.max(dueMs, began);
    }
  }));
  for (const client of clients) client[Symbol.dispose]();
  latencies.sort();
  return {
    "commit p50, ms": latencies[count >> 1]!,
    "commit p99, ms": latencies[Math.floor(count * 0.99)]!,
    "commit max, ms": latencies[count - 1]!,
  };
}

interface Started {
  readonly broker: BrokerProcess;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Starts on what is there; ready is when a group's offsets can be read. */
async function restart(data: string, size: Size): Promise<Started> {
  const began = performance.now();
  const broker = await start(data);
  using client = await RawClient.connect(broker.port);
  for (let group = 0; group < size.groups;) {
    const { groups } = await client.call(
      { api: OFFSET_FETCH, version: 8 },
      { groups: [{ groupId: groupName(group), topics: null }] },
    );
    const [{ errorCode, topics }] = groups as [typeof groups[0]];
    if (RETRIABLE.has(errorCode)) continue;
    if (errorCode !== 0 || topics.length !== 1) {
      throw new Error(`${groupName(group)}: ${errorCode}`);
    }
    // Fifty groups are enough to meet each partition of their offsets.
    group += Math.max(1, Math.floor(size.groups / 50));
  }
  const seconds = (performance.now() - began) / 1000;
  return { broker, seconds, cpuSeconds: cpuSecondsOf(broker.pid) };
}

/** The broker that runs now, to be ended with this process. */
let running: BrokerProcess | undefined;

async function start(data: string): Promise<BrokerProcess> {
  return running = await startBrokerProcess({ data, args: FIRST_RUN_ARGS });
}

async function end(signal: Deno.Signal): Promise<number> {
  const began = performance.now();
  await running?.end(signal);
  running = undefined;
  return (performance.now() - began) / 1000;
}

function cpuSecondsOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

async function deleteTopics(address: string, size: Size): Promise<number> {
  const admin = createAdmin({ "bootstrap.servers": address });
  const began = performance.now();
  await admin.deleteTopics(
    Array.from({ length: size.topics }, (_, i) => topicName(i)),
  );
  await admin.close();
  return (performance.now() - began) / 1000;
}

function residentMegabytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

/** All phases; the kill comes while nothing was flushed by a stop yet. */
async function measure(size: Size): Promise<Row> {
  const data = await Deno.makeTempDir({ prefix: "kf-scale-" });
  try {
    const broker = await start(data);
    const filled = await fill(broker.address, size);
    const grouped = await firstCommits(broker.port, size);
    const rated = await commitAtRate(broker.port, size);
    const megabytes = residentMegabytes(broker.pid);
    await end("SIGKILL");
    const killed = await restart(data, size);
    const stopSeconds = await end("SIGTERM");
    const clean = await restart(data, size);
    const idle = residentMegabytes(clean.broker.pid);
    const deleteSeconds = await deleteTopics(clean.broker.address, size);
    return {
      ...filled,
      ...grouped,
      ...rated,
      "memory after it, MB": megabytes,
      "start after kill -9, s": killed.seconds,
      "its CPU seconds": killed.cpuSeconds,
      "clean stop, s": stopSeconds,
      "start after it, s": clean.seconds,
      "CPU seconds of that": clean.cpuSeconds,
      "memory after start, MB": idle,
      "topics deleted, s": deleteSeconds,
      "stop after it, s": await end("SIGTERM"),
    };
  } finally {
    await end("SIGKILL");
    await Deno.remove(data, { recursive: true });
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(line + "\n"));
}

const sizes = [4, 2, 1].map((part) => ({
  topics: Math.ceil(TOPICS / part),
  groups: Math.ceil(GROUPS / part),
}));
const rows: Row[] = [];
const limit = setTimeout(() => {
  print(`It takes too long: ${JSON.stringify(rows)}`);
  end("SIGKILL").finally(() => Deno.exit(1));
}, LIMIT_MS);
for (const size of sizes) rows.push(await measure(size));
clearTimeout(limit);
const heads = sizes.map(({ topics, groups }) => `${topics}×4, ${groups}`);
print(
  `${"topics × partitions, groups".padEnd(28)}${
    heads.map((head) => head.padStart(16)).join("")
  }   growth`,
);
for (const name of Object.keys(rows[0]!)) {
  const values = rows.map((row) => row[name]!);
  const cells = values.map((value) => value.toFixed(2).padStart(16)).join("");
  const growth = values.at(-1)! / values[0]!;
  print(`${name.padEnd(28)}${cells}   ×${growth.toFixed(1)} of ×4`);
}
