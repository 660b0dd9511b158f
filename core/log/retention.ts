/**
 * Which segments may go: too old, too many bytes, or wholly below the log
 * start. Decides only; the log deletes.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type { LogConfig } from "./log_options.ts";
import type { Segment } from "./segment.ts";

/** What retention may know of the moment. */
export interface RetentionBounds {
  readonly nowMs: number;
  /** No record at or above is ever deleted. */
  readonly highWatermark: number;
}

/** How many of the oldest segments lie wholly below `offset`. */
export function firstSegmentToKeep(
  segments: readonly Segment[],
  offset: number,
): number {
  let count = 0;
  while (
    count + 1 < segments.length && segments[count + 1]!.baseOffset <= offset
  ) count++;
  return count;
}

/** How many of the oldest segments time or size lets go; never the active one. */
export function deletableSegments(
  segments: readonly Segment[],
  { nowMs, highWatermark, config }: RetentionBounds & {
    readonly config: LogConfig;
  },
): number {
  if (!config.cleanupPolicy.delete) return 0;
  const { retentionMs, retentionBytes } = config;
  let size = segments.reduce((sum, segment) => sum + segment.size, 0);
  let count = 0;
  while (
    count + 1 < segments.length &&
    segments[count + 1]!.baseOffset <= highWatermark
  ) {
    const segment = segments[count]!;
    const isTooOld = retentionMs >= 0 && retentionMs !== Infinity &&
      isOlderThan(segment, nowMs - retentionMs);
    const isTooMuch = retentionBytes >= 0 &&
      size - segment.size >= retentionBytes;
    if (!isTooOld && !isTooMuch) break;
    size -= segment.size;
    count++;
  }
  return count;
}

/** Whether the active segment should be rolled, so that it can go. */
export function isActiveTooOld(
  { size, maxTimestamp }: Segment,
  { nowMs, config }: RetentionBounds & { readonly config: LogConfig },
): boolean {
  const { cleanupPolicy, retentionMs } = config;
  return cleanupPolicy.delete && size > 0 && retentionMs >= 0 &&
    maxTimestamp >= 0 && nowMs - maxTimestamp > retentionMs;
}

/**
 * Damage to a time index must not take young records along: the last say it,
 * too. Where they can't be read, what the file says must not keep all behind it.
 */
function isOlderThan(segment: Segment, timeMs: number): boolean {
  if (ageFrom(segment) >= timeMs) return false;
  try {
    segment.readNextOffset();
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return segment.mtimeMs < timeMs;
  }
  return ageFrom(segment) < timeMs;
}

function ageFrom(segment: Segment): number {
  return segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.mtimeMs;
}
