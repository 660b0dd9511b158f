/**
 * The `.txnindex` of a segment: the aborted transactions whose markers lie in
 * it, by which readers of committed records leave theirs out. Owns the format
 * and the file; which transactions are aborted is the producer state's. Like
 * the other indexes, an active one lives in memory until it is frozen.
 *
 * @module
 */
import { crc32c } from "../bytes/crc32c.ts";
import type { Disk, DiskFile } from "../env/env.ts";

/** Bytes of one entry. */
export const TXN_ENTRY_BYTES = 34;
/** The one version of an entry. */
export const TXN_VERSION = 0;

/** One aborted transaction of one partition. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of its marker. */
  readonly lastOffset: number;
  /** The last stable offset once it was over. */
  readonly lastStableOffset: number;
}

/** What a look into one index gave. */
export interface AbortedFound {
  readonly aborted: readonly AbortedTransaction[];
  /** Whether later segments can't hold any more. */
  readonly isComplete: boolean;
}

/** Reads an entry, whatever its version. */
export function txnEntryOf(entry: DataView): AbortedTransaction {
  return {
    producerId: Number(entry.getBigInt64(2)),
    firstOffset: Number(entry.getBigInt64(10)),
    lastOffset: Number(entry.getBigInt64(18)),
    lastStableOffset: Number(entry.getBigInt64(26)),
  };
}

/**
 * The aborted transactions of one segment.
 *
 * Invariants:
 * 1. Entries are held in the order of their markers, in memory as in the file.
 * 2. A segment without aborted transactions has no file once it is saved.
 */
export class TxnIndex {
  readonly #disk: Disk;
  readonly #path: string;
  /** Undefined until they are needed. */
  #entries: AbortedTransaction[] | undefined;
  /** Whether there is a file; undefined until somebody looked. */
  #isThere: boolean | undefined;
  /** Whether the file says something else. */
  #isChanged = false;
  /** Whether what the file says may go with the machine. */
  #isUnsynced = false;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Whether there is a file was seen where many are listed at once. */
  noteFile(isThere: boolean): void {
    this.#isThere = isThere;
  }

  /** Brings what lies in the file into memory, so that `append()` can't fail. */
  load(): void {
    this.#load();
  }

  /** Notes an aborted transaction; its marker follows all others. */
  append(aborted: AbortedTransaction): void {
    this.#load().push(aborted);
    this.#isChanged = true;
  }

  /** Those that overlap the offsets from `from` up to, not with, `to`. */
  collect(from: number, to: number): AbortedFound {
    const entries = this.#load();
    const aborted: AbortedTransaction[] = [];
    for (let i = firstEndingFrom(entries, from); i < entries.length; i++) {
      const each = entries[i]!;
      if (each.firstOffset < to) aborted.push(each);
      if (each.lastStableOffset >= to) return { aborted, isComplete: true };
    }
    return { aborted, isComplete: false };
  }

  /** Another object may have saved the file: the next freeze syncs it. */
  owe(): void {
    this.#isUnsynced = true;
  }

  /** Forgets those whose marker lies at `offset` or after it. */
  truncateTo(offset: number): void {
    const entries = this.#load();
    const kept = firstEndingFrom(entries, offset);
    if (kept === entries.length) return;
    entries.length = kept;
    this.#isChanged = true;
  }

  /** Forgets all, to be made anew by `append()`. */
  reset(): void {
    this.#entries = [];
    this.#isChanged = true;
  }

  /** Writes what lies in memory only. */
  save(): void {
    if (!this.#isChanged) return;
    const file = this.#write();
    file?.close();
    this.#noteSaved(file);
    this.#isUnsynced = true;
  }

  /** Saves, durably once the folder is synced. */
  freeze(): void {
    if (!this.#isChanged && !this.#isUnsynced) return;
    const file = this.#write();
    try {
      file?.syncDataSync();
    } finally {
      file?.close();
    }
    this.#noteSaved(file);
    this.#isUnsynced = false;
  }

  /** The same, without keeping anybody waiting for the disk. */
  async freezeLater(): Promise<void> {
    if (!this.#isChanged && !this.#isUnsynced) return;
    const file = this.#write();
    try {
      await file?.syncData();
    } finally {
      file?.close();
    }
    this.#noteSaved(file);
    this.#isUnsynced = false;
  }

  /** Gives back the memory of what lies in the file. */
  release(): void {
    if (!this.#isChanged) this.#entries = undefined;
  }

  /** Digest of the entries; 0: there are none. */
  digest(): number {
    const entries = this.#load();
    return entries.length === 0 ? 0 : crc32c(encodeEntries(entries), 0);
  }

  /**
   * Whether the file holds whole entries of markers that rise from `baseOffset`
   * and lie before `end`.
   */
  isSane(baseOffset: number, end: number): boolean {
    const size = this.#disk.stat(this.#path)?.size ?? 0;
    let last = baseOffset - 1;
    for (const { firstOffset, lastOffset } of this.#load()) {
      if (firstOffset > lastOffset || lastOffset <= last) return false;
      last = lastOffset;
    }
    return last < end && size === this.#load().length * TXN_ENTRY_BYTES;
  }

  /** Gives the new file, which is to be closed, if there is to be one. */
  #write(): DiskFile | undefined {
    const bytes = encodeEntries(this.#load());
    if (bytes.length === 0) return undefined;
    const file = this.#disk.open(`${this.#path}.tmp`, "create");
    try {
      file.truncate(0);
      file.pwriteAll(bytes, 0);
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  /** Puts the new file in place, as a whole. */
  #noteSaved(file: DiskFile | undefined): void {
    if (file === undefined) this.#disk.unlink(this.#path);
    else this.#disk.rename(file.path, this.#path);
    this.#isThere = file !== undefined;
    this.#isChanged = false;
  }

  /** What isn't an entry ends the file: recovery makes it anew. */
  #load(): AbortedTransaction[] {
    if (this.#entries !== undefined) return this.#entries;
    const entries: AbortedTransaction[] = [];
    this.#isThere ??= this.#disk.stat(this.#path) !== undefined;
    if (this.#isThere) {
      const { buffer, byteOffset, length } = this.#disk.readFile(this.#path);
      for (let at = 0; at + TXN_ENTRY_BYTES <= length; at += TXN_ENTRY_BYTES) {
        const view = new DataView(buffer, byteOffset + at, TXN_ENTRY_BYTES);
        if (view.getInt16(0) !== TXN_VERSION) break;
        entries.push(txnEntryOf(view));
      }
    }
    return this.#entries = entries;
  }
}

/** Of a log's segments, from the one at index `at` on, those that overlap. */
export function abortedFrom(
  segments: readonly { readonly txnIndex: TxnIndex }[],
  { at, from, to }: {
    readonly at: number;
    readonly from: number;
    readonly to: number;
  },
): AbortedTransaction[] {
  const all: AbortedTransaction[] = [];
  for (let i = at; i < segments.length; i++) {
    const { aborted, isComplete } = segments[i]!.txnIndex.collect(from, to);
    all.push(...aborted);
    if (isComplete) break;
  }
  return all;
}

/** Index of the first entry whose marker lies at `offset` or after it. */
function firstEndingFrom(
  entries: readonly AbortedTransaction[],
  offset: number,
): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = low + high >>> 1;
    if (entries[middle]!.lastOffset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encodeEntries(
  entries: readonly AbortedTransaction[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(entries.length * TXN_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, entry] of entries.entries()) {
    const at = i * TXN_ENTRY_BYTES;
    view.setInt16(at, TXN_VERSION);
    view.setBigInt64(at + 2, BigInt(entry.producerId));
    view.setBigInt64(at + 10, BigInt(entry.firstOffset));
    view.setBigInt64(at + 18, BigInt(entry.lastOffset));
    view.setBigInt64(at + 26, BigInt(entry.lastStableOffset));
  }
  return bytes;
}
