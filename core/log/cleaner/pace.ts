/**
 * Keeps a cleaning from keeping others waiting: it works for a moment, rests
 * as long, and sleeps when it was faster than its bytes per second allow.
 *
 * @module
 */
import type { Clock } from "../../env/env.ts";

/** How long a cleaning may keep the event loop to itself; one batch is whole. */
const SLICE_MS = 2;
/** Longest sleep before the allowance, which may change, is looked at again. */
const SLEEP_MS_MAX = 500;

/** The pace of one cleaning. */
export class Pace {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #bytesPerSecond: () => number;
  #sliceBeganMs: number;
  /** What was read and written beyond the allowance of the time that passed. */
  #excessBytes = 0;
  #creditedMs: number;

  constructor(
    { clock, signal, bytesPerSecond }: {
      readonly clock: Clock;
      /** Ends every pause, with a throw. */
      readonly signal: AbortSignal;
      readonly bytesPerSecond: () => number;
    },
  ) {
    this.#clock = clock;
    this.#signal = signal;
    this.#bytesPerSecond = bytesPerSecond;
    this.#sliceBeganMs = clock.monoMs();
    this.#creditedMs = this.#sliceBeganMs;
  }

  /** Counts bytes that were read or written. */
  count(bytes: number): void {
    this.#excessBytes += bytes;
  }

  /** Whether others should have a turn now. */
  get isPauseDue(): boolean {
    return this.#clock.monoMs() - this.#sliceBeganMs >= SLICE_MS ||
      this.#excessMs() > SLICE_MS;
  }

  async pause(): Promise<void> {
    const workedMs = this.#clock.monoMs() - this.#sliceBeganMs;
    await this.#clock.sleep(Math.min(workedMs, SLEEP_MS_MAX), this.#signal);
    for (let ms = this.#excessMs(); ms > 0; ms = this.#excessMs()) {
      await this.#clock.sleep(Math.min(ms, SLEEP_MS_MAX), this.#signal);
    }
    this.#sliceBeganMs = this.#clock.monoMs();
  }

  /** How long the allowance needs for what is beyond it. */
  #excessMs(): number {
    const nowMs = this.#clock.monoMs();
    const bytesPerMs = this.#bytesPerSecond() / 1000;
    // What was not used of the allowance is not saved up.
    this.#excessBytes = Math.max(
      0,
      this.#excessBytes - (nowMs - this.#creditedMs) * bytesPerMs,
    );
    this.#creditedMs = nowMs;
    return this.#excessBytes / bytesPerMs;
  }
}
