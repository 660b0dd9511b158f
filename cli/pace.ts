/**
 * How many records a command makes, for how long and how fast. The one loop of
 * the commands that make records: it keeps the pace, lets the network have its
 * turns, and ends at the bounds or at Ctrl-C. It knows nothing of records.
 *
 * @module
 */
import type { Flags } from "./command.ts";
import { UsageError } from "./failure.ts";
import { monoMs, nextTurn, sleep } from "./terminal.ts";
import { parseCount, parseDuration } from "./units.ts";

/** Made in one go before sockets and signals have their turn. */
const TURN_RECORDS = 256;
/** Timers are no finer: what is due within it is made now. */
const EARLY_MS = 2;
/** How late they may be. */
const LATE_MS = 20;

/** Where a run ends, and its pace. */
export interface Bounds {
  readonly count: number;
  readonly durationMs: number;
  readonly perSecond: number;
}

/** Reads `--count`, `--duration` and `--rate`; without the first two, `count`. */
export function readBounds(
  flags: Flags,
  defaults: { readonly count: number; readonly perSecond?: number },
): Bounds {
  const durationMs = flags.parsed("duration", parseDuration);
  return {
    count: flags.parsed(
      "count",
      (text) => parseCount(text, { name: "a count" }),
    ) ?? (durationMs === undefined ? defaults.count : Infinity),
    durationMs: durationMs ?? Infinity,
    perSecond: flags.parsed("rate", parseRate) ?? defaults.perSecond ??
      Infinity,
  };
}

/** `--rate`: records per second. */
export function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text);
  const rate = Number(match?.[1] ?? 0);
  if (rate > 0) return rate;
  throw new UsageError(
    `Cannot read "${text}" as records per second: write it like 1000 or 0.5`,
  );
}

/**
 * Keeps records that come from elsewhere from going out faster than so many a
 * second. Time in which none came is not made up for.
 */
export class Pace {
  readonly #intervalMs: number;
  readonly #stop: AbortSignal;
  #dueMs: number | undefined;

  constructor(perSecond: number, stop: AbortSignal) {
    this.#intervalMs = 1000 / perSecond;
    this.#stop = stop;
  }

  /** To be awaited after a record, before the next one. */
  next(): Promise<void> | undefined {
    const nowMs = monoMs();
    // What a timer was late by is made up for.
    const lateMs = this.#intervalMs + LATE_MS;
    const dueMs = Math.max(this.#dueMs ?? nowMs, nowMs - lateMs);
    this.#dueMs = dueMs + this.#intervalMs;
    const earlyMs = this.#dueMs - nowMs;
    return earlyMs > EARLY_MS ? sleep(earlyMs, this.#stop) : undefined;
  }
}

/** Calls `make` with 0, 1, 2… within the bounds; awaits what it returns. */
export async function paced(
  bounds: Bounds,
  stop: AbortSignal,
  make: (n: number) => Promise<void> | undefined,
): Promise<void> {
  const startMs = monoMs();
  const endMs = startMs + bounds.durationMs;
  const isPaced = bounds.perSecond !== Infinity;
  for (let n = 0; n < bounds.count; n++) {
    if (isPaced) {
      const dueMs = startMs + n * 1000 / bounds.perSecond;
      const earlyMs = Math.min(dueMs, endMs) - monoMs();
      if (earlyMs > EARLY_MS) await sleep(earlyMs, stop);
      if (dueMs >= endMs) return;
    }
    if (n % TURN_RECORDS === 0) await nextTurn();
    if (stop.aborted || monoMs() >= endMs) return;
    const waits = make(n);
    if (waits !== undefined) await waits;
  }
}
