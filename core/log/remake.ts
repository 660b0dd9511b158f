/**
 * Makes the aborted transactions of a log anew, from its batches' headers and
 * markers alone. Owns the walk; it must never cut a log: what it can't read is
 * told to whoever reads it.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import type { BatchView } from "../record/batch.ts";
import { type EndTransactionMarker, markerOf } from "../record/control.ts";
import { ProducerStates } from "./producer_state.ts";
import type { Segment } from "./segment.ts";

/** Makes the `.txnindex` of every segment anew, durably. */
export function remakeAborted(
  disk: Disk,
  { folder, segments, end }: {
    readonly folder: string;
    readonly segments: readonly Segment[];
    readonly end: number;
  },
): void {
  const producers = new ProducerStates();
  for (const segment of segments) {
    segment.txnIndex.reset();
    try {
      for (const located of segment.batchesFrom(0)) {
        const { batch } = located;
        if (batch.baseOffset >= end) break;
        const marker = batch.isControl
          ? markerOf(segment.wholeBatch(located))
          : undefined;
        takeIn(batch, { producers, segment, marker });
      }
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
    }
    segment.txnIndex.freeze();
  }
  disk.syncDirectory(folder);
}

/**
 * What an appended batch does to producers and their transactions: an aborted
 * one is noted in the segment that its marker lies in.
 */
export function takeIn(
  batch: BatchView,
  { producers, segment, marker }: {
    readonly producers: ProducerStates;
    readonly segment: Segment;
    readonly marker: EndTransactionMarker | undefined;
  },
): void {
  const completed = producers.update(batch, marker);
  if (completed === undefined || !completed.isAborted) return;
  const { producerId, firstOffset, lastOffset } = completed;
  const lastStableOffset = producers.firstOpenOffset ?? lastOffset + 1;
  segment.txnIndex.append({
    producerId,
    firstOffset,
    lastOffset,
    lastStableOffset,
  });
}
