/**
 * One folder, compacted by Apache Kafka and by kf: the same segments, batches
 * and records stay, transactions and tombstones included; Kafka's tools and
 * its broker read what kf left. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { assert, assertEquals, assertNotMatch } from "@std/assert";
import {
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";
import {
  apacheKafkaJars,
  kafkaTool,
  startApacheKafka,
} from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: compaction: ${jars.reason}`);

const TOPICS = ["txn", "codecs", "edge"];
const PARTITIONS = TOPICS.map((topic) => `${topic}-0`);
const CONFIGS = {
  "cleanup.policy": "compact",
  "segment.bytes": "1048576",
  "index.interval.bytes": "512",
  "min.cleanable.dirty.ratio": "0.01",
  // Each compaction is behind the horizon that the one before it set.
  "delete.retention.ms": "0",
};
/** Nothing is compacted while it is written. */
const PATIENT = { "log.cleaner.backoff.ms": "3600000" };
const EAGER = { "log.cleaner.backoff.ms": "100" };

function startKafka(home: string, config: Readonly<Record<string, string>>) {
  return startApacheKafka("folder" in jars ? jars.folder : "", {
    home,
    config,
  });
}

function tool(name: string, args: readonly string[]) {
  const command = kafkaTool("folder" in jars ? jars.folder : "", name, args);
  return run(command, { timeoutMs: 300_000 });
}

/** Keyed lines of `bytes` each; every tenth deletes its key. */
function lines(count: number, bytes: number): string {
  return Array.from({ length: count }, (_, i) => {
    const value = i % 10 === 9 ? "" : `${i} ${noise(i, bytes)}`;
    return `key ${i * 7 % 23}:${value}\n`;
  }).join("");
}

function noise(seed: number, length: number): string {
  let state = seed + 1;
  let text = "";
  while (text.length < length) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

async function createTopics(bootstrap: string): Promise<void> {
  const configs = Object.entries(CONFIGS).flatMap(([key, value]) => [
    "-c",
    `${key}=${value}`,
  ]);
  const made = await kf(
    ["topic", "create", ...TOPICS, "-p", "1", "-b", bootstrap].concat(
      configs,
    ),
  );
  assertEquals(made.code, 0, made.stderr);
}

/**
 * Three topics: one with transactions, some aborted; one with all codecs; one
 * whose last batch before the active segment loses its record.
 */
async function fill(bootstrap: string): Promise<void> {
  const cluster = ["-b", bootstrap];
  const done = async (args: readonly string[], stdin?: string) => {
    const { code, stderr } = await kf(
      [...args, ...cluster],
      stdin === undefined ? {} : { stdin },
    );
    assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
  };
  await createTopics(bootstrap);
  await done(["topic", "create", "in", "-p", "1"]);
  const keyed = ["-K", ":", "-Z"];
  await done(["produce", "in", ...keyed], lines(900, 5000));
  const copied = await tool(
    "TransactionalMessageCopier",
    `--input-topic in --input-partition 0 --output-topic txn --broker-list ${bootstrap} --consumer-group copier --transactional-id copier --transaction-size 30 --enable-random-aborts`
      .split(" "),
  );
  assertEquals(copied.code, 0, copied.stderr);
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    await done(
      ["produce", "codecs", ...keyed, "-z", codec, "-X", "linger.ms=20"],
      lines(300, 3000),
    );
  }
  const [half, most] = ["x".repeat(100_000), "x".repeat(1_000_000)];
  await done(
    ["produce", "edge", ...keyed, "-X", "batch.size=1"],
    `a:${half}\nb:\nc:${most}\n`,
  );
}

/** Puts the files of the topics of `from` into the partitions of `to`. */
function hand(from: string, to: string): void {
  for (const partition of PARTITIONS) {
    const folder = `${to}/${partition}`;
    Deno.mkdirSync(folder, { recursive: true });
    for (const { name } of Deno.readDirSync(folder)) {
      if (name !== "partition.metadata") Deno.removeSync(`${folder}/${name}`);
    }
    for (const { name } of Deno.readDirSync(`${from}/${partition}`)) {
      if (name === "partition.metadata") continue;
      Deno.copyFileSync(`${from}/${partition}/${name}`, `${folder}/${name}`);
    }
  }
}

/** Waits until a cleaner noted every topic in its checkpoint. */
async function untilCompacted(data: string): Promise<string[]> {
  const topics = /^(txn|codecs|edge) 0 \d+$/gm;
  return await until("all topics are compacted", () => {
    const text = textOf(`${data}/cleaner-offset-checkpoint`);
    const found = text.match(topics)?.sort();
    return found?.length === TOPICS.length ? [...found] : undefined;
  });
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

interface Row {
  readonly file: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** What `kf log dump` tells of the topics, but for places and sizes. */
async function left(data: string): Promise<Row[]> {
  const folders = PARTITIONS.map((name) => `${data}/${name}`);
  const { code, stdout, stderr } = await kf(
    ["log", "dump", ...folders, "--records", "--format", "json"],
  );
  assertEquals(code, 0, stderr);
  return stdout.trim().split("\n").map((line): Row => {
    const { position: _, sizeInBytes: __, file, ...row } = JSON.parse(line);
    const hasHorizon = (row.deleteHorizonMs ?? null) !== null;
    return {
      ...row,
      file: file.slice(data.length),
      deleteHorizonMs: hasHorizon,
    };
  }).filter(({ kind, file }) =>
    /^(batch|record|txnindex)$/.test(kind) && !file.endsWith(".deleted")
  );
}

/** All topics from their starts; gives the checkpoint. */
async function compactByKafka(home: string): Promise<string[]> {
  forget(`${home}/data`);
  await using kafka = await startKafka(home, EAGER);
  const checkpoint = await untilCompacted(kafka.data);
  await kafka.stop();
  return checkpoint;
}

async function compactByKf(data: string): Promise<string[]> {
  forget(data);
  const args = Object.entries(EAGER).flatMap(([key, value]) => [
    "-X",
    `${key}=${value}`,
  ]);
  await using broker = await startBrokerProcess({ data, args });
  const checkpoint = await untilCompacted(data);
  assertEquals(await broker.end(), 0);
  return checkpoint;
}

/** Lets the next compaction begin at the logs' starts. */
function forget(data: string): void {
  try {
    Deno.removeSync(`${data}/cleaner-offset-checkpoint`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function count(rows: readonly Row[], kind: string): number {
  return rows.filter((row) => row.kind === kind).length;
}

Deno.test({
  name:
    "kf leaves what Apache Kafka leaves of the same folder, and Kafka reads it",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const [ours, home] = [`${folder.path}/kf`, `${folder.path}/kafka`];
    const theirs = `${home}/data`;
    Deno.mkdirSync(home);
    {
      await using broker = await startBrokerProcess({ data: ours });
      await createTopics(broker.address);
      assertEquals(await broker.end(), 0);
    }
    {
      await using kafka = await startKafka(home, PATIENT);
      await fill(kafka.bootstrap);
      await kafka.stop();
    }
    const whole = await left(theirs);
    hand(theirs, ours);
    let kept = whole;
    // Once for what is superseded, again for tombstones and then for markers.
    for (let i = 0; i < 3; i++) {
      const checkpoint = await compactByKafka(home);
      assertEquals(await compactByKf(ours), checkpoint);
      const expected = await left(theirs);
      assert(expected.length < kept.length, `compaction ${i} removes some`);
      kept = await left(ours);
      assertEquals(kept, expected);
    }
    assert(count(whole, "txnindex") > 0, "transactions were aborted");
    assert(count(kept, "record") < count(whole, "record") / 2);
    await dumpWithoutComplaint(ours);
    hand(ours, theirs);
    await using kafka = await startKafka(home, PATIENT);
    const read = await kf(
      ["consume", "codecs", "-e", "-o", "earliest", "-f", "%o\\n"].concat(
        "-b",
        kafka.bootstrap,
      ),
    );
    assertEquals(
      read.stdout.trim().split("\n").map(Number),
      kept.filter((row) => row.kind === "record" && /codecs/.test(row.file))
        .map(({ offset }) => offset),
    );
  },
});

async function dumpWithoutComplaint(data: string): Promise<void> {
  for (const partition of PARTITIONS) {
    const files = [...Deno.readDirSync(`${data}/${partition}`)]
      .map(({ name }) => `${data}/${partition}/${name}`)
      .filter((path) => /\.(log|index|timeindex|txnindex)$/.test(path));
    const { code, stdout, stderr } = await tool("DumpLogSegments", [
      "--deep-iteration",
      "--files",
      files.join(","),
    ]);
    assertEquals(code, 0, stderr);
    assertNotMatch(stdout, /isvalid: false|mismatch|out of order|corrupt/i);
    assertNotMatch(stdout + stderr, /Exception|Could not/);
  }
  const verified = await kf(["log", "dump", data, "--verify"]);
  assertEquals([verified.code, verified.stdout], [0, ""]);
}
