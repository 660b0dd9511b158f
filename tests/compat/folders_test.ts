/**
 * Folders of partitions that change hands: Apache Kafka goes on with what a kf
 * broker wrote, and the other way round, after a clean stop and after none.
 * Skipped, saying why, without Java, the jars or kcat.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { buildBatch } from "../../core/record/builder.ts";
import {
  hasProgram,
  kf,
  run,
  startBrokerProcess,
  temporaryFolder,
} from "../fixtures.ts";
import { produce, records } from "../raw_broker.ts";
import { RawClient } from "../raw_client.ts";
import {
  type ApacheKafka,
  apacheKafkaJars,
  startApacheKafka,
} from "./apache_kafka.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars || !hasProgram("kcat", "-V");
// deno-lint-ignore no-console
if ("reason" in jars) console.warn(`skipped: folders: ${jars.reason}`);

const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
/** Per codec and partition. */
const RECORDS = 300;
const PARTITIONS = [0, 1];
/** What would tell a start to scan nothing. */
const CLEAN_MARKS = [
  ".kafka_cleanshutdown",
  "recovery-point-offset-checkpoint",
];
/** Several segments, each with several entries in its indexes. */
const CONFIGS = ["segment.bytes=1048576", "index.interval.bytes=512"];

function startKafka(home: string): Promise<ApacheKafka> {
  return startApacheKafka("folder" in jars ? jars.folder : "", { home });
}

async function done(command: string[], stdin?: string): Promise<string> {
  const finished = await run(command, stdin === undefined ? {} : { stdin });
  assertEquals(finished.code, 0, `${command.join(" ")}: ${finished.stderr}`);
  return finished.stdout;
}

async function createTopic(bootstrap: string): Promise<void> {
  const configs = CONFIGS.flatMap((config) => ["-c", config]);
  const count = String(PARTITIONS.length);
  const made = await kf(
    ["topic", "create", "t", "-p", count, ...configs, "-b", bootstrap],
  );
  assertEquals(made.code, 0, made.stderr);
}

/** Fills topic t by kcat: keys, headers, every codec, more than a segment. */
async function fill(bootstrap: string): Promise<void> {
  for (const partition of PARTITIONS) {
    for (const codec of CODECS) {
      const lines = Array.from(
        { length: RECORDS },
        (_, i) => `key ${i}:${codec} ${i} ${noise(i)}\n`,
      );
      const args = ["-p", String(partition), "-z", codec, "-K", ":"];
      const limits = ["-X", "batch.size=16384", "-H", `codec=${codec}`];
      await done(
        ["kcat", "-P", "-b", bootstrap, "-t", "t", ...args, ...limits],
        lines.join(""),
      );
    }
  }
}

/** A kilobyte that hardly shrinks, the same for the same `seed`. */
function noise(seed: number): string {
  let state = seed + 1;
  return Array.from({ length: 160 }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state.toString(36);
  }).join("");
}

/** All of topic t as kcat reads it, by partition and offset. */
async function read(bootstrap: string): Promise<string[]> {
  const text = await done(
    ["kcat", "-C", "-e", "-q", "-b", bootstrap, "-t", "t", "-f"].concat(
      "%p %o %T %h %k %s\\n",
    ),
  );
  return text.trim().split("\n").sort((a, b) => {
    const [p = 0, o = 0] = a.split(" ", 2).map(Number);
    const [q = 0, r = 0] = b.split(" ", 2).map(Number);
    return p - q || o - r;
  });
}

/** Appends one record per partition: offsets go on where they were. */
async function append(bootstrap: string): Promise<string[]> {
  for (const partition of PARTITIONS) {
    await done(
      ["kcat", "-P", "-b", bootstrap, "-t", "t", "-p", String(partition)],
      "appended\n",
    );
  }
  return await read(bootstrap);
}

/** Puts the files of topic t of `from` into the partitions of `to`. */
function hand(from: string, to: string): void {
  for (const partition of PARTITIONS) {
    const folder = `${to}/t-${partition}`;
    for (const { name } of Deno.readDirSync(folder)) {
      if (name !== "partition.metadata") Deno.removeSync(`${folder}/${name}`);
    }
    for (const { name } of Deno.readDirSync(`${from}/t-${partition}`)) {
      if (name === "partition.metadata") continue;
      Deno.copyFileSync(
        `${from}/t-${partition}/${name}`,
        `${folder}/${name}`,
      );
    }
  }
}

/** Appends the records of a producer, one batch each; gives their offsets. */
async function number(
  bootstrap: string,
  sequences: readonly number[],
): Promise<number[]> {
  using client = await RawClient.connect(Number(bootstrap.split(":").at(-1)));
  const offsets: number[] = [];
  for (const baseSequence of sequences) {
    const batch = buildBatch(records(`number ${baseSequence}`), {
      producerId: 4242,
      producerEpoch: 0,
      baseSequence,
    });
    const { errorCode, baseOffset } = await produce(client, batch);
    assertEquals(errorCode, 0, `sequence ${baseSequence}`);
    offsets.push(baseOffset);
  }
  return offsets;
}

function removeMarks(data: string): void {
  for (const name of CLEAN_MARKS) Deno.removeSync(`${data}/${name}`);
}

function segments(data: string): number {
  return [...Deno.readDirSync(`${data}/t-0`)]
    .filter(({ name }) => name.endsWith(".log")).length;
}

Deno.test({
  name: "Apache Kafka goes on with the partitions that a kf broker wrote",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const [ours, home] = [`${folder.path}/kf`, `${folder.path}/kafka`];
    Deno.mkdirSync(home);
    let written: string[];
    let numbered: number[];
    {
      await using broker = await startBrokerProcess({ data: ours });
      await createTopic(broker.address);
      await fill(broker.address);
      numbered = await number(broker.address, [0, 1, 2, 3, 4, 5]);
      written = await read(broker.address);
      assertEquals(await broker.end(), 0);
    }
    assertEquals(
      written.length,
      RECORDS * CODECS.length * PARTITIONS.length + numbered.length,
    );
    assert(segments(ours) > 1, "only one segment was written");
    let data: string;
    {
      await using kafka = await startKafka(home);
      await createTopic(kafka.bootstrap);
      await kafka.stop();
      data = kafka.data;
    }
    hand(ours, data);
    {
      await using kafka = await startKafka(home);
      assertEquals(await read(kafka.bootstrap), written);
      // Of what a snapshot holds of a producer Kafka takes the last batch.
      const [last, next] = await number(kafka.bootstrap, [5, 6]);
      assertEquals([last, next], [numbered.at(-1), numbered.at(-1)! + 1]);
      written = await read(kafka.bootstrap);
      await kafka.stop();
    }
    // Without the marks Kafka checks every batch and makes indexes anew.
    removeMarks(data);
    await using kafka = await startKafka(home);
    assertEquals(await read(kafka.bootstrap), written);
    const more = await append(kafka.bootstrap);
    assertEquals(more.length, written.length + PARTITIONS.length);
    const offset = RECORDS * CODECS.length;
    assertMatch(more.at(-1)!, new RegExp(`^1 ${offset} .* appended$`));
  },
});

Deno.test({
  name:
    "a kf broker goes on with the partitions that Apache Kafka wrote, and the tools read its folder",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const [ours, home] = [`${folder.path}/kf`, `${folder.path}/kafka`];
    Deno.mkdirSync(home);
    await using kafka = await startKafka(home);
    await createTopic(kafka.bootstrap);
    await fill(kafka.bootstrap);
    const written = await read(kafka.bootstrap);
    await kafka.stop();
    assert(segments(kafka.data) > 1, "only one segment was written");
    const verified = await kf(["log", "dump", kafka.data, "--verify"]);
    assertEquals([verified.code, verified.stdout], [0, ""]);
    const topics = await kf([
      "metadata",
      "ls",
      "/topics",
      "--data",
      kafka.data,
    ]);
    assertMatch(topics.stdout, /^t$/m, topics.stderr);
    {
      await using broker = await startBrokerProcess({ data: ours });
      await createTopic(broker.address);
      assertEquals(await broker.end(), 0);
    }
    hand(kafka.data, ours);
    {
      await using broker = await startBrokerProcess({ data: ours });
      assertEquals(await read(broker.address), written);
      assertEquals(await broker.end(), 0);
    }
    let more: string[];
    {
      await using again = await startKafka(home);
      more = await append(again.bootstrap);
      await again.stop("SIGKILL");
    }
    hand(kafka.data, ours);
    removeMarks(ours);
    await using broker = await startBrokerProcess({ data: ours });
    assertEquals(await read(broker.address), more);
    const most = await append(broker.address);
    assertEquals(most.length, more.length + PARTITIONS.length);
    assertEquals(await broker.end(), 0);
    const sound = await kf(["log", "dump", ours, "--verify"]);
    assertEquals([sound.code, sound.stdout], [0, ""]);
  },
});

Deno.test({
  name:
    "a kf broker goes on with the whole folder of Apache Kafka, metadata too, and Apache Kafka after it",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const home = folder.path;
    let data: string;
    let written: string[];
    {
      await using kafka = await startKafka(home);
      await createTopic(kafka.bootstrap);
      await fill(kafka.bootstrap);
      written = await read(kafka.bootstrap);
      await kafka.stop();
      data = kafka.data;
    }
    {
      await using broker = await startBrokerProcess({ data });
      assertEquals(await read(broker.address), written);
      written = await append(broker.address);
      const made = await kf(["topic", "create", "new", "-b", broker.address]);
      assertEquals(made.code, 0, made.stderr);
      assertEquals(await broker.end(), 0);
    }
    const shown = await kf(["metadata", "cat", "--data", data]);
    assertEquals(shown.stderr, "");
    const { controllers, topics } = JSON.parse(shown.stdout);
    assertEquals(Object.keys(controllers), ["1"]);
    assertEquals(Object.keys(topics), ["new", "t"]);
    await using kafka = await startKafka(home);
    assertEquals(await read(kafka.bootstrap), written);
    const listed = await kf(["topic", "list", "-b", kafka.bootstrap]);
    assertMatch(listed.stdout, /^new\b/m);
    await append(kafka.bootstrap);
  },
});

Deno.test({
  name:
    "Apache Kafka goes on with its folder that was damaged, once kf log repair has mended it",
  ignore: isMissing,
  async fn() {
    using folder = temporaryFolder();
    const home = folder.path;
    let data: string;
    let written: string[];
    {
      await using kafka = await startKafka(home);
      await createTopic(kafka.bootstrap);
      await fill(kafka.bootstrap);
      written = await read(kafka.bootstrap);
      await kafka.stop();
      data = kafka.data;
    }
    assert(segments(data) > 1, "only one segment was written");
    const base = `${data}/t-0/${"0".repeat(20)}`;
    const log = Deno.readFileSync(`${base}.log`);
    log[log.length >> 1]! ^= 1;
    Deno.writeFileSync(`${base}.log`, log);
    Deno.writeFileSync(
      `${data}/t-1/${"0".repeat(20)}.index`,
      new Uint8Array(80).fill(0x5a),
    );
    const repaired = await kf(
      ["log", "repair", data, "-y", "--format", "json"],
    );
    assertEquals(repaired.code, 0, repaired.stderr);
    const findings = JSON.parse(repaired.stdout) as {
      action: string;
      lostFromOffset: number;
      kept: string | null;
    }[];
    assertEquals(
      new Set(findings.map(({ action }) => action)),
      new Set(["cut", "drop", "rebuild"]),
    );
    const end = findings[0]!.lostFromOffset;
    const left = written.filter((line) => {
      const [partition = 0, offset = 0] = line.split(" ", 2).map(Number);
      return partition === 1 || offset < end;
    });
    for (const marks of ["kept", "removed"]) {
      if (marks === "removed") removeMarks(data);
      await using kafka = await startKafka(home);
      assertEquals(await read(kafka.bootstrap), left, `marks ${marks}`);
      await kafka.stop();
    }
    await using kafka = await startKafka(home);
    const more = await append(kafka.bootstrap);
    assertEquals(more.length, left.length + PARTITIONS.length);
    assertMatch(more.join("\n"), new RegExp(`^0 ${end} .* appended$`, "m"));
    for (const { kept } of findings) {
      if (kept !== null) assert(Deno.statSync(kept).size > 0, kept);
    }
  },
});
