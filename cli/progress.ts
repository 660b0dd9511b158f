/**
 * One line on stderr that says how far a long command is, on a terminal only.
 * It must never print when stderr is a file or `--quiet` is given.
 *
 * @module
 */
import type { Settings } from "./settings.ts";
import { isDumb, isTerminal, monoMs, paintErr } from "./terminal.ts";
import { formatBytes } from "./units.ts";

const REFRESH_MS = 200;
/** What took less says nothing about a rate. */
const RATED_MS = 1000;

/** Counts records and bytes and shows them now and then. */
export class Progress {
  /** Records so far. */
  records = 0;
  /** Bytes so far. */
  bytes = 0;
  readonly #isShown: boolean;
  readonly #verb: string;
  #startMs = monoMs();
  #shownMs = -Infinity;

  constructor(verb: string, settings: Settings) {
    this.#verb = verb;
    // On the terminal that records are printed to, the line would be in the way.
    this.#isShown = !settings.isQuiet && isTerminal.stderr() && !isDumb() &&
      (verb !== "read" || !isTerminal.stdout());
  }

  /** Shows the line again when it is time. */
  tick(): void {
    if (!this.#isShown) return;
    const now = monoMs();
    // Waiting for the first one is no part of how fast they come.
    if (this.records === 0) this.#startMs = now;
    if (now - this.#shownMs < REFRESH_MS) return;
    this.#shownMs = now;
    paintErr(this.#line(now), { isLast: false });
  }

  /** Shows it for good; that nothing was done the error says better. */
  end(): void {
    if (!this.#isShown || (this.records === 0 && this.#verb !== "read")) return;
    paintErr(this.#line(monoMs()), { isLast: true });
  }

  #line(nowMs: number): string {
    const tookMs = nowMs - this.#startMs;
    const rate = Math.round(this.records * 1000 / tookMs);
    const told = `${this.#verb} ${this.records.toLocaleString("en-US")} ${
      this.records === 1 ? "record" : "records"
    }, ${formatBytes(this.bytes)}`;
    return tookMs < RATED_MS
      ? told
      : `${told}, ${rate.toLocaleString("en-US")} records/s`;
  }
}
