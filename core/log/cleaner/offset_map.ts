/**
 * The newest offset of each key of a cleaning, within a fixed number of bytes.
 * Keys are held whole, so that two keys are never taken for one another, in
 * buffers that the garbage collector need not walk.
 *
 * @module
 */
import {
  int32At,
  int64At,
  setInt32At,
  setInt64At,
} from "../../bytes/big_endian.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Bytes before an entry's key: its offset and the key's length. */
const ENTRY_OVERHEAD = 12;
const SLOT_BYTES = 4;
/** Entries are found by a 32-bit number, which also must hold "none". */
const BYTES_MAX = 2 ** 32 - 2 * CHUNK_BYTES;
/** What a key is reckoned to take when slots are counted out. */
const TYPICAL_KEY_BYTES = 16;
const SLOTS_MIN = 64;

/** A key among other bytes. */
export interface KeyAt {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
}

/**
 * Offsets by key.
 *
 * Invariants:
 * 1. At most three quarters of the slots are taken.
 * 2. Slots and entries take no more than `bytesMax` bytes, but for a key that
 *    comes first.
 */
export class OffsetMap {
  readonly #slots: Uint32Array;
  /** By entry position / CHUNK_BYTES; a long key's chunk stands once and spans several. */
  readonly #chunks: (Uint8Array | undefined)[] = [];
  readonly #bytesMax: number;
  readonly #seed: number;
  #length = 0;
  #count = 0;

  /** `keysMax` keys at most will come; fewer may fit into `bytesMax`. */
  constructor(
    { bytesMax, keysMax, seed }: {
      readonly bytesMax: number;
      readonly keysMax: number;
      /** By chance: else keys could be made that all fall into one slot. */
      readonly seed: number;
    },
  ) {
    this.#seed = seed;
    this.#bytesMax = Math.min(bytesMax, BYTES_MAX);
    const fitting = this.#bytesMax / (ENTRY_OVERHEAD + TYPICAL_KEY_BYTES);
    const wanted = Math.min(keysMax, fitting) * 4 / 3 + 1;
    this.#slots = new Uint32Array(
      Math.max(SLOTS_MIN, 2 ** Math.ceil(Math.log2(wanted))),
    );
  }

  /** Number of keys. */
  get size(): number {
    return this.#count;
  }

  /** Which part of what it may hold it holds. */
  get utilization(): number {
    return Math.max(
      this.#count / (this.#slots.length * 0.75),
      this.#length / this.#bytesMax,
    );
  }

  /** Offset of the key; −1 when it never came. */
  get(key: KeyAt): number {
    const entry = this.#slots[this.#find(key)]!;
    if (entry === 0) return -1;
    return int64At(this.#chunkOf(entry - 1), (entry - 1) % CHUNK_BYTES);
  }

  /** Sets the key's offset; false when there is no room for a new key. */
  put(key: KeyAt, offset: number): boolean {
    const slot = this.#find(key);
    let entry = this.#slots[slot]!;
    if (entry === 0) {
      if (!this.#hasRoom(key.length)) return false;
      entry = this.#slots[slot] = this.#add(key) + 1;
      this.#count++;
    }
    setInt64At(this.#chunkOf(entry - 1), (entry - 1) % CHUNK_BYTES, offset);
    return true;
  }

  #hasRoom(keyLength: number): boolean {
    if (this.#count === 0) return true;
    const length = this.#length + ENTRY_OVERHEAD + keyLength;
    return this.#count + 1 <= this.#slots.length * 0.75 &&
      length + this.#slots.length * SLOT_BYTES <= this.#bytesMax;
  }

  /** Position of a new entry for the key. */
  #add({ bytes, at, length }: KeyAt): number {
    const need = ENTRY_OVERHEAD + length;
    let position = this.#length;
    let used = position % CHUNK_BYTES;
    if (used === 0 || used + need > CHUNK_BYTES) {
      if (used > 0) position += CHUNK_BYTES - used;
      used = 0;
      this.#chunks[position / CHUNK_BYTES] = new Uint8Array(
        Math.max(CHUNK_BYTES, need),
      );
    }
    const chunk = this.#chunkOf(position);
    setInt32At(chunk, used + 8, length);
    chunk.set(bytes.subarray(at, at + length), used + ENTRY_OVERHEAD);
    // A long key's chunk is its own: the next entry begins a new one.
    this.#length = need <= CHUNK_BYTES
      ? position + need
      : position + Math.ceil(need / CHUNK_BYTES) * CHUNK_BYTES;
    return position;
  }

  /** The slot of the key, or the free one where it belongs. */
  #find(key: KeyAt): number {
    const mask = this.#slots.length - 1;
    let slot = hashOf(key, this.#seed) & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0 || this.#isAt(entry - 1, key)) return slot;
      slot = slot + 1 & mask;
    }
  }

  #isAt(position: number, { bytes, at, length }: KeyAt): boolean {
    const chunk = this.#chunkOf(position);
    const start = position % CHUNK_BYTES;
    if (int32At(chunk, start + 8) !== length) return false;
    const from = start + ENTRY_OVERHEAD;
    for (let i = 0; i < length; i++) {
      if (chunk[from + i] !== bytes[at + i]) return false;
    }
    return true;
  }

  #chunkOf(position: number): Uint8Array {
    return this.#chunks[Math.floor(position / CHUNK_BYTES)]!;
  }
}

/** FNV-1a, mixed at the end: low bits of it alone are poor. */
function hashOf({ bytes, at, length }: KeyAt, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = at; i < at + length; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  }
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
