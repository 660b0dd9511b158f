/**
 * Whether the leader epochs of a file are those of the log's batches, and
 * making them anew from these. Owns what is looked at: the batches at both
 * sides of every boundary, first and last. It must never take the file's word
 * against a batch's.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type { BatchView } from "../record/batch.ts";
import type { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type { Segment } from "./segment.ts";

/** A log, up to where its batches are known to be whole. */
export interface EpochSources {
  readonly epochs: LeaderEpochCache;
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly end: number;
}

/**
 * Whether the epochs fit the batches below `end`. Looks at the last batch and,
 * unless it `isQuick`, at what lies around each boundary: an entry that is
 * gone, moved or another shows at one of them.
 */
export function epochsFit(
  { epochs, segments, logStartOffset, end }: EpochSources,
  { isQuick }: { readonly isQuick: boolean },
): boolean {
  const known = epochs.entries.filter(({ startOffset }) => startOffset < end);
  const first = Math.max(logStartOffset, segments[0]!.baseOffset);
  if (first >= end) return true;
  const begin = known[0]?.startOffset ?? Infinity;
  const isRight = (offset: number): boolean => {
    const batch = batchNear(segments, offset);
    if (batch === undefined || batch.baseOffset >= end) return true;
    const { partitionLeaderEpoch, baseOffset } = batch;
    // The first epoch begins where the log did: its checkpoint may be older.
    const epoch = baseOffset < begin
      ? known[0]?.epoch
      : epochs.epochAt(baseOffset);
    return partitionLeaderEpoch < 0 || partitionLeaderEpoch === epoch;
  };
  if (!isRight(end - 1) || begin > first && !isRight(first)) return false;
  if (isQuick) return true;
  return known.every(({ startOffset }, i) =>
    isRight(startOffset) && (i === 0 || isRight(startOffset - 1))
  );
}

/** Makes the epochs of all batches below `end` anew. */
export function rebuildEpochs(sources: EpochSources): void {
  const { epochs, segments, end, logStartOffset } = sources;
  epochs.keepBefore(0);
  for (const segment of segments) {
    if (segment.baseOffset >= end) break;
    ifReadable(() => {
      for (const { batch } of segment.batchesFrom(0)) {
        if (batch.baseOffset >= end) return;
        if (batch.partitionLeaderEpoch < 0) continue;
        epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset);
      }
    });
  }
  epochs.keepFrom(logStartOffset);
}

/** The batch that holds `offset`, or the next one; undefined when none can be read. */
function batchNear(
  segments: readonly Segment[],
  offset: number,
): BatchView | undefined {
  const at = segments.findLastIndex(({ baseOffset }) => baseOffset <= offset);
  return ifReadable(() => {
    for (const segment of segments.slice(Math.max(0, at))) {
      const position = segment.positionOf(offset);
      if (position < segment.size) return segment.batchAt(position).batch;
    }
    return undefined;
  });
}

/** What `look` gives; undefined where it meets no batch: who reads is told. */
function ifReadable<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof KafkaError) return undefined;
    throw error;
  }
}
