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
}

/** More are counted only: an operator reads no more, and a log has them all. */
const CUTS_TOLD_MAX = 50;

/** Tells what became of `logs`, scanned for `why`; nothing when there are none. */
export function traceRecovery(
  trace: Trace,
  logs: readonly RecoveredLog[],
  why: string,
): void {
  if (logs.length === 0) return;
  const cut = logs.filter((log) => log.cut !== undefined);
  const sum = (of: "scannedBytes" | "ms") =>
    Math.round(logs.reduce((sum, log) => sum + log[of], 0));
  const many = logs.length === 1 ? "1 log" : `${logs.length} logs`;
  trace(
    cut.length === 0 ? "info" : "warn",
    `Recovered ${many} after ${why}: ${
      cut.length === 0 ? "nothing is lost" : `${cut.length} had to be cut`
    }`,
    { scannedBytes: sum("scannedBytes"), ms: sum("ms") },
  );
  for (const log of cut.slice(0, CUTS_TOLD_MAX)) traceCut(trace, log);
  const more = cut.length - CUTS_TOLD_MAX;
  if (more > 0) trace("warn", `And ${more} more logs that were cut`);
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
