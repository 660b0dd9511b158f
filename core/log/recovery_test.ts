/**
 * Damage after an unclean stop: torn tails, flipped bits, files cut short or
 * gone, of every kind. A start always succeeds, serves only what was written,
 * loses nothing but what the damage reached, and recovers to the same again.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { denoEnv } from "../env/deno_env.ts";
import { DiskError, type OpenMode } from "../env/env.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { decodeRecords } from "../record/record.ts";
import type { Log } from "./log.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 4000,
};
const RECORDS = 100;
const env = denoEnv({ traceLevel: "error" });

const PLACE = {
  topic: "t",
  partition: 0,
  topicId: "Gmd94rMBRdCEC5P7ytJnvA",
  config: CONFIG,
};
const NAMESAKE = { ...PLACE, topicId: "AAAAAAAAAAAAAAAAAAAABQ" };

function open(
  path: string,
  place = PLACE,
): { folder: LogFolder; log: Log } {
  const folder = LogFolder.open({ env, path, nodeId: 1 });
  const log = folder.openLog(place);
  log.assignEpoch(0);
  return { folder, log };
}

function close(folder: LogFolder, clean: boolean): Promise<void> {
  return folder.close({ clean, brokerEpoch: 1, highWatermarks: new Map() });
}

function append(log: Log, n: number, leaderEpoch = 0): void {
  const batch = buildBatch([
    {
      timestamp: n,
      key: null,
      value: new TextEncoder().encode(`value ${n}`.padEnd(60, ".")),
    },
  ], { producerId: 7, producerEpoch: 0, baseSequence: n });
  log.appendAsLeader(batch, { leaderEpoch, nowMs: 0 });
}

/** A folder with several segments, left by a kill. */
async function killed(path: string): Promise<void> {
  const { folder, log } = open(path);
  for (let n = 0; n < RECORDS; n++) append(log, n);
  log.writeStaged();
  await close(folder, false);
}

function values(log: Log): string[] {
  const read: string[] = [];
  let next = log.logStartOffset;
  while (next < log.logEndOffset) {
    const bytes = log.read(next, {
      maxBytes: 10_000,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    for (const view of batchesOf(bytes)) {
      assert(view.isCrcValid(), "served bytes have their CRC");
      for (const { value } of decodeRecords(view)) {
        read.push(new TextDecoder().decode(value!).replace(/\.*$/, ""));
      }
      next = view.nextOffset;
    }
  }
  return read;
}

const EXPECTED = Array.from({ length: RECORDS }, (_, n) => `value ${n}`);

/** Changes one file in place. */
type Damage = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "a flipped bit": (bytes) => {
    const at = bytes.length >> 1;
    if (bytes.length > 0) bytes[at]! ^= 16;
    return bytes;
  },
  "a tail cut off": (bytes) => bytes.slice(0, Math.max(0, bytes.length - 7)),
  "garbage at the end": (bytes) => {
    const longer = new Uint8Array(bytes.length + 100).fill(0xa5);
    longer.set(bytes);
    return longer;
  },
  "zeros at the end": (bytes) => {
    const longer = new Uint8Array(bytes.length + 4096);
    longer.set(bytes);
    return longer;
  },
  "nothing left in it": () => new Uint8Array(0),
};

function filesOf(path: string, suffix: string): string[] {
  return [...Deno.readDirSync(`${path}/t-0`)]
    .map(({ name }) => `${path}/t-0/${name}`)
    .filter((name) => name.endsWith(suffix)).sort();
}

async function withFolder(
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = Deno.makeTempDirSync({ prefix: "kf-recovery-" });
  try {
    await test(path);
  } finally {
    await env.tasks.settled();
    Deno.removeSync(path, { recursive: true });
  }
}

/** Opens, checks, kills, and opens again: recovering twice changes nothing. */
async function recoverTwice(path: string): Promise<string[]> {
  const first = open(path);
  const read = values(first.log);
  await close(first.folder, false);
  const second = open(path);
  assertEquals(values(second.log), read, "recovering again gives the same");
  append(second.log, read.length);
  second.log.writeStaged();
  assertEquals(values(second.log).length, read.length + 1);
  await close(second.folder, true);
  const third = open(path);
  assertEquals(values(third.log).length, read.length + 1);
  await close(third.folder, true);
  return read;
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  Deno.test(`a segment with ${name} gives what lies before the damage`, () =>
    withFolder(async (path) => {
      await killed(path);
      const files = filesOf(path, ".log");
      assert(files.length > 2, "there are several segments");
      const file = files.at(-1)!;
      Deno.writeFileSync(file, damage(Deno.readFileSync(file)));
      const read = await recoverTwice(path);
      assertEquals(read, EXPECTED.slice(0, read.length));
      const base = Number(/(\d{20})\.log$/.exec(file)![1]);
      assert(read.length >= base, "earlier segments are whole");
    }));

  for (
    const suffix of [
      ".index",
      ".timeindex",
      ".snapshot",
      "leader-epoch-checkpoint",
    ]
  ) {
    Deno.test(`a ${suffix} with ${name} loses no record`, () =>
      withFolder(async (path) => {
        await killed(path);
        for (const file of filesOf(path, suffix)) {
          Deno.writeFileSync(file, damage(Deno.readFileSync(file)));
        }
        assertEquals(await recoverTwice(path), EXPECTED);
      }));
  }

  Deno.test(`checkpoints with ${name} lose no record`, () =>
    withFolder(async (path) => {
      await killed(path);
      const { folder, log } = open(path);
      await log.flush();
      folder.checkpoint(new Map([["t-0", RECORDS]]));
      await close(folder, false);
      for (const { name: file } of Deno.readDirSync(path)) {
        if (!file.endsWith("-checkpoint")) continue;
        const whole = `${path}/${file}`;
        Deno.writeFileSync(whole, damage(Deno.readFileSync(whole)));
      }
      assertEquals(await recoverTwice(path), EXPECTED);
    }));
}

for (const [name, damage] of Object.entries(DAMAGES)) {
  // Within an index a flipped bit is not looked for: that would read it all.
  if (name === "a flipped bit") continue;
  for (const suffix of [".index", ".timeindex"]) {
    Deno.test(`after a clean stop a ${suffix} with ${name} hides no record from look-ups by time`, () =>
      withFolder(async (path) => {
        await killed(path);
        await close(open(path).folder, true);
        const files = filesOf(path, suffix);
        const whole = files.map((file) => Deno.readFileSync(file));
        for (const [i, file] of files.entries()) {
          Deno.writeFileSync(file, damage(whole[i]!.slice()));
        }
        const { folder, log } = open(path);
        for (let n = 0; n < RECORDS; n++) {
          assertEquals(log.offsetForTimestamp(n)?.offset, n);
        }
        assertEquals(log.maxTimestamp()?.offset, RECORDS - 1);
        assertEquals(values(log), EXPECTED);
        await close(folder, true);
        // Without any entry an offset index costs time, and hides nothing.
        const isMade = suffix === ".timeindex" || name !== "nothing left in it";
        const made = files.map((file) => Deno.readFileSync(file));
        if (isMade) assertEquals(made, whole);
      }));
  }
}

Deno.test("an index of a clean stop that points nowhere is made anew", () =>
  withFolder(async (path) => {
    await killed(path);
    const { folder } = open(path);
    await close(folder, true);
    for (const suffix of [".index", ".timeindex"]) {
      for (const file of filesOf(path, suffix)) {
        Deno.writeFileSync(file, Deno.readFileSync(file).fill(0x7f));
      }
    }
    assertEquals(await recoverTwice(path), EXPECTED);
  }));

Deno.test("a retry is recognised after a kill, with its old offsets", () =>
  withFolder(async (path) => {
    await killed(path);
    const { folder, log } = open(path);
    const batch = buildBatch([{
      timestamp: RECORDS - 1,
      key: null,
      value: new TextEncoder().encode("sent again"),
    }], { producerId: 7, producerEpoch: 0, baseSequence: RECORDS - 1 });
    const appended = log.appendAsLeader(batch, { leaderEpoch: 0, nowMs: 0 });
    assertEquals(appended, {
      baseOffset: RECORDS - 1,
      lastOffset: RECORDS - 1,
      isDuplicate: true,
    });
    await close(folder, true);
  }));

for (
  const [end, { flushes, clean }] of Object.entries({
    "a kill": { flushes: false, clean: false },
    "a kill behind a flush": { flushes: true, clean: false },
    "a clean stop": { flushes: false, clean: true },
  })
) {
  Deno.test(`leader epochs that have records outlive ${end}`, () =>
    withFolder(async (path) => {
      const { folder, log } = open(path);
      append(log, 0);
      append(log, 1);
      log.assignEpoch(3);
      append(log, 2, 3);
      log.assignEpoch(5);
      if (flushes) await log.flush();
      else log.writeStaged();
      await close(folder, clean);
      const again = open(path);
      assertEquals(again.log.endOffsetForEpoch(0), { epoch: 0, endOffset: 2 });
      assertEquals(again.log.endOffsetForEpoch(3), { epoch: 3, endOffset: 3 });
      assertEquals(again.log.epochAt(2), 3);
      await close(again.folder, false);
    }));
}

Deno.test("a leader epoch without records costs no write", () =>
  withFolder(async (path) => {
    for (const epoch of [3, 5]) {
      const { folder, log } = open(path);
      log.assignEpoch(epoch);
      assertEquals(log.latestEpoch, epoch);
      await close(folder, true);
    }
    assertEquals(filesOf(path, "leader-epoch-checkpoint"), []);
  }));

Deno.test("checkpoints written in the background are all there after a stop", () =>
  withFolder(async (path) => {
    const { folder, log } = open(path);
    append(log, 0);
    await log.flush();
    log.deleteRecordsBefore(1);
    const marks = () => new Map([["t-0", log.logEndOffset]]);
    for (const which of ["recovery", "start", "replication"] as const) {
      folder.checkpointLater(marks, [which]);
    }
    await close(folder, false);
    for (const name of ["recovery-point", "log-start", "replication"]) {
      const text = Deno.readTextFileSync(`${path}/${name}-offset-checkpoint`);
      assertEquals(text, "0\n1\nt 0 1\n");
    }
    const names = [...Deno.readDirSync(path)].map(({ name }) => name);
    assertEquals(names.filter((name) => name.endsWith(".tmp")), []);
  }));

Deno.test("an index whose log a crash had already renamed is gone after the next start", () =>
  withFolder(async (path) => {
    const { folder, log } = open(path);
    for (let n = 0; n < RECORDS; n++) append(log, n);
    await close(folder, true);
    const [first] = filesOf(path, ".log");
    const orphans = ["index", "timeindex", "txnindex"].map((kind) =>
      first!.replace(/\d{20}\.log$/, `00000000000000777777.${kind}`)
    );
    for (const orphan of orphans) Deno.writeTextFileSync(orphan, "");
    await close(open(path).folder, true);
    for (const kind of ["index", "timeindex", "txnindex"]) {
      const left = filesOf(path, `.${kind}`);
      assertEquals(left.filter((name) => orphans.includes(name)), []);
    }
    assertEquals(filesOf(path, ".log")[0], first);
  }));

Deno.test("an index that recovery cut has its entries and no others after a clean stop", () =>
  withFolder(async (path) => {
    const { folder, log } = open(path);
    for (let n = 0; n < RECORDS; n++) append(log, n);
    await close(folder, true);
    Deno.removeSync(`${path}/.kafka_cleanshutdown`);
    const logFile = filesOf(path, ".log").at(-1)!;
    const indexFile = logFile.replace(/log$/, "index");
    const before = Deno.statSync(indexFile).size;
    assert(before > 0 && before % 8 === 0, "it had entries");
    Deno.truncateSync(logFile, Deno.statSync(logFile).size >> 1);
    const again = open(path);
    await close(again.folder, true);
    const index = Deno.readFileSync(indexFile);
    assert(index.length < before && index.length % 8 === 0);
    const view = new DataView(index.buffer);
    for (let at = 0; at < index.length; at += 8) {
      assert(view.getInt32(at + 4) < Deno.statSync(logFile).size);
    }
  }));

for (const isInBackground of [false, true]) {
  const how = isInBackground ? "while they are written" : "after they were";
  Deno.test(`a new topic takes nothing from checkpoints of a deleted namesake, ${how}`, () =>
    withFolder(async (path) => {
      const { folder, log } = open(path);
      for (let n = 0; n < 5; n++) append(log, n);
      await log.flush();
      log.deleteRecordsBefore(4);
      log.markCleaned(5);
      const marks = new Map([["t-0", 5]]);
      if (isInBackground) {
        folder.checkpointLater(() => new Map(), [
          "start",
          "recovery",
          "cleaner",
        ]);
      } else folder.checkpoint(marks);
      const deleting = folder.deleteLog("t", 0);
      const next = folder.openLog(NAMESAKE);
      next.assignEpoch(0);
      for (let n = 0; n < 5; n++) append(next, n);
      next.writeStaged();
      await deleting;
      await close(folder, false);
      const again = open(path, NAMESAKE);
      assertEquals(again.log.logStartOffset, 0);
      assertEquals(again.log.logEndOffset, 5);
      assertEquals(again.folder.highWatermark("t", 0), 0);
      assertEquals(again.log.cleanedOffset, undefined);
      await close(again.folder, false);
    }));
}

Deno.test("whichever checkpoint the disk refuses, a new topic takes nothing from its namesake's", () =>
  withFolder(async (path) => {
    let refused = "";
    const env = faultyEnv((call, file) =>
      call === "write" && file === refused ? "NoSpace" : undefined
    );
    const folder = LogFolder.open({ env, path, nodeId: 1 });
    const log = folder.openLog(PLACE);
    for (let n = 0; n < 5; n++) append(log, n);
    await log.flush();
    log.deleteRecordsBefore(4);
    log.markCleaned(5);
    folder.checkpoint(new Map([["t-0", 5]]));
    await folder.deleteLog("t", 0);
    for (
      const what of ["recovery-point", "log-start", "replication", "cleaner"]
    ) {
      refused = `${path}/${what}-offset-checkpoint.tmp`;
      assertThrows(() => folder.openLog(NAMESAKE), DiskError, refused);
    }
    refused = "";
    const next = folder.openLog(NAMESAKE);
    append(next, 0);
    next.writeStaged();
    await close(folder, false);
    const again = open(path, NAMESAKE);
    assertEquals([again.log.flushedOffset, again.log.logEndOffset], [0, 1]);
    assertEquals(again.folder.highWatermark("t", 0), 0);
    assertEquals(again.log.cleanedOffset, undefined);
    await close(again.folder, false);
  }));

Deno.test("how far a log was compacted outlives a restart, unless it was cut", () =>
  withFolder(async (path) => {
    const { folder, log } = open(path);
    for (let n = 0; n < RECORDS; n++) append(log, n);
    log.markCleaned(RECORDS);
    await close(folder, true);
    const again = open(path);
    assertEquals(again.log.cleanedOffset, RECORDS);
    await close(again.folder, false);
    const last = filesOf(path, ".log").at(-1)!;
    Deno.truncateSync(last, Deno.statSync(last).size - 1);
    const cut = open(path);
    assert(cut.log.logEndOffset < RECORDS);
    assertEquals(cut.log.cleanedOffset, undefined);
    await close(cut.folder, false);
  }));

Deno.test("a stop is not clean for a log that the disk failed", () =>
  withFolder(async (path) => {
    const disk = {
      ...env.disk,
      open: (file: string, mode: OpenMode) => {
        const opened = env.disk.open(file, mode);
        return {
          path: file,
          pread: opened.pread.bind(opened),
          pwriteAll: opened.pwriteAll.bind(opened),
          truncate: opened.truncate.bind(opened),
          size: opened.size.bind(opened),
          syncDataSync: opened.syncDataSync.bind(opened),
          close: opened.close.bind(opened),
          syncData: () => Promise.reject(new DiskError("Io", "It is broken")),
        };
      },
    };
    const folder = LogFolder.open({
      env: { ...env, disk, trace: () => {} },
      path,
      nodeId: 1,
    });
    const log = folder.openLog(PLACE);
    append(log, 0);
    await assertRejects(() => log.flush(), DiskError);
    await close(folder, true);
    const names = [...Deno.readDirSync(path)].map(({ name }) => name);
    assert(!names.includes(".kafka_cleanshutdown"), "a start must look");
  }));

Deno.test("a time index that is gone after a clean stop is made anew: no look-up by time passes its records over", async () => {
  const path = Deno.makeTempDirSync({ prefix: "kf-recovery-" });
  try {
    await killed(path);
    await close(open(path).folder, true);
    const first = `${path}/t-0/${"0".repeat(20)}.timeindex`;
    Deno.removeSync(first);
    const { folder, log } = open(path);
    assertEquals(log.offsetForTimestamp(3)?.offset, 3);
    await close(folder, true);
    assert(Deno.statSync(first).size > 0);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("an empty segment that a failed roll left between others takes no record along", () =>
  withFolder(async (path) => {
    await killed(path);
    const [, second] = filesOf(path, ".log");
    const base = Number(/(\d{20})\.log$/.exec(second!)![1]);
    const stray = `${path}/t-0/${String(base - 1).padStart(20, "0")}.log`;
    Deno.writeFileSync(stray, new Uint8Array(0));
    assertEquals(await recoverTwice(path), EXPECTED);
    assert(!filesOf(path, ".log").includes(stray));
  }));

Deno.test("a log that can't be opened, since its time index is a folder, holds no file", async () => {
  const path = Deno.makeTempDirSync({ prefix: "kf-recovery-" });
  try {
    await killed(path);
    const index = `${path}/t-0/${"0".repeat(20)}.timeindex`;
    Deno.removeSync(index);
    Deno.mkdirSync(index);
    Deno.writeFileSync(`${index}/x`, new Uint8Array(12));
    const folder = LogFolder.open({ env, path, nodeId: 1 });
    // The sanitizer of tests sees what stays open.
    assertThrows(() => folder.openLog(PLACE), DiskError, "timeindex");
    await close(folder, false);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});
