/**
 * Which transactions take too long: by the wall clock, which alone counts over
 * restarts, and by the clock that never goes back, so that a wall clock that is
 * set back holds no reader for longer than the transaction's time-out. Owns
 * since when each is known to be open; it must never end one.
 *
 * @module
 */
import type { ListedTransaction } from "./inputs.ts";

interface Seen {
  /** Tells a transaction from the next one of its id. */
  readonly startMs: number;
  readonly monoMs: number;
}

/** The open transactions of one coordinator, as often as somebody looks. */
export class OpenTransactions {
  #seen = new Map<string, Seen>();

  /** Those of `open` that take too long; all others were ended. */
  overdue(
    open: readonly ListedTransaction[],
    { wallMs, monoMs }: { readonly wallMs: number; readonly monoMs: number },
  ): ListedTransaction[] {
    const seen = new Map<string, Seen>();
    const found = open.filter(({ transactionalId, startMs, timeoutMs }) => {
      const before = this.#seen.get(transactionalId);
      const since = before?.startMs === startMs ? before : { startMs, monoMs };
      seen.set(transactionalId, since);
      return wallMs > startMs + timeoutMs || monoMs > since.monoMs + timeoutMs;
    });
    this.#seen = seen;
    return found;
  }
}
