/**
 * Deadlines of everything that waits in the broker, behind one timer. Owns a
 * coarse wheel (late by up to its step, never early); it must never hold a
 * timer while nothing waits.
 *
 * @module
 */
import type { Cancel, Clock } from "../../core/env/env.ts";

const STEP_MS = 8;

/** One deadline; give it back to {@linkcode Deadlines.cancel}. */
export interface Deadline {
  readonly tick: number;
  readonly onDue: () => void;
}

/**
 * The wheel.
 *
 * Invariants:
 * 1. No bucket is empty.
 * 2. The timer, when set, fires at or before the earliest bucket.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #buckets = new Map<number, Set<Deadline>>();
  #armedTick = Infinity;
  #cancelTimer: Cancel | undefined;
  #count = 0;
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many deadlines wait. */
  get count(): number {
    return this.#count;
  }

  /** Calls `onDue` once after `ms`, unless cancelled before. */
  add(ms: number, onDue: () => void): Deadline {
    const tick = Math.ceil((this.#clock.monoMs() + ms) / STEP_MS);
    const deadline = { tick, onDue };
    let bucket = this.#buckets.get(tick);
    if (bucket === undefined) this.#buckets.set(tick, bucket = new Set());
    bucket.add(deadline);
    this.#count++;
    // A read of the disk may end, and park, when everything else has stopped.
    if (this.#isOver) Promise.resolve().then(() => this.endAll());
    else if (tick < this.#armedTick) this.#arm(tick);
    return deadline;
  }

  /** Forgets `deadline`; fine when it is due or forgotten already. */
  cancel(deadline: Deadline): void {
    const bucket = this.#buckets.get(deadline.tick);
    if (bucket === undefined || !bucket.delete(deadline)) return;
    this.#count--;
    if (bucket.size === 0) this.#buckets.delete(deadline.tick);
  }

  /** Meets all of them at once, and those to come: nobody shall wait any longer. */
  endAll(): void {
    this.#isOver = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#armedTick = Infinity;
    const all = [...this.#buckets.values()].flatMap((bucket) => [...bucket]);
    this.#buckets.clear();
    this.#count = 0;
    for (const { onDue } of all) onDue();
  }

  #arm(tick: number): void {
    this.#cancelTimer?.();
    this.#armedTick = tick;
    const ms = Math.max(0, tick * STEP_MS - this.#clock.monoMs());
    this.#cancelTimer = this.#clock.timer(ms, () => this.#fire());
  }

  #fire(): void {
    this.#cancelTimer = undefined;
    this.#armedTick = Infinity;
    const now = Math.floor(this.#clock.monoMs() / STEP_MS);
    let earliest = Infinity;
    const due: Deadline[] = [];
    for (const [tick, bucket] of this.#buckets) {
      if (tick > now) {
        earliest = Math.min(earliest, tick);
        continue;
      }
      this.#buckets.delete(tick);
      this.#count -= bucket.size;
      due.push(...bucket);
    }
    if (earliest < this.#armedTick) this.#arm(earliest);
    for (const { onDue } of due) onDue();
  }
}
