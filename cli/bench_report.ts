/**
 * What a benchmark found: figures and a drawn histogram on a terminal, JSON
 * off it, unless a format was asked for. It never measures.
 *
 * @module
 */
import { Histogram } from "./histogram.ts";
import { printAnswer } from "./output.ts";
import type { Settings } from "./settings.ts";
import { columns, isTerminal, monoMs, printOut } from "./terminal.ts";
import { formatBytes } from "./units.ts";

/** What is counted while it runs. */
export class Measured {
  /** Records that arrived. */
  records = 0;
  /** Records that did not. */
  failed = 0;
  /** Bytes of keys and values of those that arrived. */
  bytes = 0;
  /** How long it took them. */
  readonly latency: Histogram = new Histogram();
  #startMs = 0;
  #endMs = 0;

  /** Begins to count time. */
  start(): void {
    this.#startMs = monoMs();
    this.#endMs = this.#startMs;
  }

  /** Ends, or goes on, counting time. */
  lap(): void {
    this.#endMs = monoMs();
  }

  /** Between the two. */
  get seconds(): number {
    return Math.max(0.001, (this.#endMs - this.#startMs) / 1000);
  }
}

/** Prints what was measured. */
export async function printReport(
  measured: Measured,
  what: { benchmark: string; topic: string; latencyOf: string },
  settings: Settings,
): Promise<void> {
  const { records, failed, bytes, seconds, latency } = measured;
  const round = (value: number) => Math.round(value * 1000) / 1000;
  const found = {
    of: what.latencyOf,
    minMs: round(latency.minMs),
    meanMs: round(latency.meanMs),
    p50Ms: round(latency.percentileMs(0.5)),
    p95Ms: round(latency.percentileMs(0.95)),
    p99Ms: round(latency.percentileMs(0.99)),
    p999Ms: round(latency.percentileMs(0.999)),
    maxMs: round(latency.maxMs),
  };
  const json = {
    benchmark: what.benchmark,
    topic: what.topic,
    records,
    failed,
    bytes,
    seconds: round(seconds),
    recordsPerSecond: Math.round(records / seconds),
    bytesPerSecond: Math.round(bytes / seconds),
    latency: found,
    histogram: latency.bars(),
  };
  const isDrawn = isTerminal.stdout();
  const format = settings.isFormatAsked || isDrawn ? settings.format : "json";
  await printAnswer({
    json,
    columns: ["figure", "value"],
    rows: [
      ["records", records],
      ["failed", failed],
      ["seconds", json.seconds],
      ["records/s", json.recordsPerSecond],
      ["throughput", `${formatBytes(json.bytesPerSecond)}/s`],
      [`latency of ${what.latencyOf}`, `${found.meanMs} ms on average`],
      ["p50", `${found.p50Ms} ms`],
      ["p95", `${found.p95Ms} ms`],
      ["p99", `${found.p99Ms} ms`],
      ["p99.9", `${found.p999Ms} ms`],
      ["max", `${found.maxMs} ms`],
    ],
  }, { ...settings, format });
  if (format === "text" && isDrawn) printOut(drawn(latency));
}

/** One bar for each doubling, the longest as wide as the terminal. */
function drawn(latency: Histogram): string {
  const bars = latency.bars();
  const labels = bars.map(({ toMs }) => `< ${toMs} ms`);
  const left = Math.max(...labels.map(({ length }) => length));
  const counts = bars.map(({ count }) => count.toLocaleString("en-US"));
  const right = Math.max(...counts.map(({ length }) => length));
  const room = Math.max(1, columns() - left - right - 4);
  const most = Math.max(...bars.map(({ count }) => count));
  const lines = bars.map(({ count }, i) => {
    // What there is at all is seen.
    const cells = count === 0
      ? 0
      : Math.max(1, Math.round(room * count / most));
    return `${labels[i]!.padStart(left)}  ${"█".repeat(cells)} ${counts[i]}\n`;
  });
  return "\n" + lines.join("");
}
