/**
 * Cleans one log: maps the newest offset of each dirty key, then rewrites the
 * segments without what is superseded, group by group. Owns which records and
 * batches survive; offsets, sequences and order never change, and a log that
 * changes under it ends the cleaning without a trace.
 *
 * @module
 */
import type { Disk, Env } from "../../env/env.ts";
import { KafkaError } from "../../errors.ts";
import { BATCH_OVERHEAD, type BatchView } from "../../record/batch.ts";
import { RecordCursor } from "../../record/record.ts";
import type { Log } from "../log.ts";
import { walkBatches } from "../scan.ts";
import type { Segment } from "../segment.ts";
import { type BatchRetention, filterBatch } from "./batch_filter.ts";
import type { CleanConfig } from "./cleanable.ts";
import { CleanedFiles } from "./cleaned_files.ts";
import { groupSegments } from "./groups.ts";
import { type KeyAt, OffsetMap } from "./offset_map.ts";
import type { Pace } from "./pace.ts";
import { abortedTransactions, CleanedTransactions } from "./transactions.ts";

/** Further away, the distance of a record's time from it is no varlong. */
const HORIZON_MS_MAX = 2 ** 51;
/** A batch may hold more records than one slice of the event loop takes. */
const RECORDS_PER_STEP = 256;

/** The log changed or the broker stops: the cleaning is tried again later. */
export class CleaningAborted extends Error {
  override readonly name = "CleaningAborted";
}

/** What a {@linkcode Cleaner} works on. */
export interface CleanerOptions {
  readonly env: Pick<Env, "clock" | "disk" | "random">;
  readonly log: Log;
  readonly config: CleanConfig;
  readonly pace: Pace;
  readonly mapBytesMax: number;
  readonly firstDirtyOffset: number;
  readonly firstUncleanableOffset: number;
  /** When it begins. */
  readonly highWatermark: number;
  /** Whether no replica lacks anything that is committed, when it begins. */
  readonly isFullyInSync: boolean;
  /** Makes durable how much of the log is durable. */
  readonly keepRecoveryPoints: () => Promise<void>;
}

/** What a cleaning did. */
export interface Cleaned {
  /** The log is clean up to here. */
  readonly cleanedTo: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Which part of the map's room was used. */
  readonly mapUtilization: number;
}

/** One cleaning of one log. */
export class Cleaner {
  readonly #options: CleanerOptions;
  readonly #disk: Disk;
  readonly #cursor = new RecordCursor();
  readonly #key: { -readonly [Field in keyof KeyAt]: KeyAt[Field] };
  readonly #map: OffsetMap;
  /** Records from here on are not in the map. */
  #mappedTo = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: CleanerOptions) {
    this.#options = options;
    this.#disk = options.env.disk;
    this.#key = { bytes: this.#cursor.bytes, at: 0, length: 0 };
    this.#map = new OffsetMap({
      bytesMax: options.mapBytesMax,
      keysMax: options.firstUncleanableOffset - options.firstDirtyOffset,
      seed: options.env.random.u32(),
    });
  }

  /** Cleans; throws {@linkcode CleaningAborted} when the log changed meanwhile. */
  async clean(): Promise<Cleaned> {
    const { log, config, firstUncleanableOffset } = this.#options;
    await this.#fillMap();
    const nowMs = this.#options.env.clock.wallMs();
    const segments = this.#segmentsBetween(0, this.#mappedTo);
    const transactions = new CleanedTransactions(
      abortedTransactions(log.segments),
    );
    const groups = groupSegments(segments, {
      bytesMax: config.segmentBytes,
      indexBytesMax: config.segmentIndexBytes,
      endOffset: firstUncleanableOffset,
    });
    // A start takes what is missing above the recovery point for lost.
    await this.#options.keepRecoveryPoints();
    for (const group of groups) {
      await this.#cleanGroup(group, { nowMs, transactions });
    }
    return {
      cleanedTo: this.#mappedTo,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      mapUtilization: this.#map.utilization,
    };
  }

  /** The segments with offsets in the range; the active one isn't among them. */
  #segmentsBetween(from: number, to: number): Segment[] {
    const { segments } = this.#options.log;
    return segments.slice(0, -1).filter(({ baseOffset }, i) =>
      baseOffset < to && segments[i + 1]!.baseOffset > from
    );
  }

  async #fillMap(): Promise<void> {
    const { firstDirtyOffset, firstUncleanableOffset, log } = this.#options;
    const dirty = this.#segmentsBetween(
      firstDirtyOffset,
      firstUncleanableOffset,
    );
    const transactions = new CleanedTransactions(
      abortedTransactions(log.segments, firstDirtyOffset),
    );
    this.#mappedTo = firstDirtyOffset;
    for (const segment of dirty) {
      for await (const batch of this.#batchesOf(segment, dirty)) {
        if (batch.lastOffset < firstDirtyOffset) continue;
        if (transactions.mayDiscard(batch) || batch.isControl) continue;
        if (!await this.#mapBatch(batch)) return;
      }
    }
    this.#mappedTo = firstUncleanableOffset;
  }

  /** Takes the batch's keys into the map; false when not all fit in. */
  async #mapBatch(batch: BatchView): Promise<boolean> {
    const { firstDirtyOffset } = this.#options;
    const cursor = this.#cursor;
    cursor.open(batch);
    for (let count = 1; cursor.next(); count++) {
      if (count % RECORDS_PER_STEP === 0) await this.#giveTurn();
      const { offset } = cursor;
      if (cursor.keyLength < 0 || offset < firstDirtyOffset) continue;
      if (!this.#map.put(this.#keyUnderCursor(), offset)) return false;
      this.#mappedTo = offset + 1;
    }
    return true;
  }

  #keyUnderCursor(): KeyAt {
    const key = this.#key;
    key.bytes = this.#cursor.bytes;
    key.at = this.#cursor.keyAt;
    key.length = this.#cursor.keyLength;
    return key;
  }

  /** The group's segments become one, or stay as they are. */
  async #cleanGroup(
    group: readonly Segment[],
    { nowMs, transactions }: {
      readonly nowMs: number;
      readonly transactions: CleanedTransactions;
    },
  ): Promise<void> {
    const { log, config } = this.#options;
    this.#check(group);
    const files = new CleanedFiles(this.#disk, {
      folder: log.folder,
      baseOffset: group[0]!.baseOffset,
      indexIntervalBytes: config.indexIntervalBytes,
    });
    let lastMarkerGone = -1;
    try {
      const retentionOf = this.#retention({ nowMs, transactions });
      for (const segment of group) {
        for await (const batch of this.#batchesOf(segment, group)) {
          const kept = await this.#filter(batch, retentionOf(batch));
          if (batch.isControl && (kept?.length ?? 0) <= BATCH_OVERHEAD) {
            lastMarkerGone = batch.lastOffset;
          }
          if (kept === undefined) continue;
          files.append(kept);
          this.#bytesWritten += kept.length;
          this.#options.pace.count(kept.length);
        }
      }
      await files.finish(transactions.takeKept());
      this.#check(group);
    } catch (error) {
      files.discard();
      throw error;
    }
    log.replaceSegments(group, { folder: log.folder, lastMarkerGone });
  }

  async #filter(
    batch: BatchView,
    retention: BatchRetention,
  ): Promise<Uint8Array | undefined> {
    const filtering = filterBatch(batch, this.#cursor, retention);
    for (;;) {
      const { value, done } = filtering.next();
      if (done) return value;
      await this.#giveTurn();
    }
  }

  /** Kafka's rules for the batches of one group. */
  #retention(
    { nowMs, transactions }: {
      readonly nowMs: number;
      readonly transactions: CleanedTransactions;
    },
  ): (batch: BatchView) => BatchRetention {
    const { log, config, highWatermark, isFullyInSync } = this.#options;
    const lastBatches = log.lastDataBatches();
    return (batch) => {
      const { producerId } = batch;
      const mayDiscard = transactions.mayDiscard(batch);
      // A batch's base timestamp is its delete horizon once it has one. Whoever
      // is behind would never learn what was deleted, or that a transaction ended.
      const isPastHorizon = isFullyInSync && batch.hasDeleteHorizon &&
        batch.baseTimestamp <= nowMs;
      const isDiscarded = mayDiscard && (!batch.isControl || isPastHorizon);
      const last = lastBatches.get(producerId);
      const isLastOfProducer = last !== undefined &&
        (last.lastOffset >= 0
          ? batch.lastOffset === last.lastOffset
          : batch.isControl && batch.producerEpoch === last.producerEpoch);
      return {
        keeps: (cursor) =>
          !isDiscarded &&
          (batch.isControl || this.#keeps(cursor, isPastHorizon)),
        keepsEmpty: isLastOfProducer || batch.nextOffset === highWatermark,
        isEmptyTransaction: mayDiscard && batch.isControl,
        deleteHorizonMs: Math.min(
          nowMs + config.deleteRetentionMs,
          HORIZON_MS_MAX,
        ),
      };
    };
  }

  #keeps(cursor: RecordCursor, isPastHorizon: boolean): boolean {
    if (cursor.offset >= this.#mappedTo) return true;
    if (cursor.keyLength < 0) return false;
    if (cursor.offset < this.#map.get(this.#keyUnderCursor())) return false;
    return cursor.valueLength >= 0 || !isPastHorizon;
  }

  /** Whole, checked batches; every now and then others get a turn. */
  async *#batchesOf(
    segment: Segment,
    group: readonly Segment[],
  ): AsyncGenerator<BatchView> {
    const { pace, log: { segments } } = this.#options;
    const walk = walkBatches(segment, { size: segment.size });
    let next = segment.baseOffset;
    const end = segments[segments.indexOf(segment) + 1]!.baseOffset;
    for (;;) {
      // Whoever had a turn since the last batch may have deleted it.
      this.#check([segment]);
      const { value, done } = walk.next();
      if (done) {
        if (value.why === undefined) return;
        throw this.#corrupt(segment, value);
      }
      const { batch, position } = value;
      if (!batch.isCrcValid()) {
        throw this.#corrupt(segment, { position, why: "its CRC is wrong" });
      }
      // One that claims a later offset would supersede what really is later.
      const { sizeInBytes, baseOffset, nextOffset } = batch;
      if (baseOffset < next || nextOffset > end) {
        const why = `its offset can't be ${baseOffset}`;
        throw this.#corrupt(segment, { position, why });
      }
      next = nextOffset;
      yield batch;
      this.#bytesRead += sizeInBytes;
      pace.count(sizeInBytes);
      await this.#giveTurn();
      this.#check(group);
    }
  }

  async #giveTurn(): Promise<void> {
    const { pace } = this.#options;
    if (pace.isPauseDue) await pace.pause();
  }

  #corrupt(
    { path }: Segment,
    { position, why }: { readonly position: number; readonly why?: string },
  ): KafkaError {
    return new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot clean "${path}.log" at ${position}: ${why}`,
    );
  }

  #check(segments: readonly Segment[]): void {
    const { log } = this.#options;
    if (log.canReplace(segments)) return;
    throw new CleaningAborted(`Cannot go on cleaning ${log.name}: it changed`);
  }
}
