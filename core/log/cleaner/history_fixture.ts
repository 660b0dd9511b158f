/**
 * A compacted log on a disk in memory beside what was written to it: random
 * histories of keyed records, tombstones, transactions and their markers, and
 * the judgement of what a cleaning may leave of them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Choose, CrashDisk } from "../../../tests/faults/crash_disk.ts";
import type { Env } from "../../env/env.ts";
import { batchesOf, type BatchView } from "../../record/batch.ts";
import { buildBatch } from "../../record/builder.ts";
import { CODEC_NAMES } from "../../record/compression.ts";
import {
  controlBatch,
  encodeEndTransactionValue,
} from "../../record/control.ts";
import { decodeRecords } from "../../record/record.ts";
import { Log } from "../log.ts";
import type { LogConfig } from "../log_options.ts";
import { LOG_CONFIG } from "../log_config_fixture.ts";
import { type CleanConfig, dirtOf } from "./cleanable.ts";
import { type Cleaned, Cleaner } from "./cleaner.ts";
import { Pace } from "./pace.ts";
import { abortedTransactions } from "./transactions.ts";

/** How long tombstones and markers stay. */
export const DELETE_RETENTION_MS = 1000;
const NO_PRODUCER = 0;
const KEYS = 5;

/** A step of a history. */
export type Step =
  | {
    readonly type: "data";
    /** 0: none; 1 is idempotent; 2 and 3 are transactional. */
    readonly producer: number;
    readonly codec: typeof CODEC_NAMES[number];
    /** Values by length; null is a tombstone. */
    readonly records: readonly {
      readonly key: number;
      readonly value: number | null;
    }[];
  }
  | {
    readonly type: "end";
    readonly producer: number;
    readonly committed: boolean;
  }
  | { readonly type: "clean"; readonly mapBytesMax: number }
  | { readonly type: "tick"; readonly ms: number }
  | { readonly type: "restart" };

/** Steps by chance. */
export const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("data" as const),
      producer: fc.constantFrom(0, 0, 1, 2, 3),
      codec: fc.constantFrom("none", "none", ...CODEC_NAMES),
      records: fc.array(
        fc.record({
          key: fc.nat(KEYS - 1),
          value: fc.option(fc.constantFrom(0, 10, 150), { freq: 3 }),
        }),
        { minLength: 1, maxLength: 6 },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("end" as const),
      producer: fc.constantFrom(2, 3),
      committed: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("clean" as const),
      mapBytesMax: fc.constantFrom(1, 330, 350, 1e6),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("tick" as const),
      ms: fc.constantFrom(1, DELETE_RETENTION_MS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "restart" as const }) },
);

/** What became of a record. */
type Fate = "plain" | "open" | "committed" | "aborted";

interface Written {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string;
  readonly value: string | null;
  readonly producer: number;
  fate: Fate;
}

interface WrittenBatch {
  readonly lastOffset: number;
  readonly producer: number;
  readonly baseSequence: number;
  readonly isControl: boolean;
}

interface EndedTransaction {
  readonly producer: number;
  /** Where its end is if it has no data. */
  readonly firstOffset: number;
  readonly markerOffset: number;
}

/** Small segments; only compaction. */
export const CONFIG: LogConfig & CleanConfig = {
  ...LOG_CONFIG,
  segmentBytes: 900,
  indexIntervalBytes: 200,
  cleanupPolicy: { compact: true, delete: false },
  deleteRetentionMs: DELETE_RETENTION_MS,
  maxCompactionLagMs: Infinity,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
};

/** The log, its disk, and what was written. */
export class World {
  disk: CrashDisk;
  log: Log;
  nowMs = 1e6;
  readonly written: Written[] = [];
  readonly batches = new Map<number, WrittenBatch>();
  readonly #ended: EndedTransaction[] = [];
  readonly #sequences = [0, 0, 0, 0];
  /** First offset of the open transaction by producer. */
  readonly #open = new Map<number, number>();

  readonly #topic: string;

  constructor(
    { topic = "t", disk = new CrashDisk() }: {
      readonly topic?: string;
      readonly disk?: CrashDisk;
    } = {},
  ) {
    this.disk = disk;
    this.#topic = topic;
    this.log = this.#openLog({ wasClean: true });
    this.log.assignEpoch(0);
  }

  async run(step: Step): Promise<void> {
    if (step.type === "data") await this.#append(step);
    else if (step.type === "end") await this.#end(step);
    else if (step.type === "tick") this.nowMs += step.ms;
    else if (step.type === "restart") await this.restart();
    else {
      const nowMs = this.nowMs;
      const { cleanedTo } = await this.clean(step);
      this.check({ cleanedTo, nowMs });
    }
  }

  /** Cleans what may be cleaned, whether it is due or not. */
  async clean(
    {
      mapBytesMax,
      all = false,
      highWatermark = this.log.logEndOffset,
      isFullyInSync = true,
    }: {
      readonly mapBytesMax: number;
      /** What is clean already, too. */
      readonly all?: boolean;
      readonly highWatermark?: number;
      readonly isFullyInSync?: boolean;
    },
  ): Promise<Cleaned> {
    const { log } = this;
    const dirt = dirtOf({
      log,
      config: CONFIG,
      lastStableOffset: this.lastStableOffset,
    }, this.nowMs);
    const { clock, random } = this.env();
    const cleaner = new Cleaner({
      env: { clock, random, disk: this.disk },
      log,
      config: CONFIG,
      mapBytesMax,
      firstDirtyOffset: all ? 0 : dirt.firstDirtyOffset,
      firstUncleanableOffset: dirt.firstUncleanableOffset,
      highWatermark,
      isFullyInSync,
      keepRecoveryPoints: () => Promise.resolve(),
      pace: new Pace({
        clock,
        signal: new AbortController().signal,
        bytesPerSecond: () => Infinity,
      }),
    });
    const hasLast = () =>
      this.views().some(({ nextOffset }) => nextOffset === highWatermark);
    const hadLast = hasLast();
    const cleaned = await cleaner.clean();
    log.markCleaned(cleaned.cleanedTo);
    assertEquals(hasLast(), hadLast, "what ends at the high watermark stays");
    return cleaned;
  }

  get lastStableOffset(): number {
    return this.log.lastStableOffset(this.log.logEndOffset);
  }

  async restart({ keepsSnapshots = true } = {}): Promise<void> {
    const { cleanedOffset } = this.log;
    const before = this.#producers();
    await this.log.close({ clean: true });
    if (!keepsSnapshots) {
      for (const path of this.disk.sizes().keys()) {
        if (path.endsWith(".snapshot")) this.disk.unlink(path);
      }
    }
    this.log = this.#openLog({ wasClean: true, cleanedOffset });
    this.log.assignEpoch(0);
    assertEquals(this.#producers(), before, "producers stay known");
  }

  /** The machine comes up again on `disk`. */
  recover(disk: CrashDisk, recoveryPoint: number): void {
    this.disk = disk;
    this.log = this.#openLog({ wasClean: false, recoveryPoint });
  }

  /** Holds what the log gives against what was written. */
  check(
    { cleanedTo = 0, nowMs = 0 }: {
      /** Nothing below is there that a cleaning removes. */
      readonly cleanedTo?: number;
      /** When it began. */
      readonly nowMs?: number;
    } = {},
  ): void {
    const seen = this.#read({ cleanedTo, nowMs });
    const below = seen.filter(({ offset }) => offset < cleanedTo);
    const keys = below.map(({ key }) => key);
    assertEquals(keys.length, new Set(keys).size, "one record per key");
    const newest = new Map<string, Written>();
    for (const record of this.written) {
      if (record.fate === "open" || record.fate === "aborted") continue;
      newest.set(record.key, record);
    }
    const visible = seen.filter(({ fate }) =>
      fate === "plain" || fate === "committed"
    );
    for (const [key, { value, offset }] of newest) {
      const last = visible.findLast((record) => record.key === key);
      if (value === null && last === undefined) continue;
      assertEquals(last?.offset, offset, `the newest of ${key} is there`);
    }
    for (const record of this.written) {
      if (record.fate !== "open") continue;
      assert(seen.includes(record), "what is undecided is left alone");
    }
    this.#checkAborted(seen);
    this.#checkMarkers();
    this.#checkLookups(seen);
  }

  /** Holds that no marker below is there without need. */
  checkNoMarkerWithoutData(below: number): void {
    const views = this.views();
    for (const view of views) {
      if (!view.isControl || view.lastOffset >= below) continue;
      if (view.recordCount === 0) continue;
      const { baseOffset } = view;
      const ended = this.#ended.find(({ markerOffset }) =>
        markerOffset === baseOffset
      )!;
      assert(dataOf(ended, views).length > 0, `marker ${baseOffset} is needed`);
    }
  }

  /** The batches as they are. */
  views(): BatchView[] {
    const views: BatchView[] = [];
    const { log } = this;
    for (let next = log.logStartOffset; next < log.logEndOffset;) {
      const read = [...batchesOf(this.#readAt(next))];
      if (read.length === 0) break;
      views.push(...read);
      next = read.at(-1)!.nextOffset;
    }
    return views;
  }

  #readAt(offset: number): Uint8Array {
    const upperOffset = Infinity;
    return this.log.read(offset, {
      maxBytes: 500,
      upperOffset,
      minOneBatch: true,
    });
  }

  #read(
    { cleanedTo, nowMs }: {
      readonly cleanedTo: number;
      readonly nowMs: number;
    },
  ): Written[] {
    const byOffset = new Map(
      this.written.map((record) => [record.offset, record]),
    );
    const seen: Written[] = [];
    let end = -1;
    for (const view of this.views()) {
      assert(view.baseOffset > end, "batches rise and don't overlap");
      end = view.lastOffset;
      assert(view.isCrcValid(), "a batch has its CRC");
      const batch = this.batches.get(view.baseOffset)!;
      assertEquals({
        lastOffset: view.lastOffset,
        producer: Math.max(NO_PRODUCER, view.producerId),
        baseSequence: view.baseSequence,
        isControl: view.isControl,
      }, batch);
      if (view.isControl) continue;
      let largest = -1;
      for (const { offset, timestamp, key, value } of decodeRecords(view)) {
        const record = byOffset.get(offset)!;
        assertEquals(text(key), record.key);
        assertEquals(text(value), record.value);
        assertEquals(timestamp, record.timestamp);
        largest = Math.max(largest, timestamp);
        seen.push(record);
        if (offset >= cleanedTo) continue;
        assert(record.fate !== "aborted", "nothing aborted is left");
        const isOver = view.hasDeleteHorizon && view.baseTimestamp <= nowMs;
        assert(value !== null || !isOver, "no tombstone outlives its horizon");
        assert(
          value !== null || view.hasDeleteHorizon,
          "a tombstone that stays has a horizon",
        );
      }
      if (view.recordCount > 0) assertEquals(view.maxTimestamp, largest);
    }
    return seen;
  }

  /** Without its marker, a transaction with data would be open for ever. */
  #checkMarkers(): void {
    const views = this.views();
    for (const ended of this.#ended) {
      if (dataOf(ended, views).length === 0) continue;
      const marker = views.find(({ baseOffset }) =>
        baseOffset === ended.markerOffset
      );
      assertEquals(marker?.recordCount, 1, "a transaction keeps its end");
    }
    for (const producer of [1, 2, 3]) {
      const last = [...this.batches].findLast(([, batch]) =>
        batch.producer === producer && !batch.isControl
      );
      if (last === undefined) continue;
      assert(
        views.some(({ baseOffset }) => baseOffset === last[0]),
        "the last sequence of a producer is still told",
      );
    }
  }

  /** What a read_committed reader hides is what was aborted, and is there. */
  #checkAborted(seen: readonly Written[]): void {
    const index = abortedTransactions(this.log.segments);
    for (const { offset, producer, fate } of seen) {
      const isHidden = index.some((entry) =>
        entry.producerId === producer && entry.firstOffset <= offset &&
        offset <= entry.lastOffset
      );
      assertEquals(isHidden, fate === "aborted", `offset ${offset}`);
    }
    const views = this.views();
    for (const { lastOffset } of index) {
      assert(
        views.some(({ baseOffset }) => baseOffset === lastOffset),
        "a transaction in the index has its end",
      );
    }
  }

  #checkLookups(seen: readonly Written[]): void {
    const { log } = this;
    const views = this.views();
    for (let offset = 0; offset < log.logEndOffset; offset += 3) {
      const first = batchesOf(this.#readAt(offset)).next().value;
      const expected = views.find(({ lastOffset }) => lastOffset >= offset);
      assertEquals(first?.baseOffset, expected?.baseOffset);
      const timestamp = timeOf(offset);
      const timed = seen.find((record) => record.timestamp >= timestamp);
      assertEquals(log.offsetForTimestamp(timestamp)?.offset, timed?.offset);
    }
  }

  async #append(
    { producer, codec, records }: Step & { readonly type: "data" },
  ): Promise<void> {
    const baseOffset = this.log.logEndOffset;
    const isTransactional = producer >= 2;
    const fate = isTransactional ? "open" : "plain";
    const added = records.map(({ key, value }, i): Written => ({
      offset: baseOffset + i,
      timestamp: timeOf(baseOffset + i),
      key: `key ${key}`,
      value: value === null ? null : `${baseOffset + i}`.padEnd(value, "."),
      producer,
      fate,
    }));
    const baseSequence = producer === NO_PRODUCER
      ? -1
      : this.#sequences[producer]!;
    if (isTransactional && !this.#open.has(producer)) {
      this.#open.set(producer, baseOffset);
    }
    this.#sequences[producer]! += records.length;
    this.written.push(...added);
    const batch = buildBatch(
      added.map(({ timestamp, key, value }) => ({
        timestamp,
        key: bytes(key),
        value: value === null ? null : bytes(value),
      })),
      {
        baseOffset,
        codec,
        isTransactional,
        baseSequence,
        partitionLeaderEpoch: 0,
        ...producer === NO_PRODUCER
          ? {}
          : { producerId: producer, producerEpoch: 0 },
      },
    );
    await this.#put(batch, { baseSequence, producer, isControl: false });
  }

  async #end(
    { producer, committed }: Step & { readonly type: "end" },
  ): Promise<void> {
    const { log } = this;
    const baseOffset = log.logEndOffset;
    const batch = controlBatch([{
      type: committed ? "COMMIT" : "ABORT",
      value: encodeEndTransactionValue(0),
    }], {
      baseOffset,
      timestamp: timeOf(baseOffset),
      producerId: producer,
      producerEpoch: 0,
      partitionLeaderEpoch: 0,
      isTransactional: true,
    });
    await this.#put(batch, { baseSequence: -1, producer, isControl: true });
    const firstOffset = this.#open.get(producer);
    this.#open.delete(producer);
    this.#ended.push({
      producer,
      firstOffset: firstOffset ?? baseOffset,
      markerOffset: baseOffset,
    });
    for (const record of this.written) {
      if (record.producer !== producer || record.fate !== "open") continue;
      record.fate = committed ? "committed" : "aborted";
    }
  }

  /** Everything is durable afterwards, as it is in front of a cleaning. */
  async #put(
    batch: Uint8Array,
    written: Omit<WrittenBatch, "lastOffset">,
  ): Promise<void> {
    const baseOffset = this.log.logEndOffset;
    this.log.appendAsFollower(batch);
    const lastOffset = this.log.logEndOffset - 1;
    this.batches.set(baseOffset, { ...written, lastOffset });
    await this.log.flush();
  }

  #producers() {
    return [...this.log.activeProducers()].map((
      { producerId, producerEpoch, lastSequence, currentTxnStartOffset },
    ) => ({
      producerId,
      producerEpoch,
      lastSequence,
      isOpen: currentTxnStartOffset >= 0,
    }))
      // One that only ever had markers isn't told by an emptied one.
      .filter(({ lastSequence }) => lastSequence >= 0)
      .sort((a, b) => a.producerId - b.producerId);
  }

  #openLog(
    { wasClean, recoveryPoint = 0, cleanedOffset }: {
      readonly wasClean: boolean;
      readonly recoveryPoint?: number;
      readonly cleanedOffset?: number | undefined;
    },
  ): Log {
    return Log.open({
      env: this.env(),
      folder: `data/${this.#topic}-0`,
      topic: this.#topic,
      partition: 0,
      topicId: "Gmd94rMBRdCEC5P7ytJnvA",
      config: CONFIG,
      logStartOffset: 0,
      recoveryPoint,
      cleanedOffset,
      wasClean,
    });
  }

  /** What a log needs; a sleep is over at once. */
  env(): Pick<Env, "clock" | "disk" | "random" | "trace"> {
    let monoMs = 0;
    return {
      clock: {
        wallMs: () => this.nowMs,
        // Every look takes a while, so that a cleaning pauses often.
        monoMs: () => monoMs += 0.5,
        sleep: () => Promise.resolve(),
        timer: () => () => {},
        endOfTurn: (fn) => void Promise.resolve().then(fn),
      },
      disk: this.disk,
      random: { u32: () => 7, bytes: (n) => new Uint8Array(n) },
      trace: () => {},
    };
  }
}

/** Batches with data of the transaction. */
function dataOf(
  { producer, firstOffset, markerOffset }: EndedTransaction,
  views: readonly BatchView[],
): BatchView[] {
  return views.filter(({ producerId, baseOffset, isControl }) =>
    !isControl && producerId === producer && baseOffset >= firstOffset &&
    baseOffset < markerOffset
  );
}

/** Chance that a seed repeats. */
export function chance(seed: number): Choose {
  let state = seed >>> 0;
  return (below) => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return (state >>> 8) % below;
  };
}

function timeOf(offset: number): number {
  return 5000 + offset * 10;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
