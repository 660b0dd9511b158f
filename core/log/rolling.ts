/**
 * When a segment ends: full, too old, or out of room in an index; and how the
 * next one begins. When to roll is the log's to act on.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { javaHash } from "../ids.ts";
import type { BatchView } from "../record/batch.ts";
import type { LogConfig } from "./log_options.ts";
import { Segment } from "./segment.ts";

/** Whether `batch` belongs into a new segment behind `active`. */
export function mustRoll(
  active: Segment,
  batch: BatchView,
  { stagedBytes, config, log }: {
    /** Bytes that belong to the segment and are not in its file yet. */
    readonly stagedBytes: number;
    readonly config: LogConfig;
    /** Its name, from which segments get their share of the jitter. */
    readonly log: string;
  },
): boolean {
  const size = active.size + stagedBytes;
  if (size === 0) return false;
  const first = active.firstTimestamp();
  return size + batch.sizeInBytes > config.segmentBytes ||
    !active.holds(batch.lastOffset) ||
    first !== undefined && first >= 0 &&
      batch.maxTimestamp - first > rollMs(active, { config, log }) ||
    active.isIndexFull(config.segmentIndexBytes);
}

/** `segment.ms` less the segment's share of the jitter. */
function rollMs(
  { baseOffset }: Segment,
  { config, log }: { readonly config: LogConfig; readonly log: string },
): number {
  const { segmentMs, segmentJitterMs } = config;
  if (segmentJitterMs === 0) return segmentMs;
  const hash = javaHash(`${log}:${baseOffset}`) >>> 0;
  return segmentMs - Math.min(segmentMs, hash % segmentJitterMs);
}

/**
 * Begins an empty segment. One that could not be begun must not lie between
 * others later: `onStray` is told when it does.
 */
export function beginSegment(
  disk: Disk,
  { folder, baseOffset, onStray }: {
    readonly folder: string;
    readonly baseOffset: number;
    readonly onStray: (cause: unknown) => void;
  },
): Segment {
  const next = new Segment(disk, { folder, baseOffset });
  try {
    next.writer.truncate(0);
    next.size = 0;
    next.resetIndexes();
    disk.syncDirectory(folder);
    return next;
  } catch (error) {
    next.close();
    try {
      disk.unlink(`${next.path}.log`);
    } catch {
      onStray(error);
    }
    throw error;
  }
}
