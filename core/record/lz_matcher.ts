/**
 * Finds repeats for the LZ77 codecs: a hash table of where four bytes were seen
 * last. Owns the table; the codecs own how a repeat is written.
 *
 * @module
 */

const HASH_BITS = 14;
const MULTIPLIER = 0x9e3779b1;

/**
 * Repeats within a window of one input.
 *
 * Invariants:
 * 1. Positions in the table lie before the cursor, or are −1.
 */
export class Matcher {
  /** Where the repeat found last begins. */
  at = 0;
  /** Where the bytes that it repeats begin. */
  from = 0;
  /** Bytes of the repeat. */
  length = 0;
  readonly #bytes: Uint8Array;
  readonly #table = new Int32Array(1 << HASH_BITS).fill(-1);

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * Finds the next repeat of four bytes or more that begins in `[at, lastAt]`,
   * ends by `end` and repeats bytes from `floor` on, within 64 KB.
   */
  find(
    at: number,
    { floor, lastAt, end }: { floor: number; lastAt: number; end: number },
  ): boolean {
    const bytes = this.#bytes;
    const table = this.#table;
    // The longer nothing repeats, the longer the steps.
    let step = 1 << 6;
    for (let i = at; i <= lastAt; i += step++ >> 6) {
      const word = wordAt(bytes, i);
      const slot = Math.imul(word, MULTIPLIER) >>> 32 - HASH_BITS;
      const seen = table[slot]!;
      table[slot] = i;
      if (seen < floor || i - seen > 0xffff || wordAt(bytes, seen) !== word) {
        continue;
      }
      let length = 4;
      while (i + length < end && bytes[seen + length] === bytes[i + length]) {
        length++;
      }
      this.at = i;
      this.from = seen;
      this.length = length;
      return true;
    }
    return false;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
    bytes[at + 3]! << 24;
}
