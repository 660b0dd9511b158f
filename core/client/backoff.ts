/**
 * How long to wait before trying again: exponential with jitter, so that many
 * clients don't come back at once (KIP-580). Owns no timer.
 *
 * @module
 */
import type { Random } from "../env/env.ts";

const JITTER = 0.2;
const EXPONENT_MAX = 30;

/** The pause before attempt `attempt` (0 is the first retry), in ms. */
export function backoffMs(
  attempt: number,
  { baseMs, maxMs, random }: {
    readonly baseMs: number;
    readonly maxMs: number;
    readonly random: Random;
  },
): number {
  const grown = baseMs * 2 ** Math.min(attempt, EXPONENT_MAX);
  const spread = 1 - JITTER + 2 * JITTER * random.u32() / 4294967296;
  return Math.min(maxMs, grown * spread);
}
