/**
 * One segment: a `.log` file with its indexes. Owns positions
 * and file handles; it must never decide offsets, retention or recovery.
 *
 * @module
 */
import type { Disk, DiskFile } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import { BATCH_OVERHEAD, BatchView } from "../record/batch.ts";
import { OffsetIndex, type TimeEntry, TimeIndex } from "./index_file.ts";
import { TxnIndex } from "./txn_index.ts";

const SCAN_BYTES = 64 * 1024;
const MAGIC = 2;
const RELATIVE_OFFSET_MAX = 0x7fffffff;

/** `%020d`, as Kafka names the files of a segment. */
export function segmentName(baseOffset: number): string {
  return String(baseOffset).padStart(20, "0");
}

/** The endings of a segment's files. */
export const SEGMENT_SUFFIXES = [".log", ".index", ".timeindex"] as const;

/** A batch found in a segment. */
export interface Located {
  readonly position: number;
  readonly batch: BatchView;
}

/**
 * One segment of a log.
 *
 * Invariants:
 * 1. `size` bytes of whole batches lie in the file; `pread` sees no others.
 * 2. Every offset index entry points at the start of a batch.
 */
export class Segment {
  readonly baseOffset: number;
  readonly path: string;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  readonly txnIndex: TxnIndex;
  /** Bytes in the file. */
  size: number;
  /** Largest timestamp of a record that readers see; −1 when there is none. */
  maxTimestamp = -1;
  /** Last offset of the batch that brought it, relative to the base. */
  #maxTimestampOffset = -1;
  /** Largest timestamp of the first batch, from which `segment.ms` counts. */
  #firstTimestamp: number | undefined;
  #bytesSinceIndex = 0;
  /** Whether `maxTimestamp` is known to be what batches say. */
  #isTimeSure: boolean;
  readonly #disk: Disk;
  readonly #suffix: string;
  #writer: DiskFile | undefined;
  #reader: DiskFile | undefined;

  /** `suffix` stands behind the names of files that are not the log's yet. */
  constructor(
    disk: Disk,
    { folder, baseOffset, suffix = "" }: {
      readonly folder: string;
      readonly baseOffset: number;
      readonly suffix?: string;
    },
  ) {
    this.#disk = disk;
    this.#suffix = suffix;
    this.baseOffset = baseOffset;
    this.path = `${folder}/${segmentName(baseOffset)}`;
    this.size = disk.stat(this.#logPath)?.size ?? 0;
    this.#isTimeSure = this.size === 0;
    this.offsetIndex = new OffsetIndex(disk, `${this.path}.index${suffix}`);
    this.timeIndex = new TimeIndex(disk, `${this.path}.timeindex${suffix}`);
    this.txnIndex = new TxnIndex(disk, `${this.path}.txnindex${suffix}`);
    try {
      const last = this.timeIndex.last();
      this.maxTimestamp = last.timestamp;
      this.#maxTimestampOffset = last.relativeOffset;
    } catch (error) {
      this.timeIndex.file.release();
      throw error;
    }
  }

  /** The handle that appends and syncs go through. */
  get writer(): DiskFile {
    return this.#writer ??= this.#disk.open(this.#logPath, "create");
  }

  get #logPath(): string {
    return `${this.path}.log${this.#suffix}`;
  }

  /** Whether there is something of it: one begun by nobody has no files yet. */
  get isStored(): boolean {
    return this.size > 0 || this.offsetIndex.file.isThere;
  }

  /** Whether a read handle is held. */
  get isOpen(): boolean {
    return this.#reader !== undefined;
  }

  /** Last change of the file, for segments without timestamps. */
  get mtimeMs(): number {
    return this.#disk.stat(this.#logPath)?.mtimeMs ?? 0;
  }

  /**
   * Brings into memory what the next batch is noted in: once its bytes are
   * written, noting it must not fail.
   */
  prepareToIndex(intervalBytes: number, isMarker: boolean): void {
    if (this.#bytesSinceIndex > intervalBytes) {
      this.offsetIndex.file.load();
      this.timeIndex.file.load();
    }
    if (isMarker) this.txnIndex.load();
  }

  /** Notes a batch at `position` in the indexes; bytes are written apart. */
  index(batch: BatchView, position: number, intervalBytes: number): void {
    const relative = batch.lastOffset - this.baseOffset;
    this.#noteTimestamp(batch);
    if (this.#bytesSinceIndex > intervalBytes) {
      this.offsetIndex.append(relative, position);
      this.timeIndex.maybeAppend(this.maxTimestamp, this.#maxTimestampOffset);
      this.#bytesSinceIndex = 0;
    }
    this.#bytesSinceIndex += batch.sizeInBytes;
    this.#firstTimestamp ??= batch.maxTimestamp;
  }

  /** Timestamp of the first batch; undefined in an empty segment. */
  firstTimestamp(): number | undefined {
    if (this.#firstTimestamp === undefined && this.size > 0) {
      this.#firstTimestamp = this.batchAt(0).batch.maxTimestamp;
    }
    return this.#firstTimestamp;
  }

  /** Whether an index has no room for another entry. */
  isIndexFull(segmentIndexBytes: number): boolean {
    const { entryBytes } = TimeIndex;
    return this.offsetIndex.file.sizeInBytes + entryBytes > segmentIndexBytes ||
      this.timeIndex.file.sizeInBytes + entryBytes > segmentIndexBytes;
  }

  /** Reads from the file; as many bytes as lie there. */
  pread(into: Uint8Array, position: number): number {
    const room = Math.min(into.length, this.size - position);
    if (room <= 0) return 0;
    this.#reader ??= this.#disk.open(this.#logPath, "read");
    const view = room < into.length ? into.subarray(0, room) : into;
    return this.#reader.pread(view, position);
  }

  /** The header of the batch at `position`; throws when there is none. */
  batchAt(position: number): Located {
    const header = new Uint8Array(BATCH_OVERHEAD);
    this.pread(header, position);
    const batch = new BatchView(header);
    this.checkBatch(batch, position);
    return { position, batch };
  }

  /** Throws unless `batch` can be one that lies at `position`. */
  checkBatch(batch: BatchView, position: number): void {
    const { sizeInBytes } = batch;
    if (
      batch.magic !== MAGIC || sizeInBytes < BATCH_OVERHEAD ||
      batch.lastOffsetDelta < 0 ||
      position + sizeInBytes > this.size
    ) {
      throw this.#noBatchAt(position);
    }
  }

  #noBatchAt(position: number): KafkaError {
    return new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot read "${this.#logPath}" at ${position}: no batch begins there`,
    );
  }

  /** Batch headers from `position` on; each view lives until the next one. */
  *batchesFrom(position: number): Generator<Located> {
    const bytes = Math.min(SCAN_BYTES, this.size - position);
    const chunk = new Uint8Array(Math.max(BATCH_OVERHEAD, bytes));
    const batch = new BatchView(chunk);
    let chunkAt = -1;
    let chunkBytes = 0;
    let next = this.baseOffset;
    for (let at = position; at < this.size;) {
      if (chunkAt < 0 || at + BATCH_OVERHEAD > chunkAt + chunkBytes) {
        chunkBytes = this.pread(chunk, at);
        chunkAt = at;
        if (chunkBytes < BATCH_OVERHEAD) throw this.#noBatchAt(at);
      }
      batch.moveTo(chunk, at - chunkAt);
      this.checkBatch(batch, at);
      const { sizeInBytes } = batch;
      // The base offset lies outside of the CRC.
      if (batch.baseOffset < next) throw this.#noBatchAt(at);
      next = batch.nextOffset;
      yield { position: at, batch };
      at += sizeInBytes;
    }
  }

  /** Position of the batch that holds `offset` or the next one after it. */
  positionOf(offset: number): number {
    for (const { position, batch } of this.batchesFrom(this.#leadTo(offset))) {
      if (batch.lastOffset >= offset) return position;
    }
    return this.size;
  }

  /** A position from which `offset` is found. A damaged index costs time only. */
  #leadTo(offset: number): number {
    const from = this.offsetIndex.lookup(offset - this.baseOffset);
    if (from === 0) return 0;
    if (from + BATCH_OVERHEAD > this.size) return 0;
    const header = new Uint8Array(BATCH_OVERHEAD);
    this.pread(header, from);
    const batch = new BatchView(header);
    const isBatch = batch.magic === MAGIC && batch.lastOffsetDelta >= 0 &&
      batch.sizeInBytes >= BATCH_OVERHEAD &&
      from + batch.sizeInBytes <= this.size;
    const { baseOffset } = batch;
    return isBatch && baseOffset >= this.baseOffset && baseOffset <= offset
      ? from
      : 0;
  }

  /**
   * The batches that may have a record at or after `timestamp`, whole; those
   * that end before `startOffset` don't count. Each is given when the one behind
   * it was seen to follow.
   */
  *batchesForTimestamp(
    timestamp: number,
    startOffset: number,
  ): Generator<BatchView> {
    const entry = this.timeIndex.lookup(timestamp);
    const from = entry && this.#placeOf(entry) || 0;
    let found: BatchView | undefined;
    for (const located of this.batchesFrom(from)) {
      if (found !== undefined) yield found;
      found = undefined;
      const { batch } = located;
      if (batch.maxTimestamp < timestamp || batch.isControl) continue;
      if (batch.lastOffset < startOffset || batch.recordCount === 0) continue;
      found = this.wholeBatch(located);
    }
    if (found !== undefined) yield found;
  }

  /**
   * The largest timestamp, as batches say from the last entry of the time index
   * on: what is gone of that must hide no records.
   */
  sureMaxTimestamp(): number {
    if (this.#isTimeSure) return this.maxTimestamp;
    const last = this.timeIndex.last();
    const from = this.#placeOf(last);
    if (from === undefined) this.maxTimestamp = -1;
    for (const { batch } of this.batchesFrom(from ?? 0)) {
      this.#noteTimestamp(batch);
    }
    this.#isTimeSure = true;
    return this.maxTimestamp;
  }

  /** Position of the batch that brought the entry; undefined: there is none. */
  #placeOf({ timestamp, relativeOffset }: TimeEntry): number | undefined {
    const offset = this.baseOffset + relativeOffset;
    const from = this.#leadTo(offset);
    for (const { position, batch } of this.batchesFrom(from)) {
      if (batch.lastOffset < offset) continue;
      const isIt = batch.baseOffset <= offset &&
        batch.maxTimestamp === timestamp;
      return isIt ? position : undefined;
    }
    return undefined;
  }

  /** The whole batch that was found at a position. */
  wholeBatch({ position, batch }: Located): BatchView {
    const bytes = new Uint8Array(batch.sizeInBytes);
    this.pread(bytes, position);
    return new BatchView(bytes);
  }

  /** The offset after the last batch, found from the last index entry on. */
  readNextOffset(): number {
    let next = this.baseOffset;
    for (
      const { batch } of this.batchesFrom(this.offsetIndex.lastPosition())
    ) {
      next = batch.nextOffset;
      this.#noteTimestamp(batch);
    }
    return next;
  }

  /** Markers and batches that a cleaning emptied tell the time of nothing. */
  #noteTimestamp(batch: BatchView): void {
    if (batch.maxTimestamp <= this.maxTimestamp) return;
    if (batch.isControl || batch.recordCount === 0) return;
    this.maxTimestamp = batch.maxTimestamp;
    this.#maxTimestampOffset = batch.lastOffset - this.baseOffset;
  }

  /**
   * Whether an offset can be in here. A base offset lies outside of the CRC:
   * only indexes, whose offsets have 31 bits, say that one can't be.
   */
  holds(lastOffset: number): boolean {
    return lastOffset - this.baseOffset <= RELATIVE_OFFSET_MAX;
  }

  /** Cuts file and indexes at `position`, before which `nextOffset` ends. */
  truncate(position: number, nextOffset: number): void {
    this.writer.truncate(position);
    this.size = position;
    this.offsetIndex.truncateTo(position);
    this.timeIndex.truncateTo(nextOffset - this.baseOffset);
    this.txnIndex.truncateTo(nextOffset);
    const last = this.timeIndex.last();
    this.maxTimestamp = last.timestamp;
    this.#maxTimestampOffset = last.relativeOffset;
    if (position === 0) this.#firstTimestamp = undefined;
    this.readNextOffset();
  }

  /** Whether its indexes may be those of a segment that ends before `next`. */
  hasSaneIndexes(next: number): boolean {
    const end = next - this.baseOffset;
    return this.offsetIndex.isSane({ size: this.size, end }) &&
      this.timeIndex.isSane(end);
  }

  /** Whether a saved time index lacks what the first batch alone brings. */
  lacksTimes(): boolean {
    if (this.size === 0 || this.timeIndex.file.count > 0) return false;
    if (!this.timeIndex.file.isThere) return true;
    const { batch } = this.batchAt(0);
    return !batch.isControl && batch.recordCount > 0 && batch.maxTimestamp >= 0;
  }

  /** Forgets the indexes, to be made anew from the batches. */
  resetIndexes(): void {
    this.offsetIndex.file.truncate(0);
    this.timeIndex.file.truncate(0);
    this.txnIndex.reset();
    this.maxTimestamp = -1;
    this.#maxTimestampOffset = -1;
    this.#isTimeSure = true;
    this.#firstTimestamp = undefined;
    this.#bytesSinceIndex = 0;
  }

  /** Ends appends: final time index entry, indexes to their files. */
  freeze(): void {
    this.freezeOthers();
    this.freezeTimes();
  }

  /** The same for all but times. */
  freezeOthers(): void {
    this.offsetIndex.file.freeze();
    this.txnIndex.freeze();
  }

  /** The rest. A frozen segment without a time index is one that a start remakes. */
  freezeTimes(): void {
    this.timeIndex.maybeAppend(this.maxTimestamp, this.#maxTimestampOffset);
    this.timeIndex.file.freeze();
  }

  /** The same, without keeping anybody waiting for the disk. */
  async freezeLater(): Promise<void> {
    this.timeIndex.maybeAppend(this.maxTimestamp, this.#maxTimestampOffset);
    await Promise.all([
      this.offsetIndex.file.freezeLater(),
      this.timeIndex.file.freezeLater(),
      this.txnIndex.freezeLater(),
    ]);
  }

  /** What was saved of the indexes is for this one to sync, when it is frozen. */
  oweIndexes(): void {
    this.offsetIndex.file.owe();
    this.timeIndex.file.owe();
    this.txnIndex.owe();
  }

  /** Writes gathered index entries to their files. */
  saveIndexes(): void {
    this.offsetIndex.file.save();
    this.timeIndex.file.save();
    this.txnIndex.save();
  }

  /** Gives read handles back; the next read opens them again. */
  release(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.offsetIndex.file.release();
    this.timeIndex.file.release();
    this.txnIndex.release();
  }

  /** Gives the append handle back: the segment is frozen and durable. */
  closeWriter(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }

  /** Closes every handle. */
  close(): void {
    this.release();
    this.closeWriter();
  }

  /**
   * Renames the files so that a restart does not see them; gives their names.
   * The append handle stays, for a sync may be in flight.
   */
  markDeleted(): string[] {
    this.release();
    const marked: string[] = [];
    for (const suffix of [...SEGMENT_SUFFIXES, ".txnindex"]) {
      const path = `${this.path}${suffix}`;
      if (this.#disk.stat(path) === undefined) continue;
      this.#disk.rename(path, `${path}.deleted`);
      marked.push(`${path}.deleted`);
    }
    return marked;
  }
}
