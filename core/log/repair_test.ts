/**
 * Repairs of folders that are damaged in every way: what the plan says is what
 * is done, what is cut is kept beside, a broker's code opens what is left, and
 * a second look finds nothing.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { dumpLog } from "../log.ts";
import { openRepair } from "../repair.ts";
import { denoEnv } from "../env/deno_env.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import type { Log } from "./log.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";

const CONFIG = LOG_CONFIG;
const BATCHES = 60;
/** Records of each batch. */
const RECORDS = 3;
const env = denoEnv({ traceLevel: "error" });

function open(path: string): { folder: LogFolder; log: Log } {
  const folder = LogFolder.open({ env, path, nodeId: 1 });
  const log = folder.openLog({
    topic: "t",
    partition: 0,
    topicId: "Gmd94rMBRdCEC5P7ytJnvA",
    config: CONFIG,
  });
  return { folder, log };
}

function close(folder: LogFolder, highWatermark: number): Promise<void> {
  const highWatermarks = new Map([["t-0", highWatermark]]);
  return folder.close({ clean: true, brokerEpoch: 1, highWatermarks });
}

/** A stopped broker's folder with a log of several segments. */
async function withFolder(
  test: (at: {
    readonly path: string;
    /** Segments, oldest first. */
    readonly logs: readonly string[];
  }) => Promise<void>,
): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "kf-repair-" });
  try {
    const { folder, log } = open(path);
    log.assignEpoch(2);
    for (let n = 0; n < BATCHES; n++) {
      const records = Array.from({ length: RECORDS }, () => ({
        timestamp: n,
        key: null,
        value: new Uint8Array(20).fill(n),
      }));
      const batch = buildBatch(records, {
        producerId: 7,
        producerEpoch: 0,
        baseSequence: n * RECORDS,
      });
      log.appendAsLeader(batch, { leaderEpoch: 2, nowMs: 0 });
    }
    await close(folder, BATCHES * RECORDS);
    const logs = [...Deno.readDirSync(`${path}/t-0`)]
      .map(({ name }) => `${path}/t-0/${name}`)
      .filter((name) => name.endsWith(".log")).sort();
    assert(logs.length > 3, "there are several segments");
    await test({ path, logs });
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

/** Where what is cut off `log` at `position` is kept. */
function keptOf(log: string, position: number): string {
  return log.replace(/(\d{20}\.log)$/, `cut-$1-${position}`);
}

function baseOf(log: string): number {
  return Number(/(\d{20})\.log/.exec(log)![1]);
}

/** Positions of the batches in a file. */
function positionsIn(log: string): number[] {
  let at = 0;
  const positions: number[] = [];
  for (const batch of batchesOf(Deno.readFileSync(log))) {
    positions.push(at);
    at += batch.sizeInBytes;
  }
  return positions;
}

function flip(file: string, at: number): void {
  const bytes = Deno.readFileSync(file);
  bytes[at]! ^= 1;
  Deno.writeFileSync(file, bytes);
}

/** Every file below `path` with its content, but for the lock. */
function contentOf(path: string): Map<string, string> {
  const content = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    const file = `${path}/${name}`;
    if (isDirectory) {
      for (const each of contentOf(file)) content.set(...each);
    } else if (name !== ".lock") {
      content.set(file, Deno.readFileSync(file).join());
    }
  }
  return content;
}

function problemsIn(path: string): string[] {
  return [...dumpLog([path], { verify: true })].flatMap((row) =>
    row.kind === "problem" ? [`${row.file}: ${row.problem}`] : []
  );
}

/** Repairs; gives what was found, and checks that a second look finds nothing. */
async function repaired(path: string) {
  const before = contentOf(path);
  let findings;
  {
    using repair = openRepair(path);
    findings = repair.findings;
    assertEquals(contentOf(path), before, "a look changes nothing");
    await repair.apply();
  }
  assertEquals(problemsIn(path), []);
  using again = openRepair(path);
  assertEquals(again.findings, []);
  return findings;
}

/** What a broker's code finds in the folder: the offset after its last record. */
async function endOffsetOf(path: string): Promise<number> {
  const { folder, log } = open(path);
  const end = log.logEndOffset;
  const bytes = log.read(log.logStartOffset, {
    maxBytes: 1e6,
    upperOffset: Infinity,
    minOneBatch: true,
  });
  for (const batch of batchesOf(bytes)) assert(batch.isCrcValid());
  assertEquals(log.latestEpoch, 2);
  await close(folder, end);
  return end;
}

Deno.test("a log is cut before its first bad batch; what goes is counted, and kept beside", () =>
  withFolder(async ({ path, logs }) => {
    const bad = logs[1]!;
    const positions = positionsIn(bad);
    const position = positions[2]!;
    flip(bad, position + 80);
    const cut = Deno.readFileSync(bad).slice(position);
    const dropped = logs.slice(2).map((log) => Deno.readFileSync(log));
    const inLog = positions.length;
    const firstOffset = baseOf(bad) + 2 * RECORDS;
    const findings = await repaired(path);
    assertEquals(findings[0], {
      file: bad,
      position,
      problem: "the batch fails its CRC",
      action: "cut",
      lost: {
        bytes: cut.length,
        records: (inLog - 2) * RECORDS,
        firstOffset,
        lastOffset: baseOf(logs[2]!) - 1,
      },
      kept: keptOf(bad, position),
      remedy: null,
    });
    assertEquals(
      findings.slice(1).map(({ file, action }) => [file, action]),
      logs.slice(2).map((log) => [log, "drop"]),
    );
    const records = findings
      .reduce((sum, { lost }) => sum + lost!.records, 0);
    assertEquals(records, BATCHES * RECORDS - firstOffset);
    const kept = findings.map((each) => Deno.readFileSync(each.kept!));
    assertEquals(kept, [cut, ...dropped]);
    assertEquals(await endOffsetOf(path), firstOffset);
    const marks = Deno.readTextFileSync(
      `${path}/replication-offset-checkpoint`,
    );
    assertEquals(marks, `0\n1\nt 0 ${firstOffset}\n`);
  }));

Deno.test("one partition's folder is repaired alone, and its checkpoints with it", () =>
  withFolder(async ({ path, logs }) => {
    const last = logs.at(-1)!;
    const { size } = Deno.statSync(last);
    Deno.truncateSync(last, size - 1);
    const end = (BATCHES - 1) * RECORDS;
    const findings = await repaired(`${path}/t-0`);
    assertEquals(
      findings.map(({ action, lost }) => [action, lost?.firstOffset]),
      [["cut", end]],
    );
    for (const name of ["recovery-point", "replication"]) {
      assertEquals(
        Deno.readTextFileSync(`${path}/${name}-offset-checkpoint`),
        `0\n1\nt 0 ${end}\n`,
      );
    }
    assertEquals(await endOffsetOf(path), end);
  }));

Deno.test("a copy of one partition's folder needs no broker's folder around it", () =>
  withFolder(async ({ path, logs }) => {
    const alone = Deno.makeTempDirSync({ prefix: "kf-repair-" });
    Deno.renameSync(`${path}/t-0`, `${alone}/t-0`);
    try {
      flip(`${alone}/t-0/${logs[0]!.slice(-24)}`, 70);
      const findings = await repaired(`${alone}/t-0`);
      assertEquals(findings.length, logs.length);
      assertEquals(
        Array.from(Deno.readDirSync(alone), ({ name }) => name),
        ["t-0"],
      );
    } finally {
      Deno.removeSync(alone, { recursive: true });
    }
  }));

for (
  const [suffix, action] of Object.entries({
    ".index": "rebuild",
    ".timeindex": "rebuild",
    ".snapshot": "rebuild",
    "leader-epoch-checkpoint": "rebuild",
  })
) {
  Deno.test(`a damaged ${suffix} is made anew, and no record goes`, () =>
    withFolder(async ({ path }) => {
      for (const file of contentOf(`${path}/t-0`).keys()) {
        if (!file.endsWith(suffix)) continue;
        Deno.writeFileSync(file, Deno.readFileSync(file).fill(0x5a));
      }
      const before = problemsIn(path);
      assert(before.length > 0);
      const findings = await repaired(path);
      assert(findings.every((each) => each.action === action));
      assert(
        findings.every(({ lost, kept }) => lost === null && kept === null),
      );
      assertEquals(await endOffsetOf(path), BATCHES * RECORDS);
    }));
}

Deno.test("a damaged checkpoint keeps its good lines, and is kept itself", () =>
  withFolder(async ({ path }) => {
    const file = `${path}/replication-offset-checkpoint`;
    const damaged = "0\n7\nt 0 5\n\x01\x02 gone\nu 1 x\nu 1 9\n";
    Deno.writeTextFileSync(file, damaged);
    Deno.writeTextFileSync(`${path}/.kafka_cleanshutdown`, "?");
    const findings = await repaired(path);
    assertEquals(
      findings.map(({ file, action, kept }) => [file, action, kept]).sort(),
      [
        [
          `${path}/.kafka_cleanshutdown`,
          "remove",
          `${path}/.kafka_cleanshutdown.damaged`,
        ],
        [file, "rewrite", `${file}.damaged`],
      ],
    );
    assertEquals(Deno.readTextFileSync(file), "0\n2\nt 0 5\nu 1 9\n");
    assertEquals(Deno.readTextFileSync(`${file}.damaged`), damaged);
    assertEquals(await endOffsetOf(path), BATCHES * RECORDS);
  }));

Deno.test("what a repair wrote is believed by the next start", () =>
  withFolder(async ({ path }) => {
    const folder = LogFolder.open({ env, path, nodeId: 1 });
    const highWatermarks = new Map([["t-0", 3]]);
    await folder.close({ clean: true, brokerEpoch: 1, highWatermarks });
    const file = `${path}/replication-offset-checkpoint`;
    Deno.writeTextFileSync(file, "0\n7\nt 0 5\n");
    await repaired(path);
    const again = LogFolder.open({ env, path, nodeId: 1 });
    assert(again.wasClean);
    assertEquals(again.highWatermark("t", 0), 5);
    const none = new Map<string, number>();
    await again.close({ clean: false, brokerEpoch: 1, highWatermarks: none });
  }));

Deno.test("what can't be known is left to a person, the rest is repaired", () =>
  withFolder(async ({ path, logs }) => {
    Deno.writeTextFileSync(`${path}/t-0/partition.metadata`, "?");
    Deno.writeTextFileSync(`${path}/meta.properties`, "?");
    flip(logs.at(-1)!, 70);
    {
      using repair = openRepair(path);
      assertEquals(
        repair.findings.map(({ action }) => action),
        ["cut", "none", "none"],
      );
      for (const { action, remedy } of repair.findings) {
        assertEquals(remedy !== null, action === "none");
      }
      await repair.apply();
    }
    using again = openRepair(path);
    assertEquals(again.findings.map(({ action }) => action), ["none", "none"]);
  }));

Deno.test("an empty segment ahead of the log's end is taken out", () =>
  withFolder(async ({ path }) => {
    const ahead = `${path}/t-0/00000000000000009999.log`;
    Deno.writeTextFileSync(ahead, "");
    const findings = await repaired(path);
    assertEquals(
      findings.map(({ file, action, lost }) => [file, action, lost?.bytes]),
      [[ahead, "drop", 0]],
    );
    assertEquals(await endOffsetOf(path), BATCHES * RECORDS);
  }));

Deno.test("segments that a compaction was replacing are left to a start", () =>
  withFolder(async ({ path, logs }) => {
    const swap = `${logs[0]}.swap`;
    Deno.copyFileSync(logs[0]!, swap);
    flip(logs[1]!, 70);
    const before = contentOf(path);
    using repair = openRepair(path);
    assertEquals(
      repair.findings.map(({ file, action }) => [file, action]),
      [[swap, "none"]],
    );
    await repair.apply();
    assertEquals(contentOf(path), before);
  }));

Deno.test("what was kept before is never written over", () =>
  withFolder(async ({ path, logs }) => {
    const log = logs[0]!;
    const taken = keptOf(log, 0);
    Deno.writeTextFileSync(taken, "from before");
    flip(log, 70);
    const findings = await repaired(path);
    assertEquals(findings[0]!.kept, `${taken}.2`);
    assertEquals(Deno.readTextFileSync(taken), "from before");
  }));

Deno.test("a folder that a broker uses, and one that is none, are refused", () =>
  withFolder(async ({ path }) => {
    const { folder } = open(path);
    for (const each of [path, `${path}/t-0`]) {
      assertThrows(() => openRepair(each), Error, "a broker uses it");
    }
    await close(folder, 0);
    const other = Deno.makeTempDirSync({ prefix: "kf-repair-" });
    for (const each of [other, `${other}/missing`, `${other}/t-0`]) {
      assertThrows(() => openRepair(each), Error, "it is neither");
    }
    Deno.removeSync(other);
    using repair = openRepair(path);
    assertThrows(() => open(path), Error, "another process uses it");
    assertEquals(repair.findings, []);
  }));
