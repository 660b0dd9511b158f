/**
 * What recovery found, in sentences for operators: one line for all logs, and
 * one for each that lost something. Owns the words; it decides nothing.
 *
 * @module
 */
import type { Trace } from "../env/env.ts";

/** Where a log was cut, and what went. */
export interface Cut {
  /** The first offset that is gone. */
  readonly offset: number;
  /** The file that the bad batch was in, and where. */
  readonly path: string;
  readonly position: number;
  readonly why: string;
  /** Bytes that are gone, later segments included. */
  readonly bytes: number;
}

/** A log that was scanned when it was opened. */
export interface RecoveredLog {
  /** `topic-partition`. */
  readonly name: string;
  readonly scannedBytes: number;
  readonly firstOffset: number;
  readonly logEndOffset: number;
  readonly ms: number;
  readonly cut: Cut | undefined;
  /** From where on records may be missing before others. */
  readonly gapOffset: number | undefined;
}

/** More are counted only: an operator reads no more. */
const TOLD_MAX = 50;

/** Tells what became of `logs`, scanned for `why`; nothing when there are none. */
export function traceRecovery(
  trace: Trace,
  logs: readonly RecoveredLog[],
  why: string,
): void {
  if (logs.length === 0) return;
  const cut = logs.filter((log) => log.cut !== undefined);
  const gaps = logs.filter((log) => log.gapOffset !== undefined);
  const losses = [
    cut.length > 0 ? `${cut.length} had to be cut` : "",
    gaps.length > 0 ? `${gaps.length} may lack records in between` : "",
  ].filter((loss) => loss !== "");
  const sum = (of: "scannedBytes" | "ms") =>
    Math.round(logs.reduce((sum, log) => sum + log[of], 0));
  const many = logs.length === 1 ? "1 log" : `${logs.length} logs`;
  trace(
    losses.length === 0 ? "info" : "warn",
    `Recovered ${many} after ${why}: ${
      losses.length === 0 ? "nothing is lost" : losses.join(", ")
    }`,
    { scannedBytes: sum("scannedBytes"), ms: sum("ms") },
  );
  for (const log of cut.slice(0, TOLD_MAX)) traceCut(trace, log);
  for (const { name, gapOffset } of gaps.slice(0, TOLD_MAX)) {
    trace(
      "warn",
      `${name} may lack records from offset ${gapOffset} on: power failed before they were on the disk, and spared later ones, which stay if no other replica can have what is missing`,
    );
  }
  const more = Math.max(0, cut.length - TOLD_MAX) +
    Math.max(0, gaps.length - TOLD_MAX);
  if (more > 0) trace("warn", `And ${more} more logs that lost something`);
}

function traceCut(
  trace: Trace,
  { name, cut, firstOffset, logEndOffset }: RecoveredLog,
): void {
  const { offset, path, position, why, bytes } = cut!;
  const kept = logEndOffset === firstOffset
    ? "nothing"
    : `${firstOffset} to ${logEndOffset - 1}`;
  trace("warn", `Cut ${name} at offset ${offset}: ${why}`, {
    path,
    position,
    cutBytes: bytes,
    keptOffsets: kept,
  });
}
