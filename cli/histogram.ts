/**
 * How often which duration was measured, in memory that doesn't grow: each
 * doubling is cut into 32 steps, so that a percentile is at most 3.2 % off. It
 * never prints.
 *
 * @module
 */

const STEPS = 32;
/** Below this, one step is one microsecond. */
const EXACT_US = 2 * STEPS;
const US_MAX = 2 ** 31 - 1;

/** Durations between two powers of two. */
export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/**
 * Durations by their size.
 *
 * 1. `count` is the sum of all steps.
 * 2. `minMs` and `maxMs` are exact; while nothing was measured they are 0.
 */
export class Histogram {
  /** Durations measured. */
  count = 0;
  /** The shortest. */
  minMs = 0;
  /** The longest. */
  maxMs = 0;
  #sumMs = 0;
  readonly #steps = new Float64Array(stepOf(US_MAX) + 1);

  /** Measures one. */
  add(ms: number): void {
    const us = Math.min(US_MAX, Math.max(0, Math.round(ms * 1000)));
    this.#steps[stepOf(us)]!++;
    this.minMs = this.count === 0 ? ms : Math.min(this.minMs, ms);
    this.maxMs = Math.max(this.maxMs, ms);
    this.#sumMs += ms;
    this.count++;
  }

  /** Their mean. */
  get meanMs(): number {
    return this.count === 0 ? 0 : this.#sumMs / this.count;
  }

  /** What the share `part` of all durations, e.g. 0.99, does not exceed. */
  percentileMs(part: number): number {
    let left = Math.ceil(part * this.count);
    for (let step = 0; step < this.#steps.length; step++) {
      left -= this.#steps[step]!;
      if (left <= 0 && this.count > 0) {
        return Math.min(this.maxMs, (startOf(step + 1) - 1) / 1000);
      }
    }
    return this.maxMs;
  }

  /** The counts by powers of two, from the first to the last that has any. */
  bars(): Bar[] {
    const bars: Bar[] = [];
    let fromUs = 0;
    for (let toUs = 1; fromUs < US_MAX; toUs *= 2) {
      let count = 0;
      for (let step = stepOf(fromUs); step < stepOf(toUs); step++) {
        count += this.#steps[step] ?? 0;
      }
      bars.push({ fromMs: fromUs / 1000, toMs: toUs / 1000, count });
      fromUs = toUs;
    }
    const first = bars.findIndex(({ count }) => count > 0);
    const last = bars.findLastIndex(({ count }) => count > 0);
    return first < 0 ? [] : bars.slice(first, last + 1);
  }
}

function stepOf(us: number): number {
  if (us < EXACT_US) return us;
  const doubling = Math.floor(Math.log2(us)) - Math.log2(STEPS);
  return STEPS * doubling + Math.floor(us / 2 ** doubling);
}

/** The first microsecond of a step. */
function startOf(step: number): number {
  if (step < EXACT_US) return step;
  const doubling = Math.floor(step / STEPS) - 1;
  return (step - STEPS * doubling) * 2 ** doubling;
}
