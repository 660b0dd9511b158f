/**
 * A log's configuration for tests: nothing happens by time or by size of what is
 * kept, nothing is flushed unasked. Tests name what matters to them.
 *
 * @module
 */
import type { LogConfig } from "./log_options.ts";

/** Small segments that only their size ends. */
export const LOG_CONFIG: LogConfig = {
  segmentBytes: 2000,
  segmentMs: 1e12,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_000,
  indexIntervalBytes: 100,
  retentionBytes: -1,
  retentionMs: -1,
  flushMessages: Infinity,
  flushMs: Infinity,
  fileDeleteDelayMs: 60_000,
  cleanupPolicy: { compact: false, delete: true },
};
