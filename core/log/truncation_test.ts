/**
 * Logs that are cut, at their end or their start, and go on: what indexes,
 * producers and epochs say afterwards, and what a crash at any step of it leaves.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Choose,
  Crash,
  CrashDisk,
} from "../../tests/faults/crash_disk.ts";
import { resolveBrokerConfig, resolveTopicConfig } from "../config/resolve.ts";
import { DiskError, type DiskFile, type Env } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import { takeIn } from "../partition/follower.ts";
import { batchesOf } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import type { Log } from "./log.ts";
import { readText } from "./checkpoint.ts";
import { LogFolder, type LogPlace } from "./log_folder.ts";
import { UNVERIFIED } from "./producer_state.ts";
import { dataBatch, markerBatch } from "./transactions_fixture.ts";

const CONFIG = {
  ...resolveTopicConfig(new Map(), resolveBrokerConfig()),
  segmentBytes: 500,
  indexIntervalBytes: 1,
};

function envOn(disk: CrashDisk): Env {
  let random = 0;
  return {
    clock: {
      wallMs: () => 0,
      monoMs: () => 0,
      sleep: () => Promise.resolve(),
      timer: () => () => {},
      endOfTurn: () => {},
    },
    disk,
    trace: () => {},
    random: {
      u32: () => random++,
      bytes: (n: number) => new Uint8Array(n).fill(random++),
    },
    tasks: { spawn: (_: string, task: () => Promise<void>) => void task() },
  } as unknown as Env;
}

function placeOf(partition: number, config = CONFIG): LogPlace {
  const topicId = "Gmd94rMBRdCEC5P7ytJnvA";
  return { topic: "t", partition, topicId, config };
}

function open(
  disk: CrashDisk,
  config = CONFIG,
): { folder: LogFolder; log: Log } {
  const folder = LogFolder.open({ env: envOn(disk), path: "/d", nodeId: 1 });
  const log = folder.openLog(placeOf(0, config));
  return { folder, log };
}

/** A batch for offset `at`, of a producer whose epoch is the leader's. */
function batchAt(
  at: number,
  { leaderEpoch, baseSequence, count = 2 }: {
    readonly leaderEpoch: number;
    readonly baseSequence: number;
    readonly count?: number | undefined;
  },
): Uint8Array {
  return buildBatch(
    Array.from({ length: count }, (_, i) => ({
      timestamp: 1000 + at + i,
      key: null,
      value: new Uint8Array(20).fill(leaderEpoch),
    })),
    { producerId: 7, producerEpoch: leaderEpoch, baseSequence },
  );
}

/** Appends one batch of a producer, and hands it to the file. */
function append(log: Log, leaderEpoch: number, count?: number): void {
  const baseSequence = sequenceOf(log);
  const batch = batchAt(log.logEndOffset, { leaderEpoch, baseSequence, count });
  log.appendAsLeader(batch, { leaderEpoch, nowMs: 0 });
  log.writeStaged();
}

function sequenceOf(log: Log): number {
  const [known] = [...log.activeProducers()];
  return known?.producerEpoch === log.latestEpoch ? known.lastSequence + 1 : 0;
}

/** The epoch of each record, by its offset. */
function epochsIn(log: Log): number[] {
  const epochs: number[] = [];
  for (let next = log.logStartOffset; next < log.logEndOffset;) {
    const bytes = log.read(next, {
      maxBytes: 1e6,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    assert(bytes.length > 0, `nothing at ${next} of ${log.logEndOffset}`);
    for (const batch of batchesOf(bytes)) {
      assertEquals(batch.baseOffset, next, "offsets have no gap");
      while (next < batch.nextOffset) {
        epochs[next++] = batch.partitionLeaderEpoch;
      }
    }
  }
  return epochs;
}

/** A log of epoch 1, in several segments, all of it safe. */
async function begin(
  disk: CrashDisk,
): Promise<{ folder: LogFolder; log: Log }> {
  const { folder, log } = open(disk);
  log.assignEpoch(1);
  for (let i = 0; i < 12; i++) append(log, 1);
  await log.flush();
  folder.checkpoint(new Map());
  return { folder, log };
}

Deno.test("a log that is cut ends there, and so do its times, its producers and its epochs", async () => {
  const { log } = await begin(new CrashDisk());
  log.assignEpoch(2);
  for (let i = 0; i < 3; i++) append(log, 2);
  assertEquals([log.logEndOffset, log.segments.length > 2], [30, true]);
  log.truncateTo(14);
  assertEquals([log.logEndOffset, log.latestEpoch], [14, 1]);
  assertEquals(log.endOffsetForEpoch(1), { epoch: 1, endOffset: 14 });
  assertEquals(log.maxTimestamp(), { offset: 13, timestamp: 1013 });
  assertEquals(log.offsetForTimestamp(1014), undefined);
  const [producer] = [...log.activeProducers()];
  assertEquals([producer!.producerEpoch, producer!.lastSequence], [1, 13]);
  log.assignEpoch(3);
  append(log, 3);
  assertEquals(epochsIn(log), [...Array(14).fill(1), 3, 3]);
});

Deno.test("a log that is cut twice has no index entry of what was cut first", async () => {
  const config = { ...CONFIG, indexIntervalBytes: 250 };
  const stopped = { clean: false, brokerEpoch: 1, highWatermarks: new Map() };
  for (let count = 1; count < 10; count++) {
    const disk = new CrashDisk();
    const { folder, log } = open(disk, config);
    log.assignEpoch(1);
    for (let i = 0; i < 4; i++) append(log, 1);
    await folder.close(stopped);
    // A start saves the index.
    const again = open(disk, config).log;
    assertEquals(again.segments[0]!.offsetIndex.file.count, 1);
    again.truncateTo(2);
    again.assignEpoch(2);
    append(again, 2, count);
    append(again, 2);
    again.truncateTo(2 + count);
    assertEquals(epochsIn(again), [1, 1, ...Array(count).fill(2)]);
  }
});

Deno.test("a log that is cut knows the last batches that it keeps of a producer", async () => {
  const { log } = await begin(new CrashDisk());
  const cut = log.segments.at(-1)!.baseOffset;
  log.truncateTo(cut);
  for (let i = 1; i <= 5; i++) {
    const baseOffset = cut - 2 * i;
    const again = batchAt(baseOffset, {
      leaderEpoch: 1,
      baseSequence: baseOffset,
    });
    assertEquals(log.appendAsLeader(again, { leaderEpoch: 1, nowMs: 0 }), {
      baseOffset,
      lastOffset: baseOffset + 1,
      isDuplicate: true,
    });
  }
});

Deno.test("a batch that the cut goes through is gone whole", async () => {
  const { log } = await begin(new CrashDisk());
  log.truncateTo(5);
  assertEquals(log.logEndOffset, 5);
  const bytes = log.read(0, {
    maxBytes: 1e6,
    upperOffset: Infinity,
    minOneBatch: true,
  });
  assertEquals([...batchesOf(bytes)].at(-1)!.nextOffset, 4);
});

for (const end of ["a kill", "a clean stop"]) {
  Deno.test(`epochs that a cut took are unknown after ${end}`, async () => {
    const disk = new CrashDisk();
    const { folder, log } = await begin(disk);
    log.assignEpoch(2);
    append(log, 2);
    await log.flush();
    log.assignEpoch(4);
    append(log, 4);
    await log.flush();
    folder.checkpoint(new Map());
    log.truncateTo(26);
    assertEquals([log.logEndOffset, log.latestEpoch], [26, 2]);
    log.truncateTo(24);
    const highWatermarks = new Map();
    const stopped = { clean: true, brokerEpoch: 1, highWatermarks };
    if (end === "a clean stop") await folder.close(stopped);
    const again = open(disk.copy()).log;
    assertEquals([again.logEndOffset, again.latestEpoch], [24, 1]);
    assertEquals(again.endOffsetForEpoch(3).endOffset, -1);
  });
}

Deno.test("a log that starts over where its last segment begins has a file", () => {
  const disk = new CrashDisk();
  const { log } = open(disk);
  append(log, 0);
  log.truncateFullyAndStartAt(2);
  log.truncateFullyAndStartAt(2);
  append(log, 1);
  assertEquals(open(disk).log.logEndOffset, 4);
});

/** Starts over at `offset` while the disk fails at the `step`th step of it. */
async function startOverFailing(offset: number, step: number) {
  const disk = new CrashDisk();
  const { log } = await begin(disk);
  const error = new DiskError("Io", "bad disk");
  disk.failure = { at: disk.steps + step, error };
  try {
    log.truncateFullyAndStartAt(offset);
    return { disk, log, hasFailed: false };
  } catch (error) {
    assert(error instanceof KafkaError, `${error}`);
    return { disk, log, hasFailed: true };
  }
}

Deno.test("a log that can't start over is as it was, or offline, and whole after the next start", async () => {
  for (const offset of [40, 24, 10, 0]) {
    for (let step = 1; step < 200; step++) {
      const { disk, log, hasFailed } = await startOverFailing(offset, step);
      if (!hasFailed) break;
      const what = `at ${offset}, step ${step}`;
      assert(log.segments.length > 0, what);
      if (!log.isOffline) {
        assertEquals(epochsIn(log), Array(24).fill(1), what);
        append(log, 1);
        assertEquals(log.logEndOffset, 26, what);
        log.truncateFullyAndStartAt(offset);
        assertEquals(log.logEndOffset, offset, what);
      }
      const again = open(disk.copy()).log;
      const { logStartOffset, logEndOffset } = again;
      const isBegun = logStartOffset === offset && logEndOffset === offset;
      if (!isBegun) assertEquals(epochsIn(again).length, logEndOffset, what);
      append(again, 1);
    }
  }
});

Deno.test("a sync that was in flight at a cut tells nothing of what came after", async () => {
  const disk = new CrashDisk();
  const { log } = await begin(disk);
  log.assignEpoch(2);
  append(log, 2);
  const flushing = log.flush();
  log.truncateTo(10);
  log.assignEpoch(3);
  for (let i = 0; i < 8; i++) append(log, 3);
  await flushing;
  assert(log.flushedOffset <= 10, `${log.flushedOffset} is not durable`);
});

Deno.test("a follower takes no damaged batch, none twice, and none of a later epoch", async () => {
  const { log } = await begin(new CrashDisk());
  const source = (await begin(new CrashDisk())).log;
  source.assignEpoch(4);
  append(source, 4);
  const batch = source.read(24, {
    maxBytes: 1e6,
    upperOffset: Infinity,
    minOneBatch: true,
  }).slice();
  log.appendAsFollower(batch, { leaderEpochMax: 3 });
  assertEquals(log.logEndOffset, 24, "epoch 4 is none of the leader's of 3");
  const asked = { leader: 2, leaderEpoch: 3, offset: 24, lastFetchedEpoch: 1 };
  const marks = { logStartOffset: 0, highWatermark: 0 };
  const answer = { ...marks, divergingEpoch: undefined, records: batch };
  // Without a word the follower would ask for it again and again.
  const take = () => takeIn(log, { ...asked, ...marks }, answer);
  assertThrows(take, KafkaError, "of epoch 4");
  const damaged = batch.slice();
  damaged[damaged.length - 1]! ^= 1;
  assertThrows(() => log.appendAsFollower(damaged), KafkaError, "damaged");
  log.appendAsFollower(batch, { leaderEpochMax: 4 });
  assertEquals([log.logEndOffset, log.latestEpoch], [26, 4]);
  assertThrows(() => log.appendAsFollower(batch), KafkaError, "ends at 26");
});

/** Cuts and goes on in epoch 2, over a roll; then a part of it is synced. */
async function cutAndGoOn(log: Log): Promise<void> {
  log.truncateTo(10);
  log.assignEpoch(2);
  for (let i = 0; i < 5; i++) append(log, 2);
  await log.flush();
  for (let i = 0; i < 2; i++) append(log, 2);
}

/** Crashes at the `step`th step of it; whether it came that far. */
async function crashAt(step: number, choose: Choose): Promise<boolean> {
  const disk = new CrashDisk();
  const { folder, log } = await begin(disk);
  for (let i = 0; i < 12; i++) append(log, 1);
  await log.flush();
  folder.checkpoint(new Map());
  disk.crashAt = disk.steps + step;
  let isOver = true;
  try {
    await cutAndGoOn(log);
  } catch (error) {
    assert(error instanceof Crash || error instanceof KafkaError, `${error}`);
    isOver = false;
  }
  disk.crashAt = Infinity;
  const recovered = open(disk.crashed(choose, { keepsOrder: false })).log;
  const epochs = epochsIn(recovered);
  const cut = epochs.indexOf(2);
  const what = `step ${step}: ${epochs}`;
  const rest = cut < 0 ? epochs : epochs.slice(0, cut);
  assertEquals(new Set(rest).size, 1, `nothing but epoch 1 before it, ${what}`);
  assert(cut === -1 || cut === 10, what);
  assert(epochs.length >= 10, `what was durable is there, ${what}`);
  for (const [offset, epoch] of epochs.entries()) {
    assertEquals(recovered.epochAt(offset), epoch, what);
  }
  const [producer] = [...recovered.activeProducers()];
  const last = epochs.at(-1)!;
  const count = epochs.filter((epoch) => epoch === last).length;
  assertEquals(producer!.producerEpoch, last, what);
  assertEquals(producer!.lastSequence, count - 1, what);
  return isOver;
}

Deno.test("a crash at any step of a cut leaves the old log, or a part of the new one", async () => {
  for (const pick of [0, 1, 2, 3, 4, 5, 6, 7]) {
    let state = pick + 1;
    const choose: Choose = (below) => {
      state = Math.imul(state, 1664525) + 1013904223 >>> 0;
      return pick === 0 ? 0 : pick === 1 ? below - 1 : (state >>> 8) % below;
    };
    let isOver = false;
    for (let step = 1; !isOver; step++) isOver = await crashAt(step, choose);
  }
});

/** Deletes all but the newest segments while power fails at the `step`th step. */
async function deleteAndCrash(step: number, choose: Choose): Promise<boolean> {
  const disk = new CrashDisk();
  const { folder, log } = await begin(disk);
  log.assignEpoch(2);
  for (let i = 0; i < 12; i++) append(log, 2);
  await log.flush();
  folder.checkpoint(new Map());
  log.reconfigure({ ...CONFIG, retentionBytes: 600 });
  const { length: before } = log.segments;
  disk.crashAt = disk.steps + step;
  let isOver = true;
  try {
    log.applyRetention({ nowMs: 0, highWatermark: 48 });
    assert(before - log.segments.length > 3, "several go at once");
  } catch (error) {
    assert(error instanceof Crash, `${error}`);
    isOver = false;
  }
  disk.crashAt = Infinity;
  // The oldest may be there, without an index: all is scanned from it on.
  const after = open(disk.crashed(choose, { keepsOrder: false })).log;
  const what =
    `step ${step} of ${before} segments, from ${after.logStartOffset}`;
  assertEquals(after.logEndOffset, 48, what);
  for (const [offset, epoch] of epochsIn(after).entries()) {
    if (offset < after.logStartOffset) continue;
    assertEquals(epoch, offset < 24 ? 1 : 2, what);
    assertEquals(after.epochAt(offset), epoch, `${offset}, ${what}`);
  }
  return isOver;
}

Deno.test("power that fails at any step of a deletion brings nothing back with a hole behind it", async () => {
  for (let seed = 1; seed < 8; seed++) {
    let state = seed;
    const choose: Choose = (below) => {
      state = Math.imul(state, 1664525) + 1013904223 >>> 0;
      return (state >>> 8) % below;
    };
    let isOver = false;
    for (let step = 1; !isOver; step++) {
      isOver = await deleteAndCrash(step, choose);
    }
  }
});

Deno.test("where the disk refused the epochs' new begin, what was deleted before is gone for good, too", async () => {
  const disk = new CrashDisk();
  const { log } = await begin(disk);
  const { length: count } = log.segments;
  const [, second, third] = log.segments.map(({ baseOffset }) => baseOffset);
  log.deleteRecordsBefore(second!);
  const error = new DiskError("NoSpace", "full");
  disk.failure = { at: disk.steps + 1, error };
  assertThrows(() => log.deleteRecordsBefore(third!), DiskError);
  disk.failure = undefined;
  const highWatermark = log.logEndOffset;
  log.reconfigure({ ...CONFIG, retentionBytes: 1 });
  log.applyRetention({ nowMs: 0, highWatermark });
  assert(log.segments.length < count - 1, "the next one is deleted");
  for (let pick = 0; pick < 64; pick++) {
    let state = pick;
    const choose: Choose = (below) => {
      state = Math.imul(state, 1664525) + 1013904223 >>> 0;
      return (state >>> 8) % below;
    };
    const after = open(disk.crashed(choose, { keepsOrder: false })).log;
    assertEquals(epochsIn(after).length, highWatermark, `pick ${pick}`);
  }
});

/** Power takes all that was not synced. */
const NOTHING_MORE: Choose = () => 0;

/** Appends over a roll, safely, and loses power; what is there then. */
async function goOnAndLosePower(
  disk: CrashDisk,
  { folder, log }: { folder: LogFolder; log: Log },
): Promise<number[]> {
  const { length: count } = log.segments;
  while (log.segments.length === count) append(log, 1, 10);
  await log.flush();
  folder.checkpoint(new Map());
  const after = disk.crashed(NOTHING_MORE);
  const left = open(after);
  assertEquals(left.log.logEndOffset, log.logEndOffset);
  return epochsIn(left.log);
}

Deno.test("what a start cuts off doesn't come back when power fails later", async () => {
  for (let batches = 0; batches < 6; batches++) {
    const disk = new CrashDisk();
    const { folder, log } = await begin(disk);
    for (let i = 0; i < batches; i++) append(log, 1);
    await log.flush();
    folder.checkpoint(new Map());
    const { path, size } = log.segments.at(-1)!;
    disk.open(`${path}.log`, "write")
      .pwriteAll(new Uint8Array(100).fill(7), size);
    const killed = disk.copy();
    const epochs = await goOnAndLosePower(killed, open(killed));
    assertEquals(new Set(epochs), new Set([1]), `${batches} batches more`);
  }
});

async function cutRollAndLosePower(indexIntervalBytes: number) {
  const disk = new CrashDisk();
  const { folder, log } = open(disk, { ...CONFIG, indexIntervalBytes });
  log.assignEpoch(1);
  const options = { leaderEpoch: 1, nowMs: 0, guard: UNVERIFIED };
  const aborted = dataBatch({
    producerId: 7,
    producerEpoch: 1,
    baseSequence: 0,
    count: 1,
    timestamp: 1000,
    isTransactional: true,
  });
  log.appendAsLeader(aborted, options);
  log.appendAsLeader(markerBatch(7, 1, { kind: "abort" }), options);
  append(log, 1);
  append(log, 1);
  log.truncateTo(4);
  assertEquals([log.logEndOffset, log.segments.length], [4, 1]);
  // It rolls at once: nothing more is noted in what the cut wrote.
  append(log, 1, 10);
  assertEquals(log.segments.length, 2);
  await log.flush();
  folder.checkpoint(new Map());
  const { path } = log.segments[0]!;
  const indexes = [".index", ".timeindex", ".txnindex"];
  const sizes = (disk: CrashDisk) =>
    indexes.map((suffix) => disk.sizes().get(`${path}${suffix}`));
  assert(sizes(disk).every((size) => size! > 0), `${sizes(disk)}`);
  assertEquals(sizes(disk.crashed(NOTHING_MORE)), sizes(disk));
}

Deno.test("the indexes of a segment that was cut are durable once a start trusts them", async () => {
  // With entries of what is cut, and without.
  await cutRollAndLosePower(1);
  await cutRollAndLosePower(150);
});

/** A disk that is full in the middle of a write. */
class TearingDisk extends CrashDisk {
  tears = false;

  override open(path: string, mode: "read" | "write" | "create"): DiskFile {
    const file = super.open(path, mode);
    return {
      ...file,
      pwriteAll: (bytes, position) => {
        if (!this.tears || !path.endsWith(".log")) {
          return file.pwriteAll(bytes, position);
        }
        file.pwriteAll(bytes.subarray(0, 70), position);
        throw new DiskError("NoSpace", "full");
      },
    };
  }
}

Deno.test("half of a write that was refused doesn't come back when power fails later", async () => {
  for (let batches = 0; batches < 6; batches++) {
    const disk = new TearingDisk();
    const opened = await begin(disk);
    const { log } = opened;
    for (let i = 0; i < batches; i++) append(log, 1);
    await log.flush();
    disk.tears = true;
    assertThrows(() => append(log, 1, 1), KafkaError, "full");
    disk.tears = false;
    // The torn bytes reach the medium, their cut does not.
    const { path, size } = log.segments.at(-1)!;
    const file = disk.open(`${path}.log`, "write");
    file.pwriteAll(new Uint8Array(70).fill(7), size);
    file.syncDataSync();
    file.truncate(size);
    const epochs = await goOnAndLosePower(disk, opened);
    assertEquals(new Set(epochs), new Set([1]), `${batches} batches more`);
  }
});

Deno.test("a start that cuts what was durable says so in the checkpoint before it goes on", async () => {
  const disk = new CrashDisk();
  const { log } = await begin(disk);
  const { path } = log.segments.at(-1)!;
  disk.open(`${path}.log`, "write").pwriteAll(Uint8Array.of(9), 30);
  const copy = disk.copy();
  const end = open(copy).log.logEndOffset;
  assert(end < 24, `${end}`);
  const name = "/d/recovery-point-offset-checkpoint";
  assertEquals(readText(copy, name), `0\n1\nt 0 ${end}\n`);
});

Deno.test("checkpoints keep what they say of partitions that are not opened yet", async () => {
  const disk = new CrashDisk();
  const { folder, log } = await begin(disk);
  log.deleteRecordsBefore(4);
  folder.checkpoint(new Map([["t-0", 20]]));
  const copy = disk.copy();
  const next = LogFolder.open({
    env: envOn(copy),
    path: "/d",
    nodeId: 1,
  });
  next.openLog(placeOf(1));
  next.checkpoint(new Map());
  const third = LogFolder.open({
    env: envOn(copy.copy()),
    path: "/d",
    nodeId: 1,
  });
  assertEquals(third.highWatermark("t", 0), 20);
  const { logStartOffset, flushedOffset } = third.openLog(placeOf(0));
  assertEquals([logStartOffset, flushedOffset], [4, 24]);
});
