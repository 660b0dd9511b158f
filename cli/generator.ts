/**
 * Records out of a seed: the same seed and the same wishes give the same keys
 * and values, on every machine and in every run. Pure.
 *
 * @module
 */

/** What the records are to be like. */
export interface GeneratorWish {
  readonly seed: number;
  /** Different keys; 0 for records without one. */
  readonly keys: number;
  /** Bytes of each value; `undefined` for small JSON objects. */
  readonly valueBytes: number | undefined;
}

/** A record without a place. */
export interface GeneratedRecord {
  readonly key: string | null;
  readonly value: string | Uint8Array;
}

const LETTERS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ITEMS = ["tea", "rice", "salt", "bread", "apple", "honey"];
/** Values begin anywhere in as many letters as this. */
const POOL_BYTES = 64 * 1024;

/** A stream of records. */
export class RecordGenerator {
  readonly #wish: GeneratorWish;
  readonly #pool: Uint8Array | undefined;
  #state: number;
  #made = 0;

  constructor(wish: GeneratorWish) {
    this.#wish = wish;
    this.#state = wish.seed | 0;
    if (wish.valueBytes === undefined) return;
    this.#pool = new Uint8Array(POOL_BYTES + wish.valueBytes);
    for (let i = 0; i < this.#pool.length; i++) {
      this.#pool[i] = LETTERS.charCodeAt(this.#below(LETTERS.length));
    }
  }

  /** The next record. Its value is a view that must not be changed. */
  next(): GeneratedRecord {
    const { keys, valueBytes } = this.#wish;
    const key = keys === 0 ? null : `key-${this.#below(keys)}`;
    const n = this.#made++;
    if (this.#pool !== undefined) {
      const at = this.#below(POOL_BYTES);
      return { key, value: this.#pool.subarray(at, at + valueBytes!) };
    }
    const item = ITEMS[this.#below(ITEMS.length)];
    const count = 1 + this.#below(9);
    const total = count * (100 + this.#below(900)) / 100;
    return { key, value: JSON.stringify({ n, item, count, total }) };
  }

  /** A whole number from 0 below `bound`: the generator mulberry32. */
  #below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed);
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * bound);
  }
}
