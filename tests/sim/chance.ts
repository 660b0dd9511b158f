/**
 * Chance from a seed: the only source of it in a simulated or fuzzed run. Owns
 * the generator (sfc32); it must never draw from anywhere else.
 *
 * @module
 */

/** A stream of chance; two of the same seed are the same. */
export class Chance {
  readonly seed: number;
  readonly #state = new Uint32Array(4);

  constructor(seed: number, stream = 0) {
    this.seed = seed;
    this.#state.set([seed >>> 0, Math.floor(seed / 2 ** 32), stream, 1]);
    for (let i = 0; i < 15; i++) this.u32();
  }

  /** A uniform unsigned 32-bit integer. */
  u32(): number {
    const s = this.#state;
    const t = (s[0]! + s[1]! + s[3]!) >>> 0;
    s[3] = s[3]! + 1;
    s[0] = s[1]! ^ (s[1]! >>> 9);
    s[1] = s[2]! + (s[2]! << 3);
    s[2] = ((s[2]! << 21) | (s[2]! >>> 11)) + t;
    return t;
  }

  /** Below 1, at least 0. */
  unit(): number {
    return this.u32() / 2 ** 32;
  }

  /** An integer from `low` to `high`, both possible. */
  int(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** An integer from 0 up to, without, `n`. */
  below(n: number): number {
    return this.int(0, n - 1);
  }

  /** True once in `n` draws. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** A size up to `max` that is mostly small and sometimes not. */
  size(max: number): number {
    return this.below(1 + Math.floor(max / 10 ** this.below(4)));
  }

  /** True with probability `p`. */
  odds(p: number): boolean {
    return this.unit() < p;
  }

  /** One of `items`. */
  pick<T>(items: readonly T[]): T {
    return items[this.int(0, items.length - 1)]!;
  }

  /** Mostly small, at times long: what waiting for machines is like. */
  delayMs(usualMs: number, worstMs: number): number {
    const ms = this.odds(0.02)
      ? this.unit() * worstMs
      : this.unit() * usualMs * 2;
    return Math.round(ms * 1000) / 1000;
  }

  bytes(n: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(n);
    for (let i = 0; i < n; i++) bytes[i] = this.u32() & 0xff;
    return bytes;
  }

  /** A stream of its own, so that what draws from it disturbs nobody. */
  fork(): Chance {
    return new Chance(this.u32(), this.u32());
  }
}
