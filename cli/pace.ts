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

function parseRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text);
  const rate = Number(match?.[1] ?? 0);
  if (rate > 0) return rate;
  throw new UsageError(
    `Cannot read "${text}" as records per second: write it like 1000 or 0.5`,
  );
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
