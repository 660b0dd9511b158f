/**
 * Which log is compacted when, and how far: ratios, lags, open transactions,
 * and what becomes of a log that can't be compacted.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { CrashDisk } from "../../../tests/faults/crash_disk.ts";
import { resolveBrokerConfig } from "../../config/resolve.ts";
import { DiskError } from "../../env/env.ts";
import { dirtOf, isDue } from "./cleanable.ts";
import { CONFIG, type Step, World } from "./history_fixture.ts";
import { LogCleaner } from "./log_cleaner.ts";

/** One record of about 200 bytes: four fill a segment. */
function write(key: number): Step {
  return {
    type: "data",
    producer: 0,
    codec: "none",
    records: [{ key, value: 150 }],
  };
}

async function filled(world: World, count: number): Promise<World> {
  for (let i = 0; i < count; i++) await world.run(write(i % 3));
  return world;
}

function dirtIn(world: World, config = CONFIG, nowMs = world.nowMs) {
  const { log, lastStableOffset } = world;
  return dirtOf({ log, config, lastStableOffset }, nowMs);
}

Deno.test("a log is dirty from where it was compacted to its active segment", async () => {
  const world = await filled(new World(), 18);
  const active = world.log.segments.at(-1)!.baseOffset;
  const before = dirtIn(world);
  assertEquals(before.firstDirtyOffset, 0);
  assertEquals(before.firstUncleanableOffset, active);
  assertEquals(before.ratio, 1);
  assert(isDue(before, CONFIG));
  await world.clean({ mapBytesMax: 1e6 });
  const clean = dirtIn(world);
  assertEquals([clean.firstDirtyOffset, clean.cleanableBytes], [active, 0]);
  assert(!isDue(clean, { ...CONFIG, minCleanableDirtyRatio: 0 }));
  await filled(world, 4);
  const again = dirtIn(world);
  assertEquals(again.firstDirtyOffset, active);
  assert(again.ratio > 0.5 && again.ratio < 1, `${again.ratio}`);
});

Deno.test("records younger than min.compaction.lag.ms are left alone", async () => {
  const world = await filled(new World(), 18);
  const [, second, third] = world.log.segments;
  const config = { ...CONFIG, minCompactionLagMs: 1000 };
  const nowMs = second!.maxTimestamp + 1000;
  const dirt = dirtIn(world, config, nowMs);
  assertEquals(dirt.firstUncleanableOffset, third!.baseOffset);
  assertEquals(
    dirtIn(world, config, nowMs - 1).firstUncleanableOffset,
    second!.baseOffset,
  );
});

Deno.test("a log that is clean enough is due when max.compaction.lag.ms is passed", async () => {
  const world = await filled(new World(), 18);
  const config = {
    ...CONFIG,
    minCleanableDirtyRatio: 1,
    maxCompactionLagMs: 500,
  };
  const first = world.log.segments[0]!.firstTimestamp()!;
  assert(!isDue(dirtIn(world, config, first + 500), config));
  const late = dirtIn(world, config, first + 507);
  assertEquals(late.delayMs, 7);
  assert(isDue(late, config));
});

Deno.test("nothing is compacted from an open transaction on", async () => {
  const world = await filled(new World(), 6);
  await world.run({
    type: "data",
    producer: 2,
    codec: "none",
    records: [{ key: 0, value: 10 }],
  });
  await filled(world, 12);
  const { firstUncleanableOffset } = dirtIn(world);
  assert(firstUncleanableOffset <= 6, `${firstUncleanableOffset}`);
  await world.run({ type: "end", producer: 2, committed: true });
  assertEquals(
    dirtIn(world).firstUncleanableOffset,
    world.log.segments.at(-1)!.baseOffset,
  );
});

/** A cleaner of the worlds on one disk, with what it told. */
function cleaning(worlds: readonly World[]) {
  const told: string[] = [];
  let running = Promise.resolve();
  const unused = () => Promise.reject(new Error("nobody needs a hash"));
  const cleaner = new LogCleaner({
    env: {
      ...worlds[0]!.env(),
      trace: (_, event) => void told.push(event),
      tasks: {
        spawn: (_, fn) => void (running = fn()),
        settled: () => running,
      },
      hashes: { digest: unused, hmac: unused },
    },
    config: () => resolveBrokerConfig(new Map()),
    partitions: () =>
      worlds.map(({ log, lastStableOffset }) => ({
        log,
        config: CONFIG,
        lastStableOffset,
        highWatermark: log.logEndOffset,
        isFullyInSync: true,
      })),
    keepRecoveryPoints: () => Promise.resolve(),
    onCleaned: () => told.push("checkpoint"),
  });
  const round = async () => {
    cleaner.round();
    await running;
    return told.splice(0);
  };
  return { cleaner, round };
}

async function twoLogs(): Promise<[World, World]> {
  const disk = new CrashDisk();
  return [
    await filled(new World({ topic: "a", disk }), 18),
    await filled(new World({ topic: "b", disk }), 18),
  ];
}

Deno.test("the dirtiest log is compacted first, then the others that are due", async () => {
  const [a, b] = await twoLogs();
  await a.clean({ mapBytesMax: 1e6 });
  await filled(a, 8);
  const { cleaner, round } = cleaning([a, b]);
  assertEquals(await round(), [
    "checkpoint",
    "Compacted b-0",
    "checkpoint",
    "Compacted a-0",
  ]);
  const { last, ...status } = cleaner.status();
  assert(last.recopyPercent > 0 && last.recopyPercent < 100);
  assert(last.bufferUtilizationPercent > 0 && last.seconds > 0);
  assertEquals([status.maxDirtyPercent, status.uncleanableCount], [0, 0]);
  assertEquals(await round(), []);
});

Deno.test("a log whose records are damaged is left alone, and others are not", async () => {
  const [a, b] = await twoLogs();
  const file = a.disk.open(`${a.log.segments[1]!.path}.log`, "write");
  const byte = new Uint8Array(1);
  file.pread(byte, 100);
  file.pwriteAll(byte.map((value) => value ^ 1), 100);
  const before = a.views().length;
  const { cleaner, round } = cleaning([a, b]);
  assertEquals(await round(), [
    "a-0 is not compacted until the next start",
    "checkpoint",
    "Compacted b-0",
  ]);
  assertEquals(await round(), []);
  assertEquals(cleaner.status().uncleanableCount, 1);
  assert(cleaner.status().uncleanableBytes > 0);
  assertEquals(a.views().length, before);
});

Deno.test("a batch with a damaged offset supersedes nothing", async () => {
  for (const bit of [0, 1, 4, 20]) {
    const [a] = await twoLogs();
    const file = a.disk.open(`${a.log.segments[0]!.path}.log`, "write");
    const { position } = [...a.log.segments[0]!.batchesFrom(0)][1]!;
    const byte = new Uint8Array(1);
    const at = position + 7 - (bit >> 3);
    file.pread(byte, at);
    file.pwriteAll(byte.map((value) => value ^ 1 << (bit & 7)), at);
    const { round } = cleaning([a]);
    const refused = "a-0 is not compacted until the next start";
    assertEquals(await round(), [refused], `bit ${bit}`);
  }
});

Deno.test("a log for which the disk has no room is tried again with the next round", async () => {
  const [a, b] = await twoLogs();
  const error = new DiskError("NoSpace", "No room is left");
  a.disk.failure = { at: a.disk.steps + 1, error };
  const { cleaner, round } = cleaning([a, b]);
  assertEquals(await round(), [
    "Cannot compact a-0: tried again later",
    "checkpoint",
    "Compacted b-0",
  ]);
  assertEquals(await round(), ["checkpoint", "Compacted a-0"]);
  assertEquals(cleaner.status().uncleanableCount, 0);
});

Deno.test("a log that loses segments meanwhile is compacted with the next round", async () => {
  const [a] = await twoLogs();
  const { cleaner, round } = cleaning([a]);
  const first = round();
  a.log.deleteRecordsBefore(a.log.segments[1]!.baseOffset);
  assertEquals(await first, []);
  assertEquals(await round(), ["checkpoint", "Compacted a-0"]);
  await cleaner.stop();
  await filled(a, 18);
  assertEquals(await round(), [], "nothing begins after the stop");
});
