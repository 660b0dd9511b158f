/**
 * Seeded chance for tests: the same seed draws the same. It must never look at
 * the clock or at the machine's own randomness.
 *
 * @module
 */

/** Draws from one seed (mulberry32). */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = this.#state = seed >>> 0;
  }

  /** A uniform unsigned 32-bit integer. */
  u32(): number {
    this.#state = this.#state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(this.#state ^ this.#state >>> 15, this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return (mixed ^ mixed >>> 14) >>> 0;
  }

  /** An integer from 0 up to, without, `n`. */
  below(n: number): number {
    return Math.floor(this.u32() / 4294967296 * n);
  }

  /** True once in `n` draws. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of `choices`. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Random bytes. */
  bytes(n: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: n }, () => this.u32());
  }

  /** A size that is mostly small and sometimes not. */
  size(max: number): number {
    return this.below(1 + Math.floor(max / 10 ** this.below(4)));
  }
}
