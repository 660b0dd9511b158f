/**
 * Cuts a byte stream into size-prefixed frames without copying them. Owns
 * where bytes are received: a kilobyte while a connection is quiet, a slab
 * slot while it is busy, bounded heap for frames larger than a slot. It must
 * never allocate on the word of a length, and never reads while no memory is
 * free.
 *
 * @module
 */
import type { Slab, Slot } from "../../core/bytes/slab.ts";
import type { Connection } from "./transport.ts";

const QUIET_BYTES = 1024;
const SIZE_BYTES = 4;
/** Where a frame begins that found no slot; twice as much each time. */
const HEAP_START_BYTES = 16 * 1024;

/** A length that no frame may have; the connection must be closed. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/**
 * The memory that all connections receive into.
 *
 * Invariants:
 * 1. Heap bytes in use never exceed the bound.
 * 2. A slot is with one connection or free.
 * 3. Whoever is woken and has no use for it wakes the next.
 */
export class ReceiveMemory {
  readonly #slab: Slab;
  readonly #heapBytesMax: number;
  readonly #waiting: (() => void)[] = [];
  #heapBytes = 0;

  constructor(slab: Slab, { heapBytesMax }: { heapBytesMax: number }) {
    this.#slab = slab;
    this.#heapBytesMax = heapBytesMax;
  }

  /** A slot, or undefined while all are in use. */
  acquire(): Slot | undefined {
    return this.#slab.acquire();
  }

  /** Whether a connection may keep a slot though nothing lies in it. */
  get hasPlenty(): boolean {
    return this.#slab.freeSlots * 2 > this.#slab.slots;
  }

  release(slot: Slot): void {
    slot.release();
    this.wakeNext();
  }

  /** Whether `bytes` more of the heap may be used; takes them if so. */
  takeHeap(bytes: number): boolean {
    if (this.#heapBytes + bytes > this.#heapBytesMax) return false;
    this.#heapBytes += bytes;
    return true;
  }

  giveHeap(bytes: number): void {
    this.#heapBytes -= bytes;
    this.wakeNext();
  }

  /** Resolves when memory was given back since. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wakeNext(): void {
    this.#waiting.shift()?.();
  }

  /** Everyone who waits looks again. */
  wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Limits of one {@linkcode FrameReader}. */
export interface FrameReaderOptions {
  readonly memory: ReceiveMemory;
  /** Largest size that a frame may claim, without the size field itself. */
  readonly frameBytesMax: number;
}

/**
 * The frames of one connection. `take()` until it gives undefined, then
 * `fill()`; a frame is valid until the next `fill()`.
 *
 * Invariants:
 * 1. `#start` ≤ `#end` ≤ `#bytes.length`; bytes between them are received and
 *    not yet taken.
 * 2. At most one of slot and heap is held.
 * 3. A slot goes back only while no read into it is pending.
 */
export class FrameReader {
  readonly #connection: Connection;
  readonly #memory: ReceiveMemory;
  readonly #frameBytesMax: number;
  readonly #quiet = new Uint8Array(QUIET_BYTES);
  #bytes: Uint8Array = this.#quiet;
  #slot: Slot | undefined;
  #heapTaken = 0;
  #start = 0;
  #end = 0;
  #isBusy = false;
  #isReading = false;
  #isStarving = false;
  #isClosed = false;

  constructor(connection: Connection, options: FrameReaderOptions) {
    this.#connection = connection;
    this.#memory = options.memory;
    this.#frameBytesMax = options.frameBytesMax;
  }

  /**
   * Whether a frame was begun and does not go on: the other side owes its
   * rest, or it holds memory for which others wait and waits for more.
   */
  get isAwaitingRest(): boolean {
    return (this.#isReading || this.#isStarving) && this.#end > this.#start;
  }

  /** The next whole frame, without its size, or undefined when none is here. */
  take(): Uint8Array | undefined {
    const total = this.#frameTotal();
    if (total === 0 || this.#end - this.#start < total) return undefined;
    const from = this.#start + SIZE_BYTES;
    this.#start += total;
    return this.#bytes.subarray(from, this.#start);
  }

  /** Receives at least one byte more; false at the end of the stream. */
  async fill(): Promise<boolean> {
    if (this.#start === this.#end) this.#settleEmpty();
    else if (!(await this.#settlePartial())) return false;
    const into = this.#end === 0 && this.#slot !== undefined
      ? this.#bytes
      : this.#bytes.subarray(this.#end);
    this.#isReading = true;
    const n = await this.#connection.read(into);
    this.#isReading = false;
    if (n === null || this.#isClosed) return false;
    this.#end += n;
    // Who fills the quiet buffer has more to say: the next read is a large one.
    this.#isBusy = n >= QUIET_BYTES;
    return true;
  }

  /** No more reads will follow; memory goes back when none is pending. */
  close(): void {
    this.#isClosed = true;
    // What it holds comes back only after it stopped waiting for more.
    if (this.#isStarving) this.#memory.wakeAll();
  }

  /** Gives all memory back. Only while no `fill()` is pending. */
  release(): void {
    this.#isClosed = true;
    this.#dropSlot();
    this.#dropHeap();
    this.#bytes = this.#quiet;
    this.#start = this.#end = 0;
  }

  /** Bytes of the frame at the start with its size field; 0 when unknown. */
  #frameTotal(): number {
    if (this.#end - this.#start < SIZE_BYTES) return 0;
    const bytes = this.#bytes;
    const at = this.#start;
    const size = bytes[at]! << 24 | bytes[at + 1]! << 16 |
      bytes[at + 2]! << 8 | bytes[at + 3]!;
    if (size <= 0 || size > this.#frameBytesMax) {
      throw new FrameError(
        `Cannot read a frame of ${size} bytes: allowed are 1 to ${this.#frameBytesMax}`,
      );
    }
    return SIZE_BYTES + size;
  }

  /** Nothing is held back: a busy connection keeps a slot, a quiet one none. */
  #settleEmpty(): void {
    this.#start = this.#end = 0;
    this.#dropHeap();
    if (this.#isBusy && this.#memory.hasPlenty) {
      this.#slot ??= this.#memory.acquire();
      if (this.#slot !== undefined) {
        this.#bytes = this.#slot.bytes;
        return;
      }
    }
    this.#dropSlot();
    this.#bytes = this.#quiet;
  }

  /** Part of a frame is held: makes room for its rest. False when closed. */
  async #settlePartial(): Promise<boolean> {
    const total = this.#frameTotal();
    const held = this.#end - this.#start;
    if (this.#heapTaken > 0 && held < this.#bytes.length) return true;
    const slot = this.#slotForMore(held);
    if (slot !== undefined) {
      slot.bytes.set(this.#bytes.subarray(this.#start, this.#end));
      this.#slot = slot;
      this.#bytes = slot.bytes;
    } else this.#bytes.copyWithin(0, this.#start, this.#end);
    this.#start = 0;
    this.#end = held;
    if (total <= this.#bytes.length) return true;
    return held < this.#bytes.length || await this.#grow(total);
  }

  /**
   * A slot for the rest of a frame, if there is one to be had: halves of
   * frames that never end may not take them all, the heap is left then.
   */
  #slotForMore(held: number): Slot | undefined {
    if (this.#slot !== undefined || this.#heapTaken > 0) return undefined;
    const isEnough = held < this.#quiet.length && !this.#memory.hasPlenty;
    return isEnough ? undefined : this.#memory.acquire();
  }

  /** Moves a frame that outgrew its memory to a heap buffer twice as large. */
  async #grow(total: number): Promise<boolean> {
    const size = Math.min(
      total,
      Math.max(HEAP_START_BYTES, this.#bytes.length * 2),
    );
    while (!this.#memory.takeHeap(size)) {
      this.#isStarving = true;
      await this.#memory.changed();
      this.#isStarving = false;
      if (this.#isClosed) {
        this.#memory.wakeNext();
        return false;
      }
    }
    const grown = new Uint8Array(size);
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#dropSlot();
    this.#dropHeap();
    this.#bytes = grown;
    this.#heapTaken = size;
    return true;
  }

  #dropSlot(): void {
    if (this.#slot === undefined) return;
    this.#memory.release(this.#slot);
    this.#slot = undefined;
  }

  #dropHeap(): void {
    if (this.#heapTaken === 0) return;
    this.#memory.giveHeap(this.#heapTaken);
    this.#heapTaken = 0;
  }
}
