/**
 * Sorted fixed-size entries beside a segment: the offset index and the time
 * index. Owns the bytes of one index file: an active index gathers entries in
 * memory and writes them on `save()`, a frozen one is searched in the file.
 * The tail of an active index that a crash loses is rebuilt by recovery; a
 * frozen one is durable before the recovery point can pass its segment.
 *
 * @module
 */
import type { Disk, DiskFile } from "../env/env.ts";
import { invariant } from "../invariant.ts";

const FIRST_CAPACITY = 16;

/** Where an index lies and how long an entry is. */
interface IndexOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly entryBytes: number;
}

/**
 * The entries of one index file.
 *
 * Invariants:
 * 1. Entries [0, saved) lie in the file, all others in memory.
 * 2. A frozen index has nothing in memory.
 * 3. Entries that were cut off may lie in the file until it is written again:
 *    a crash before that has recovery make all entries anew.
 */
class IndexFile {
  readonly path: string;
  readonly #disk: Disk;
  readonly #entryBytes: number;
  #memory: Uint8Array<ArrayBuffer> | undefined;
  #count = 0;
  #saved = 0;
  /** Bytes in the file, with those that were cut off since. */
  #fileBytes: number;
  /** Whether bytes of the file may go with the machine. */
  #isUnsynced = false;
  /** Kafka's tools want the file of an index without entries, too. */
  #isThere: boolean;
  #file: DiskFile | undefined;

  constructor({ disk, path, entryBytes }: IndexOptions) {
    this.#disk = disk;
    this.path = path;
    this.#entryBytes = entryBytes;
    const size = disk.stat(path)?.size;
    this.#isThere = size !== undefined;
    this.#count = Math.floor((size ?? 0) / entryBytes);
    this.#saved = this.#count;
    this.#fileBytes = size ?? 0;
  }

  /** Number of entries. */
  get count(): number {
    return this.#count;
  }

  /** Whether there is a file, empty or not. */
  get isThere(): boolean {
    return this.#isThere;
  }

  /** Whether the file is all entries: another one was cut, or grew. */
  get isWhole(): boolean {
    return this.#fileBytes % this.#entryBytes === 0;
  }

  /** Bytes of all entries. */
  get sizeInBytes(): number {
    return this.#count * this.#entryBytes;
  }

  /** Brings what lies in the file into memory, so that `append()` can't fail. */
  load(): void {
    this.#writable();
  }

  /** Room for one entry at the end, to be filled at once. */
  append(): DataView {
    const memory = this.#writable();
    const at = this.#count++ * this.#entryBytes;
    return new DataView(memory.buffer, at, this.#entryBytes);
  }

  /** Entry `i` as a view that lives until the next call. */
  entry(i: number): DataView {
    invariant(i >= 0 && i < this.#count, `${this.path} has entry ${i}`);
    if (this.#memory !== undefined) {
      return new DataView(
        this.#memory.buffer,
        i * this.#entryBytes,
        this.#entryBytes,
      );
    }
    const bytes = new Uint8Array(this.#entryBytes);
    this.#file ??= this.#disk.open(this.path, "read");
    this.#file.pread(bytes, i * this.#entryBytes);
    return new DataView(bytes.buffer);
  }

  /** Another object may have saved the file: the next freeze syncs it. */
  owe(): void {
    this.#isUnsynced = true;
  }

  /** Keeps the first `count` entries. */
  truncate(count: number): void {
    if (count >= this.#count) return;
    this.#writable();
    this.#count = count;
    this.#saved = Math.min(this.#saved, count);
  }

  /** Writes what lies in memory only. */
  save(): void {
    const isNone = !this.#isThere && this.#count === 0;
    // What was cut off is in the file still.
    const isSaved = this.#isThere && this.#saved === this.#count &&
      this.#fileBytes === this.sizeInBytes;
    if (isNone || isSaved) return;
    const file = this.#write();
    file.close();
    this.#noteSaved(file);
    this.#isUnsynced = true;
  }

  /** Saves, durably, and gives the memory back. */
  freeze(): void {
    if (this.#isChanged) {
      const file = this.#write();
      try {
        if (this.#needsSync) file.syncDataSync();
      } finally {
        file.close();
      }
      this.#noteSaved(file);
    }
    this.#memory = undefined;
  }

  /** The same, without keeping anybody waiting for the disk. */
  async freezeLater(): Promise<void> {
    if (this.#isChanged) {
      const file = this.#write();
      try {
        if (this.#needsSync) await file.syncData();
      } finally {
        file.close();
      }
      this.#noteSaved(file);
    }
    this.#memory = undefined;
  }

  /** Whether the file is to be made durable, or to have other bytes. */
  get #isChanged(): boolean {
    return this.#isUnsynced || !this.#isThere || this.#saved < this.#count ||
      this.#fileBytes !== this.sizeInBytes;
  }

  /** An index that a crash makes vanish is as good as an empty one. */
  get #needsSync(): boolean {
    return this.#isThere || this.#count > 0;
  }

  /**
   * Gives the file, which is to be closed. One that is made anew is put in place
   * as a whole: half of it would pass for all of it after a crash.
   */
  #write(): DiskFile {
    const isAnew = this.#saved === 0;
    const from = this.#saved * this.#entryBytes;
    const path = isAnew ? `${this.path}.tmp` : this.path;
    const file = this.#disk.open(path, "create");
    try {
      if (isAnew) file.truncate(0);
      if (this.#memory !== undefined) {
        file.pwriteAll(this.#memory.subarray(from, this.sizeInBytes), from);
      }
      if (this.#fileBytes > this.sizeInBytes) file.truncate(this.sizeInBytes);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  #noteSaved({ path }: DiskFile): void {
    if (path !== this.path) this.#disk.rename(path, this.path);
    this.#saved = this.#count;
    this.#fileBytes = this.sizeInBytes;
    this.#isThere = true;
    this.#isUnsynced = false;
  }

  /** Closes the handle; the next search opens it again. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #writable(): Uint8Array<ArrayBuffer> {
    const need = (this.#count + 1) * this.#entryBytes;
    if (this.#memory === undefined) {
      this.release();
      const capacity = Math.max(need * 2, FIRST_CAPACITY * this.#entryBytes);
      this.#memory = new Uint8Array(capacity);
      if (this.#saved > 0) {
        const file = this.#disk.open(this.path, "read");
        try {
          file.pread(this.#memory.subarray(0, this.sizeInBytes), 0);
        } finally {
          file.close();
        }
      }
    } else if (need > this.#memory.length) {
      const grown = new Uint8Array(this.#memory.length * 2);
      grown.set(this.#memory);
      this.#memory = grown;
    }
    return this.#memory;
  }
}

/** The last of `count` entries for which `isAtOrBefore` holds; −1 when none. */
function floorEntry(
  count: number,
  isAtOrBefore: (i: number) => boolean,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = low + high >>> 1;
    if (isAtOrBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** An entry of an offset index. */
export interface OffsetEntry {
  readonly relativeOffset: number;
  readonly position: number;
}

/** Reads an entry of an offset index. */
export function offsetEntryOf(entry: DataView): OffsetEntry {
  return {
    relativeOffset: entry.getInt32(0),
    position: entry.getInt32(4),
  };
}

/** An entry of a time index. */
export interface TimeEntry {
  readonly timestamp: number;
  readonly relativeOffset: number;
}

/** Reads an entry of a time index. */
export function timeEntryOf(entry: DataView): TimeEntry {
  return {
    timestamp: Number(entry.getBigInt64(0)),
    relativeOffset: entry.getInt32(8),
  };
}

/** Relative offset of a batch's last record → the batch's file position. */
export class OffsetIndex {
  static readonly entryBytes = 8;
  readonly file: IndexFile;

  constructor(disk: Disk, path: string) {
    const { entryBytes } = OffsetIndex;
    this.file = new IndexFile({ disk, path, entryBytes });
  }

  append(relativeOffset: number, position: number): void {
    const entry = this.file.append();
    entry.setInt32(0, relativeOffset);
    entry.setInt32(4, position);
  }

  /** Position from which a scan finds `relativeOffset`. */
  lookup(relativeOffset: number): number {
    const i = floorEntry(
      this.file.count,
      (at) => this.file.entry(at).getInt32(0) <= relativeOffset,
    );
    return i < 0 ? 0 : Math.max(0, this.file.entry(i).getInt32(4));
  }

  /** Position of the last entry that lies before `position`; 0 when none does. */
  positionBefore(position: number): number {
    const i = this.#entryBefore(position);
    return i < 0 ? 0 : Math.max(0, this.file.entry(i).getInt32(4));
  }

  /** Position of the last entry; 0 when there is none. */
  lastPosition(): number {
    const { count } = this.file;
    return count === 0 ? 0 : this.file.entry(count - 1).getInt32(4);
  }

  /** Forgets entries of positions at or after `position`. */
  truncateTo(position: number): void {
    this.file.truncate(this.#entryBefore(position) + 1);
  }

  #entryBefore(position: number): number {
    return floorEntry(
      this.file.count,
      (at) => this.file.entry(at).getInt32(4) < position,
    );
  }

  /**
   * Whether first and last entry rise and lie within a segment of `size` bytes
   * that ends before relative offset `end`: the price of a look at each.
   */
  isSane({ size, end }: { size: number; end: number }): boolean {
    const { count, isWhole } = this.file;
    if (count === 0 || !isWhole) return isWhole;
    const first = offsetEntryOf(this.file.entry(0));
    const last = offsetEntryOf(this.file.entry(count - 1));
    const rises = last.relativeOffset > first.relativeOffset &&
      last.position > first.position;
    return first.relativeOffset >= 0 && first.position >= 0 &&
      (count === 1 || rises) && last.relativeOffset < end &&
      last.position < size;
  }
}

/** Largest timestamp so far → relative offset of the batch that brought it. */
export class TimeIndex {
  static readonly entryBytes = 12;
  readonly file: IndexFile;

  constructor(disk: Disk, path: string) {
    const { entryBytes } = TimeIndex;
    this.file = new IndexFile({ disk, path, entryBytes });
  }

  /** Adds an entry if both its parts are larger than the last one's. */
  maybeAppend(timestamp: number, relativeOffset: number): void {
    const last = this.last();
    if (timestamp <= last.timestamp) return;
    if (relativeOffset <= last.relativeOffset) return;
    const entry = this.file.append();
    entry.setBigInt64(0, BigInt(timestamp));
    entry.setInt32(8, relativeOffset);
  }

  /** The last entry; (−1, −1) when there is none. */
  last(): TimeEntry {
    const { count } = this.file;
    return count === 0
      ? { timestamp: -1, relativeOffset: -1 }
      : this.#read(count - 1);
  }

  /** The last entry before `timestamp`; undefined when there is none. */
  lookup(timestamp: number): TimeEntry | undefined {
    const i = floorEntry(
      this.file.count,
      (at) => this.#read(at).timestamp < timestamp,
    );
    return i < 0 ? undefined : this.#read(i);
  }

  /** Forgets entries at or after `relativeOffset`. */
  truncateTo(relativeOffset: number): void {
    const kept = floorEntry(
      this.file.count,
      (at) => this.#read(at).relativeOffset < relativeOffset,
    );
    this.file.truncate(kept + 1);
  }

  /** Whether first and last entry rise and lie before relative offset `end`. */
  isSane(end: number): boolean {
    const { count, isWhole } = this.file;
    if (count === 0 || !isWhole) return isWhole;
    const first = this.#read(0);
    const last = this.last();
    const rises = last.timestamp > first.timestamp &&
      last.relativeOffset >= first.relativeOffset;
    return first.relativeOffset >= 0 && (count === 1 || rises) &&
      last.relativeOffset < end;
  }

  #read(i: number): TimeEntry {
    return timeEntryOf(this.file.entry(i));
  }
}
