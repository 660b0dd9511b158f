/**
 * Every file beside the segments, removed, cut at every length, with flipped
 * bits or as it was at another time, after a clean stop and after a kill: a log
 * whose segments are whole tells the same as before, or a start says what is
 * wrong.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { CrashDisk } from "../../tests/faults/crash_disk.ts";
import { denoEnv } from "../env/deno_env.ts";
import { KafkaError } from "../errors.ts";
import { batchesOf } from "../record/batch.ts";
import type { Log } from "./log.ts";
import type { LogConfig } from "./log_options.ts";
import { LOG_CONFIG } from "./log_config_fixture.ts";
import { LogFolder, LogFolderError } from "./log_folder.ts";
import { UNVERIFIED } from "./producer_state.ts";
import { dataBatch, markerBatch } from "./transactions_fixture.ts";

const CONFIG: LogConfig = {
  ...LOG_CONFIG,
  segmentBytes: 1500,
  fileDeleteDelayMs: 0,
};
const FOLDER = "/data";
const START = 3;
/** Of larger files some bits are flipped, and some lengths cut. */
const PLACES_MAX = 10;

interface Opened {
  readonly folder: LogFolder;
  readonly log: Log;
  /** What operators were warned of. */
  readonly warnings: string[];
}

function open(disk: CrashDisk): Opened {
  const warnings: string[] = [];
  const env = {
    ...denoEnv({
      trace: (level, event) => void (level === "info" || warnings.push(event)),
    }),
    disk,
  };
  const folder = LogFolder.open({ env, path: FOLDER, nodeId: 1 });
  const log = folder.openLog({
    topic: "t",
    partition: 0,
    topicId: "Gmd94rMBRdCEC5P7ytJnvA",
    config: CONFIG,
  });
  folder.traceRecovery();
  return { folder, log, warnings };
}

function stop({ folder, log }: Opened, clean: boolean): Promise<void> {
  const highWatermarks = new Map([[log.name, log.logEndOffset]]);
  return folder.close({ clean, brokerEpoch: 97, highWatermarks });
}

/** Transactions of three producers beside an idempotent one, some aborted. */
function write(log: Log, leaderEpoch: number, rounds: number): void {
  log.assignEpoch(leaderEpoch);
  const options = { leaderEpoch, nowMs: 0, guard: UNVERIFIED };
  for (let round = 0; round < rounds; round++) {
    const timestamp = log.logEndOffset * 10;
    const sequence = leaderEpoch * 1000 + round;
    const batch = (producerId: number) =>
      dataBatch({
        ...{ producerId, producerEpoch: leaderEpoch, count: 1, timestamp },
        baseSequence: round,
        isTransactional: producerId !== 4,
      });
    for (const id of [1, 2, 4]) log.appendAsLeader(batch(id), options);
    const kind = sequence % 3 === 0 ? "commit" : "abort";
    for (const id of [2, 1]) {
      log.appendAsLeader(
        markerBatch(id, leaderEpoch, { kind, timestamp }),
        { ...options, origin: "coordinator" },
      );
    }
  }
  log.appendAsLeader(
    dataBatch({
      ...{ producerId: 3, producerEpoch: leaderEpoch, count: 2 },
      ...{ timestamp: log.logEndOffset * 10, baseSequence: 0 },
      isTransactional: true,
    }),
    options,
  );
}

/** The folder after its stops; the last one is clean or a kill. */
async function generations(clean: boolean): Promise<CrashDisk[]> {
  const disk = new CrashDisk();
  const kept: CrashDisk[] = [];
  for (const [i, epoch] of [0, 2, 5].entries()) {
    const opened = open(disk);
    write(opened.log, epoch, 4);
    if (i === 1) opened.log.deleteRecordsBefore(START);
    const isLast = i === 2;
    if (isLast && !clean) await opened.log.flush();
    await stop(opened, clean || !isLast);
    kept.push(disk.copy());
  }
  return kept;
}

/** All that a log tells of itself. */
function toldBy(log: Log) {
  const { logStartOffset, logEndOffset } = log;
  const batches: string[] = [];
  const maxBytes = 300;
  for (let next = logStartOffset; next < logEndOffset;) {
    const asked = { maxBytes, upperOffset: Infinity, minOneBatch: true };
    const bytes = log.read(next, asked);
    for (const batch of batchesOf(bytes)) {
      batches.push(`${batch.baseOffset} ${batch.crc}`);
      next = batch.nextOffset;
    }
  }
  const offsets = Array.from({ length: logEndOffset + 1 }, (_, i) => i);
  return {
    logStartOffset,
    logEndOffset,
    batches,
    lastStableOffset: log.lastStableOffset(logEndOffset),
    aborted: offsets.slice(logStartOffset, -1)
      .map((offset) => log.abortedTransactions(offset, offset + 1)),
    producers: [...log.activeProducers()]
      .sort((one, other) => one.producerId - other.producerId),
    epochs: offsets.slice(logStartOffset).map((offset) => log.epochAt(offset)),
    ends: [0, 1, 2, 3, 5].map((epoch) => log.endOffsetForEpoch(epoch)),
    times: offsets.map((offset) => log.offsetForTimestamp(offset * 10)?.offset),
    latest: log.maxTimestamp(),
  };
}

/** Something done to one file. */
interface Damage {
  readonly what: string;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

function* damagesOf(
  path: string,
  kept: readonly CrashDisk[],
): Generator<Damage> {
  const bytes = kept.at(-1)!.readFile(path);
  yield { what: "removed", bytes: undefined };
  const step = Math.max(1, Math.ceil(bytes.length / PLACES_MAX));
  for (let length = 0; length < bytes.length; length += step) {
    yield { what: `cut at ${length}`, bytes: bytes.slice(0, length) };
  }
  for (let at = 0; at < bytes.length; at += step) {
    for (const bit of step === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << bit;
      yield { what: `bit ${bit} of byte ${at} flipped`, bytes: flipped };
    }
  }
  for (const [i, other] of kept.slice(0, -1).entries()) {
    if (other.stat(path) === undefined) continue;
    yield { what: `as after stop ${i}`, bytes: other.readFile(path) };
  }
}

function put(disk: CrashDisk, path: string, bytes: Damage["bytes"]): void {
  if (bytes === undefined) return disk.unlink(path);
  const file = disk.open(path, "create");
  file.truncate(0);
  file.pwriteAll(bytes, 0);
}

type Told = ReturnType<typeof toldBy>;

/** What a start on a damaged folder came to. */
interface Found {
  readonly told: Told;
  /** Whether operators were warned. */
  readonly isSaid: boolean;
  readonly wasClean: boolean;
  readonly disk: CrashDisk;
}

/** What a start on the damaged folder tells; undefined: it refuses, with a sentence. */
async function afterDamage(disk: CrashDisk): Promise<Found | undefined> {
  try {
    const opened = open(disk);
    const told = toldBy(opened.log);
    await stop(opened, true);
    const { warnings, folder: { wasClean } } = opened;
    return { told, isSaid: warnings.length > 0, wasClean, disk };
  } catch (error) {
    const isRefusal = error instanceof LogFolderError ||
      error instanceof KafkaError;
    if (!isRefusal) throw error;
    return undefined;
  }
}

/**
 * Whether nothing of `right` is lost in what was found. Without the offset where
 * the log starts, records that were deleted may be back.
 */
function isAllThere(found: Found, right: Told): boolean {
  const { logStartOffset, batches } = found.told;
  if (logStartOffset >= right.logStartOffset) return false;
  assert(found.isSaid || !found.wasClean, "that is said");
  const kept = batches.slice(batches.length - right.batches.length);
  assertEquals(kept, right.batches);
  assertEquals(found.told.aborted.slice(-right.aborted.length), right.aborted);
  assertEquals(found.told.producers, right.producers);
  assertEquals(found.told.epochs.slice(-right.epochs.length), right.epochs);
  assert(found.told.epochs.every((epoch) => epoch >= 0), "epochs are known");
  return true;
}

/** Whether the whole log was set aside, and that was said. */
function isAside({ isSaid, disk }: Found, last: CrashDisk): boolean {
  const logsIn = (from: CrashDisk, folder: RegExp) =>
    [...from.sizes()].filter(([path]) => folder.test(path))
      .map(([path, size]) => `${path.slice(path.lastIndexOf("/"))} ${size}`);
  const aside = logsIn(disk, /-stray\/\d+\.log$/);
  if (aside.length === 0) return false;
  assertEquals(aside, logsIn(last, /t-0\/\d+\.log$/));
  return isSaid;
}

const MARK = `${FOLDER}/.kafka_cleanshutdown`;
const RECOVERY_POINT = `${FOLDER}/recovery-point-offset-checkpoint`;

/**
 * Whether a start has nothing to hold the file against: after a kill no segment
 * below the recovery point is scanned, and Kafka's format has no checksum.
 */
function isTaken(path: string, last: CrashDisk): boolean {
  const [, base] = /\/(\d+)\.txnindex$/.exec(path) ?? [];
  const text = new TextDecoder().decode(last.readFile(RECOVERY_POINT));
  const recoveryPoint = Number(/^t 0 (\d+)$/m.exec(text)![1]);
  const bases = [...last.sizes().keys()]
    .map((each) => Number(/\/(\d+)\.log$/.exec(each)?.[1] ?? -1));
  const scanned = Math.max(...bases.filter((each) => each <= recoveryPoint));
  return base !== undefined && Number(base) < scanned;
}

/** All that damage to one file may lead to. */
async function checkFile(path: string, kept: readonly CrashDisk[]) {
  const last = kept.at(-1)!;
  const right = (await afterDamage(last.copy()))!.told;
  for (const { what, bytes } of damagesOf(path, kept)) {
    const disk = last.copy();
    put(disk, path, bytes);
    await checkStart(disk, { right, last, what: `${path}, ${what}` });
  }
}

/** A start on the damaged folder, and another one. */
async function checkStart(
  disk: CrashDisk,
  { right, last, what }: {
    readonly right: Told;
    readonly last: CrashDisk;
    readonly what: string;
  },
): Promise<void> {
  const found = await afterDamage(disk);
  if (found === undefined || isAside(found, last)) return;
  if (isAllThere(found, right)) return;
  for (const key of Object.keys(right) as (keyof Told)[]) {
    assertEquals(found.told[key], right[key], `${key}, ${what}`);
  }
  const again = (await afterDamage(disk))!;
  assertEquals(again.told, right, `${what}, and started again`);
  assert(!again.isSaid, `${what} is mended`);
}

for (const clean of [true, false]) {
  const kept = await generations(clean);
  const last = kept.at(-1)!;
  const when = clean ? "a clean stop" : "a kill";
  const files = [...last.sizes().keys()].filter((path) =>
    !/\.log$|\.lock$/.test(path) && (clean || !isTaken(path, last))
  );
  Deno.test(`damage to any file beside the segments after ${when} changes nothing of a log, or is told`, async () => {
    assert(files.length > 20);
    for (const path of files) await checkFile(path, kept);
  });

  Deno.test(`any two files that are gone after ${when} change nothing of a log, or that is told`, async () => {
    const right = (await afterDamage(last.copy()))!.told;
    for (const [i, one] of files.entries()) {
      for (const other of files.slice(i + 1)) {
        // Without its mark it wasn't a clean stop.
        if (one === MARK && isTaken(other, last)) continue;
        const disk = last.copy();
        disk.unlink(one);
        disk.unlink(other);
        await checkStart(disk, { right, last, what: `${one} and ${other}` });
      }
    }
  });
}

Deno.test("records that were deleted stay so, kill after kill", async () => {
  const disk = new CrashDisk();
  const first = open(disk);
  write(first.log, 0, 1);
  first.log.deleteRecordsBefore(START);
  await stop(first, true);
  for (const epoch of [1, 2, 3]) {
    const opened = open(disk);
    assertEquals(opened.log.logStartOffset, START);
    write(opened.log, epoch, 1);
    await opened.log.flush();
    await stop(opened, false);
  }
});
