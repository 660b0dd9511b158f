/**
 * Receive slots: a fixed piece of memory that sockets read into, that CRCs are
 * computed over in place and that files are written from. Owns which slots are
 * free; it must never grow, and it knows nothing of what lies in a slot.
 *
 * @module
 */
import { invariant } from "../invariant.ts";
import { crc32cMemory } from "./crc32c.ts";

/** A slot on loan. */
export interface Slot {
  /** All {@linkcode Slab.slotBytes} of it, with whatever was there before. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Gives the slot back. Only once nothing refers to its bytes any more: reads
   * into it and writes from it have settled. A second call is a broken invariant.
   */
  release(): void;
}

const SLOT_BYTES = 256 * 1024;
const SLOTS = 64;

/**
 * Fixed slots in one memory. An untouched slot costs no resident memory, so
 * the one released last is lent first.
 *
 * Invariants:
 * 1. Every slot is either free or on loan to exactly one holder.
 * 2. The memory has its final size from the first `acquire()` on.
 */
export class Slab {
  /** Bytes of one slot. */
  static readonly slotBytes = SLOT_BYTES;
  /** Slots in all. */
  readonly slots: number;
  #memory: Uint8Array<ArrayBuffer> | undefined;
  readonly #free: number[];

  constructor(options: { readonly slots?: number } = {}) {
    this.slots = options.slots ?? SLOTS;
    this.#free = Array.from(
      { length: this.slots },
      (_, i) => this.slots - 1 - i,
    );
  }

  /** Slots that are not on loan. */
  get freeSlots(): number {
    return this.#free.length;
  }

  /** Lends a slot, or returns undefined when all are on loan. */
  acquire(): Slot | undefined {
    const index = this.#free.pop();
    if (index === undefined) return undefined;
    this.#memory ??= crc32cMemory(this.slots * SLOT_BYTES);
    const at = index * SLOT_BYTES;
    let onLoan = true;
    return {
      bytes: this.#memory.subarray(at, at + SLOT_BYTES),
      release: () => {
        invariant(onLoan, `slot ${index} is released once`);
        onLoan = false;
        this.#free.push(index);
      },
    };
  }
}
