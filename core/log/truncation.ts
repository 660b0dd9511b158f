/**
 * How a log of segments is cut, so that a crash at any moment leaves a prefix of
 * what was there and nothing that was cut comes back later; and which batches
 * of a leader may follow. Owns the order of deleting, cutting and syncing; where
 * to cut is the replica's to decide.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { KafkaError, storageError } from "../errors.ts";
import type { BatchView } from "../record/batch.ts";
import { beginSegment } from "./rolling.ts";
import { Segment } from "./segment.ts";
import { removeSnapshotsAfter, snapshotsIn } from "./snapshots.ts";

/** Throws unless the leader's batch can be the next one of a log that ends at `end`. */
export function checkReplicated(
  view: BatchView,
  { name, end }: { readonly name: string; readonly end: number },
): void {
  if (view.baseOffset < end) {
    throw new KafkaError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot append to ${name} at ${view.baseOffset}: the log ends at ${end}`,
    );
  }
  if (view.magic === 2 && view.lastOffsetDelta >= 0 && view.isCrcValid()) {
    return;
  }
  throw new KafkaError(
    "CORRUPT_MESSAGE",
    `Cannot append to ${name}: the leader's batch at ${view.baseOffset} is damaged`,
  );
}

/**
 * Puts an empty segment at `offset` in the place of all of a log that ends at
 * `end`; a crash leaves a part of the old one, or the new one. Throws a
 * `KafkaError` when the disk refuses it before anything was done.
 */
export function startOver(
  disk: Disk,
  { folder, old, end, offset }: {
    readonly folder: string;
    readonly old: readonly Segment[];
    readonly end: number;
    readonly offset: number;
  },
): Segment {
  // An empty segment ahead of its end is what a start takes out of a log.
  const isAhead = offset > end;
  if (!isAhead) removeSegments(disk, folder, old);
  let isStray = false;
  const onStray = () => isStray = true;
  let next: Segment;
  try {
    next = beginSegment(disk, { folder, baseOffset: offset, onStray });
  } catch (cause) {
    if (!isAhead || isStray) throw cause;
    throw storageError(`Cannot begin "${folder}" anew at ${offset}`, cause);
  }
  if (isAhead) removeSegments(disk, folder, old);
  return next;
}

/**
 * Deletes the files of `segments`, newest first, each for good before the next:
 * one that came back would stand behind a hole, or beside what is appended.
 */
function removeSegments(
  disk: Disk,
  folder: string,
  segments: readonly Segment[],
): void {
  for (const segment of [...segments].reverse()) {
    for (const file of segment.markDeleted()) disk.unlink(file);
    disk.syncDirectory(folder);
  }
}

/**
 * Cuts at `offset`: the segment that it lies in is the last one then. Gives
 * those that are no longer in use, whose handles may be in a sync still. The
 * one that was cut is another object, lest a cleaning takes it for what it read.
 */
export function cutSegments(
  disk: Disk,
  { folder, segments, offset }: {
    readonly folder: string;
    readonly segments: Segment[];
    readonly offset: number;
  },
): Segment[] {
  const at = segments.findLastIndex(({ baseOffset }) => baseOffset <= offset);
  const gone = segments.splice(at + 1);
  removeSegments(disk, folder, gone);
  const snapshots = snapshotsIn(disk, folder);
  removeSnapshotsAfter(offset, { disk, folder, snapshots });
  const old = segments[at]!;
  const position = old.positionOf(offset);
  old.saveIndexes();
  const { baseOffset } = old;
  const kept = new Segment(disk, { folder, baseOffset });
  kept.oweIndexes();
  kept.truncate(position, offset);
  kept.writer.syncDataSync();
  segments[at] = kept;
  gone.push(old);
  return gone;
}
