/**
 * What a clean stop promises, on a disk that loses what wasn't synced: with its
 * mark, everything is there and nothing need be scanned.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { CrashDisk } from "../../tests/faults/crash_disk.ts";
import { denoEnv } from "../env/deno_env.ts";
import type { Disk } from "../env/env.ts";
import { buildBatch } from "../record/builder.ts";
import type { Log } from "./log.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder } from "./log_folder.ts";

const CONFIG = LOG_CONFIG;
const PARTITIONS = [0, 1, 2];
/** Enough for two segments and entries in both indexes of each. */
const RECORDS = 30;

function open(disk: Disk): { folder: LogFolder; logs: Log[] } {
  const env = { ...denoEnv({ trace: () => {} }), disk };
  const folder = LogFolder.open({ env, path: "/data", nodeId: 1 });
  const logs = PARTITIONS.map((partition) =>
    folder.openLog({
      topic: "t",
      partition,
      topicId: "Gmd94rMBRdCEC5P7ytJnvA",
      config: CONFIG,
    })
  );
  return { folder, logs };
}

function append(log: Log, from: number): void {
  for (let n = from; n < from + RECORDS; n++) {
    const records = [{ timestamp: n, key: null, value: new Uint8Array(60) }];
    const batch = buildBatch(records, {
      producerId: 7,
      producerEpoch: 0,
      baseSequence: n,
    });
    log.appendAsLeader(batch, { leaderEpoch: from, nowMs: 0 });
  }
}

function stop(folder: LogFolder): Promise<void> {
  const highWatermarks = new Map<string, number>();
  return folder.close({ clean: true, brokerEpoch: 1, highWatermarks });
}

/** A folder that was stopped once, and then written to once more. */
async function written(): Promise<{ disk: CrashDisk; folder: LogFolder }> {
  const disk = new CrashDisk();
  const first = open(disk);
  for (const log of first.logs) {
    log.assignEpoch(0);
    append(log, 0);
  }
  await stop(first.folder);
  const { folder, logs } = open(disk);
  for (const log of logs) {
    log.assignEpoch(RECORDS);
    append(log, RECORDS);
  }
  return { disk, folder };
}

/** Sizes of the logs' files by path. */
function filesOf(disk: CrashDisk): [string, number][] {
  return [...disk.sizes()].filter(([path]) => path.startsWith("/data/t-"));
}

/** All that a log tells of itself. */
function toldBy(log: Log) {
  const [producer] = log.activeProducers();
  return {
    end: log.logEndOffset,
    epoch: log.endOffsetForEpoch(0),
    latest: log.latestEpoch,
    last: log.offsetForTimestamp(2 * RECORDS - 1)?.offset,
    sequence: producer?.lastSequence,
  };
}

const ALL = {
  end: 2 * RECORDS,
  epoch: { epoch: 0, endOffset: RECORDS },
  latest: RECORDS,
  last: 2 * RECORDS - 1,
  sequence: 2 * RECORDS - 1,
};

Deno.test("power that is lost at any step of a clean stop leaves no mark above what it took", async () => {
  const whole = await written();
  const before = whole.disk.steps;
  await stop(whole.folder);
  const steps = whole.disk.steps - before;
  const files = filesOf(whole.disk);
  assert(steps > 50, "there is something to do");
  let marks = 0;
  for (let at = 1; at <= steps + 1; at++) {
    for (const share of [0, 1]) {
      const { disk, folder } = await written();
      disk.crashAt = disk.steps + at;
      await stop(folder).catch(() => {});
      const left = disk.crashed((below) => share * (below - 1));
      const isMarked = left.stat("/data/.kafka_cleanshutdown") !== undefined;
      if (isMarked) assertEquals(filesOf(left), files);
      const again = open(left);
      assertEquals(again.folder.wasClean, isMarked);
      if (isMarked) {
        marks++;
        for (const log of again.logs) assertEquals(toldBy(log), ALL);
      }
      for (const log of again.logs) assert(log.logEndOffset >= RECORDS);
      await stop(again.folder);
    }
  }
  assert(marks >= 2, "the whole stop leaves its mark, whatever goes after it");
});

Deno.test("a log that was only read is not written by a clean stop", async () => {
  const { disk, folder } = await written();
  await stop(folder);
  const before = new Map(disk.sizes());
  const again = open(disk);
  for (const log of again.logs) {
    log.assignEpoch(3 * RECORDS);
    assertEquals(toldBy(log).last, 2 * RECORDS - 1);
  }
  const steps = disk.steps;
  await stop(again.folder);
  assertEquals(disk.sizes(), before);
  // Three checkpoints and the mark, for all logs together: each is created, cut,
  // written, synced and renamed, and its folder synced.
  assertEquals(disk.steps - steps, 4 * 6);
});
