/**
 * How dirty a compacted log is and how far it may be cleaned. Decides only.
 *
 * @module
 */
import type { Log } from "../log.ts";
import type { Segment } from "../segment.ts";

/** The part of a topic's config that its cleaning obeys. */
export interface CleanConfig {
  readonly cleanupPolicy: { readonly compact: boolean };
  readonly deleteRetentionMs: number;
  readonly indexIntervalBytes: number;
  readonly maxCompactionLagMs: number;
  readonly minCleanableDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
}

/** A log that may be compacted, as its partition sees it. */
export interface Compactable {
  readonly log: Log;
  readonly config: CleanConfig;
  /** Nothing at or above is ever cleaned. */
  readonly lastStableOffset: number;
  readonly highWatermark: number;
  /** Whether no replica lacks anything that is committed. */
  readonly isFullyInSync: boolean;
}

/** What a cleaning of a log would have to do. */
export interface Dirt {
  /** Everything below was cleaned before. */
  readonly firstDirtyOffset: number;
  /** Where a segment begins that must not be cleaned. */
  readonly firstUncleanableOffset: number;
  readonly cleanableBytes: number;
  /** Part of the bytes up to there that is dirty. */
  readonly ratio: number;
  /** How long `max.compaction.lag.ms` has been passed; 0: it isn't. */
  readonly delayMs: number;
}

/** How dirty the log is. */
export function dirtOf(
  { log, config, lastStableOffset }: Omit<
    Compactable,
    "highWatermark" | "isFullyInSync"
  >,
  nowMs: number,
): Dirt {
  const firstDirtyOffset = Math.max(
    log.cleanedOffset ?? 0,
    log.logStartOffset,
  );
  const [, ...nextOnes] = log.segments;
  const clean = nextOnes.findIndex(({ baseOffset }) =>
    baseOffset > firstDirtyOffset
  );
  const frozen = log.segments.slice(0, -1);
  const dirty = clean < 0 ? [] : frozen.splice(clean);
  const end = uncleanableFrom(dirty, {
    active: log.segments.at(-1)!,
    bound: Math.min(lastStableOffset, log.recoveryPoint),
    youngerThanMs: nowMs - config.minCompactionLagMs,
    hasLag: config.minCompactionLagMs > 0,
  });
  const cleanable = dirty.filter(({ baseOffset }) => baseOffset < end);
  const cleanableBytes = sizeOf(cleanable);
  const bytes = cleanableBytes + sizeOf(frozen);
  return {
    firstDirtyOffset,
    firstUncleanableOffset: Math.max(firstDirtyOffset, end),
    cleanableBytes,
    ratio: bytes === 0 ? 0 : cleanableBytes / bytes,
    delayMs: compactionDelay(dirty, nowMs - config.maxCompactionLagMs),
  };
}

/** Whether the dirt is enough for a cleaning. */
export function isDue(dirt: Dirt, config: CleanConfig): boolean {
  if (dirt.cleanableBytes === 0) return false;
  return dirt.delayMs > 0 || dirt.ratio > config.minCleanableDirtyRatio;
}

/** The first of the segments that must stay as they are. */
function uncleanableFrom(
  dirty: readonly Segment[],
  { active, bound, youngerThanMs, hasLag }: {
    readonly active: Segment;
    readonly bound: number;
    readonly youngerThanMs: number;
    readonly hasLag: boolean;
  },
): number {
  for (const [i, segment] of dirty.entries()) {
    const nextBase = (dirty[i + 1] ?? active).baseOffset;
    const isYoung = hasLag && segment.maxTimestamp > youngerThanMs;
    if (nextBase > bound || isYoung) return segment.baseOffset;
  }
  return active.baseOffset;
}

function compactionDelay(
  dirty: readonly Segment[],
  cleanUntilMs: number,
): number {
  // Nothing is older than a lag without end.
  if (cleanUntilMs === -Infinity) return 0;
  let earliest = Infinity;
  for (const segment of dirty) {
    const first = segment.firstTimestamp() ?? -1;
    if (first > 0) earliest = Math.min(earliest, first);
  }
  return earliest < cleanUntilMs ? cleanUntilMs - earliest : 0;
}

function sizeOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { size }) => sum + size, 0);
}
