/**
 * Power that fails in and after a cleaning, and takes every checkpoint that isn't
 * durable: what the cleaning left out must not pass for records that power took,
 * which a follower would cut off with all behind them.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CrashDisk } from "../../../tests/faults/crash_disk.ts";
import { resolveBrokerConfig } from "../../config/resolve.ts";
import { denoEnv } from "../../env/deno_env.ts";
import { DiskError, type Env } from "../../env/env.ts";
import { batchesOf } from "../../record/batch.ts";
import { buildBatch } from "../../record/builder.ts";
import { decodeRecords } from "../../record/record.ts";
import type { Log } from "../log.ts";
import { LogFolder } from "../log_folder.ts";
import { chance, CONFIG } from "./history_fixture.ts";
import { LogCleaner } from "./log_cleaner.ts";

const KEYS = 3;
const RECORDS = 25;

function envOn(disk: CrashDisk): Env {
  return { ...denoEnv({ trace: () => {} }), disk };
}

function open(env: Env): { folder: LogFolder; log: Log } {
  const folder = LogFolder.open({ env, path: "/data", nodeId: 1 });
  const log = folder.openLog({
    topic: "t",
    partition: 0,
    topicId: "Gmd94rMBRdCEC5P7ytJnvA",
    config: CONFIG,
  });
  return { folder, log };
}

function kill(folder: LogFolder): Promise<void> {
  const highWatermarks = new Map<string, number>();
  return folder.close({ clean: false, brokerEpoch: 1, highWatermarks });
}

/** A few keys again and again, in several segments, all of it flushed. */
async function fill(log: Log): Promise<void> {
  log.assignEpoch(0);
  for (let n = 0; n < RECORDS; n++) {
    const key = new Uint8Array([n % KEYS]);
    const records = [{ timestamp: n, key, value: new Uint8Array(150) }];
    log.appendAsLeader(buildBatch(records), { leaderEpoch: 0, nowMs: 0 });
  }
  await log.flush();
}

async function clean(
  env: Env,
  { folder, log }: { readonly folder: LogFolder; readonly log: Log },
): Promise<void> {
  const marks = () => new Map([[log.name, log.logEndOffset]]);
  const cleaner = new LogCleaner({
    env,
    config: () => resolveBrokerConfig(new Map()),
    partitions: () => [{
      log,
      config: CONFIG,
      lastStableOffset: log.logEndOffset,
      highWatermark: log.logEndOffset,
      isFullyInSync: true,
    }],
    keepRecoveryPoints: () => folder.keepRecoveryPoints(marks),
    onCleaned: () => folder.checkpointLater(marks, ["cleaner"]),
  });
  cleaner.round();
  await env.tasks.settled();
}

/** The offset of the newest record by key. */
function newest(log: Log): Map<number, number> {
  const found = new Map<number, number>();
  for (let next = log.logStartOffset; next < log.logEndOffset;) {
    const options = { maxBytes: 1e5, upperOffset: Infinity, minOneBatch: true };
    for (const view of batchesOf(log.read(next, options))) {
      for (const { key, offset } of decodeRecords(view)) {
        found.set(key![0]!, offset);
      }
      next = view.nextOffset;
    }
  }
  return found;
}

for (const keepsOrder of [true, false]) {
  const where = keepsOrder ? "" : ", where a disk keeps no order of renames";
  Deno.test(`what a cleaning left out is no gap, whenever power fails${where}`, async () => {
    let isOver = false;
    for (let step = 1; !isOver; step++) {
      const disk = new CrashDisk();
      const env = envOn(disk);
      const opened = open(env);
      await fill(opened.log);
      const [end, records] = [opened.log.logEndOffset, newest(opened.log)];
      disk.crashAt = disk.steps + step;
      await clean(env, opened);
      isOver = disk.steps < disk.crashAt;
      disk.crashAt = Infinity;
      for (let seed = 0; seed < 4; seed++) {
        const after = open(envOn(disk.crashed(chance(seed), { keepsOrder })));
        after.log.cutGap();
        const when = `seed ${seed} at step ${step}`;
        assertEquals(after.log.logEndOffset, end, when);
        assertEquals(newest(after.log), records, when);
        await kill(after.folder);
      }
      if (isOver) {
        const [first, second] = opened.log.segments;
        const hasHole = first!.readNextOffset() < second!.baseOffset;
        assert(hasHole, "a segment lost its end to the cleaning");
      }
      await kill(opened.folder);
    }
  });
}

Deno.test("a recovery point that is kept outlives power, and what the disk refuses is told", async () => {
  const disk = new CrashDisk();
  const env = envOn(disk);
  const opened = open(env);
  await fill(opened.log);
  const keep = () => opened.folder.keepRecoveryPoints(() => new Map());
  const path = "/data/recovery-point-offset-checkpoint";
  const error = new DiskError("NoSpace", "No room is left");
  disk.failure = { at: disk.steps + 1, error };
  await assertRejects(keep, DiskError, "No room");
  // A checkpoint of the background: what power may take is kept later, too.
  opened.folder.checkpointLater(() => new Map(), ["recovery"]);
  await env.tasks.settled();
  assert(disk.stat(path) !== undefined, "it is written");
  assertEquals(disk.crashed(() => 0).stat(path), undefined);
  await keep();
  const after = open(envOn(disk.crashed(() => 0)));
  assertEquals(after.log.recoveryPoint, RECORDS);
  for (const { folder } of [opened, after]) await kill(folder);
});
