/**
 * Opens a log from its files. After a clean stop nothing is scanned; otherwise
 * every batch from the recovery point on is checked, the log is cut at the
 * first bad one, and indexes and producer state are made anew. Recovering
 * twice gives what recovering once gave.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { partitionName } from "../ids.ts";
import type { BatchView } from "../record/batch.ts";
import { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type { LogOptions } from "./log.ts";
import { ProducerStates } from "./producer_state.ts";
import { walkBatches } from "./scan.ts";
import { Segment, SEGMENT_SUFFIXES } from "./segment.ts";
import { snapshotOffsets, snapshotPath } from "./snapshots.ts";

/** What a log begins with. */
export interface OpenedLog {
  readonly segments: Segment[];
  readonly epochs: LeaderEpochCache;
  readonly producers: ProducerStates;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly recoveryPoint: number;
  /** The offset up to which a snapshot knows all producers. */
  readonly snapshotOffset: number;
}

/** Opens or begins the log in `options.folder`. */
export function openLog(options: LogOptions): OpenedLog {
  const { disk } = options.env;
  const { folder } = options;
  disk.mkdir(folder);
  const { baseOffsets, snapshots } = tidyFiles(disk, folder);
  const epochs = new LeaderEpochCache(disk, folder);
  const start = options.logStartOffset;
  const segments = (baseOffsets.length === 0 ? [start] : baseOffsets)
    .map((base) => new Segment(disk, folder, base));
  const isSane = segments.every((segment) =>
    segment.offsetIndex.isSane(segment.size)
  );
  const recoveryPoint = isSane
    ? options.recoveryPoint
    : segments[0]!.baseOffset;
  const logEndOffset = options.wasClean && isSane
    ? segments.at(-1)!.readNextOffset()
    : recover(options, { segments, epochs, recoveryPoint });
  const producers = new ProducerStates();
  const snapshotOffset = rebuildProducers(producers, {
    disk,
    folder,
    segments,
    snapshots,
  });
  epochs.truncateFromEnd(logEndOffset + 1);
  for (const segment of segments) segment.release();
  const logStartOffset = Math.min(
    Math.max(start, segments[0]!.baseOffset),
    logEndOffset,
  );
  return {
    segments,
    epochs,
    producers,
    snapshotOffset,
    logStartOffset,
    logEndOffset,
    recoveryPoint: options.wasClean && isSane
      ? logEndOffset
      : Math.min(recoveryPoint, logEndOffset),
  };
}

/**
 * Brings `producers` to the log's end: newest good snapshot, then the log.
 * Gives the snapshot's offset, or where the log begins.
 */
export function rebuildProducers(
  producers: ProducerStates,
  { disk, folder, segments, snapshots }: {
    readonly disk: Disk;
    readonly folder: string;
    readonly segments: readonly Segment[];
    /** Offsets of the snapshots that there are, rising. */
    readonly snapshots: readonly number[];
  },
): number {
  producers.clear();
  const end = segments.at(-1)!.readNextOffset();
  let from = segments[0]!.baseOffset;
  for (const offset of snapshots.toReversed()) {
    const path = snapshotPath(folder, offset);
    const isUsable = offset >= segments[0]!.baseOffset && offset <= end &&
      producers.load(disk.readFile(path));
    if (isUsable) {
      from = offset;
      break;
    }
    producers.clear();
    if (offset > end) disk.unlink(path);
  }
  for (const [i, segment] of segments.entries()) {
    if ((segments[i + 1]?.baseOffset ?? end) <= from) continue;
    for (const { batch } of segment.batchesFrom(0)) {
      if (batch.baseOffset >= from) producers.update(batch);
    }
  }
  return from;
}

/** Removes what a crash left half done; gives the offsets of what is there. */
function tidyFiles(disk: Disk, folder: string) {
  const baseOffsets: number[] = [];
  const names = disk.list(folder).map(({ name }) => name);
  for (const name of names) {
    if (/\.(deleted|tmp|cleaned)$/.test(name)) disk.unlink(`${folder}/${name}`);
    else if (/^\d{20}\.log$/.test(name)) {
      baseOffsets.push(Number(name.slice(0, 20)));
    }
  }
  baseOffsets.sort((a, b) => a - b);
  return { baseOffsets, snapshots: snapshotOffsets(names) };
}

interface Recovering {
  readonly segments: Segment[];
  readonly epochs: LeaderEpochCache;
  readonly recoveryPoint: number;
}

/** Scans from the recovery point; gives the log's end and says what it did. */
function recover(options: LogOptions, recovering: Recovering): number {
  const { segments, epochs, recoveryPoint } = recovering;
  const { clock, disk, trace } = options.env;
  const began = clock.monoMs();
  const first = Math.max(
    0,
    segments.findLastIndex((segment) => segment.baseOffset <= recoveryPoint),
  );
  let next = segments[first]!.baseOffset;
  let scannedBytes = 0;
  let cutBytes = 0;
  for (let i = first; i < segments.length; i++) {
    const segment = segments[i]!;
    const size = segment.size;
    if (segment.baseOffset < next) {
      cutBytes += drop(disk, segments, i);
      break;
    }
    const scan = scanSegment(segment, {
      expected: segment.baseOffset,
      epochs,
      indexIntervalBytes: options.config.indexIntervalBytes,
    });
    next = scan.nextOffset;
    scannedBytes += scan.goodBytes;
    if (scan.goodBytes === size) continue;
    cutBytes += size - scan.goodBytes + drop(disk, segments, i + 1);
    segment.truncate(scan.goodBytes, next);
    break;
  }
  for (const segment of segments.slice(first, -1)) segment.freeze();
  segments.at(-1)!.saveIndexes();
  if (scannedBytes + cutBytes > 0) {
    trace(
      "info",
      `Recovered ${partitionName(options.topic, options.partition)}`,
      {
        fromOffset: segments[first]!.baseOffset,
        scannedBytes,
        cutBytes,
        logEndOffset: next,
        ms: Math.round(clock.monoMs() - began),
      },
    );
  }
  return next;
}

/** Deletes the segments from index `from` on; gives their bytes. */
function drop(disk: Disk, segments: Segment[], from: number): number {
  let bytes = 0;
  for (const segment of segments.splice(from)) {
    bytes += segment.size;
    segment.close();
    for (const suffix of [...SEGMENT_SUFFIXES, ".txnindex", ".snapshot"]) {
      disk.unlink(`${segment.path}${suffix}`);
    }
  }
  return bytes;
}

interface Scan {
  readonly goodBytes: number;
  readonly nextOffset: number;
}

/** Reads a whole segment, indexing its good batches, up to the first bad one. */
function scanSegment(
  segment: Segment,
  { expected, epochs, indexIntervalBytes }: {
    readonly expected: number;
    readonly epochs: LeaderEpochCache;
    readonly indexIntervalBytes: number;
  },
): Scan {
  segment.resetIndexes();
  let nextOffset = expected;
  let goodBytes = 0;
  const walk = walkBatches(segment, { size: segment.size });
  for (const { position, batch } of walk) {
    if (!isGood(batch, nextOffset)) break;
    epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset);
    segment.index(batch, position, indexIntervalBytes);
    nextOffset = batch.nextOffset;
    goodBytes = position + batch.sizeInBytes;
  }
  return { goodBytes, nextOffset };
}

function isGood(view: BatchView, expected: number): boolean {
  try {
    return view.baseOffset >= expected && view.lastOffsetDelta >= 0 &&
      view.isCrcValid();
  } catch {
    return false;
  }
}
