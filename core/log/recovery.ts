/**
 * Opens a log from its files. After a clean stop nothing is scanned; otherwise
 * every batch from the recovery point on is checked, the log is cut at the
 * first bad one, and indexes and producer state are made anew. Recovering
 * twice gives what recovering once gave.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { KafkaError, messageOf } from "../errors.ts";
import { partitionName } from "../ids.ts";
import type { BatchView } from "../record/batch.ts";
import { markerOf } from "../record/control.ts";
import {
  digestOfAborted,
  digestOfEpochs,
  digestOfProducers,
} from "./clean_stop.ts";
import { finishSwaps } from "./cleaner/swap.ts";
import { epochsFit, type EpochSources, rebuildEpochs } from "./epoch_check.ts";
import { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type { LogOptions } from "./log_options.ts";
import { ProducerStates } from "./producer_state.ts";
import type { Cut } from "./recovery_report.ts";
import { remakeAborted, takeIn } from "./remake.ts";
import { walkBatches } from "./scan.ts";
import { Segment, SEGMENT_SUFFIXES } from "./segment.ts";
import {
  removeSnapshotsAfter,
  snapshotOffsets,
  snapshotPath,
} from "./snapshots.ts";

/** What a log begins with. */
export interface OpenedLog {
  readonly segments: Segment[];
  readonly epochs: LeaderEpochCache;
  readonly producers: ProducerStates;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly recoveryPoint: number;
  /** Where records may be missing before others; undefined where none are. */
  readonly gapOffset: number | undefined;
  /** The offset up to which a snapshot knows all producers. */
  readonly snapshotOffset: number;
  /** Whether a clean stop left records here: all that leads to them is durable. */
  readonly isAnchored: boolean;
}

/** How much is scanned before somebody else may have a turn. */
const STEP_BYTES = 4 * 1024 * 1024;

/** Opens or begins the log in `options.folder`, however long that takes. */
export function openLog(options: LogOptions): OpenedLog {
  const steps = openSteps(options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same in steps that take no longer than others can wait: gives bytes scanned. */
export function* openSteps(
  options: LogOptions,
): Generator<number, OpenedLog> {
  const segments: Segment[] = [];
  try {
    return yield* openInto(segments, options);
  } catch (error) {
    // It may be tried again every second, as long as the disk is as it is.
    for (const segment of segments) segment.close();
    throw error;
  }
}

function* openInto(
  segments: Segment[],
  options: LogOptions,
): Generator<number, OpenedLog> {
  const { disk } = options.env;
  const { folder } = options;
  disk.mkdir(folder);
  const { baseOffsets, snapshots, aborting } = tidyFiles(disk, folder);
  const epochs = new LeaderEpochCache(disk, folder);
  const start = startOf(options, epochs);
  for (const baseOffset of baseOffsets.length === 0 ? [start] : baseOffsets) {
    const segment = new Segment(disk, { folder, baseOffset });
    segment.txnIndex.noteFile(aborting.has(baseOffset));
    segments.push(segment);
  }
  const isAborting = ({ baseOffset }: Segment) => aborting.has(baseOffset);
  const damaged = segments.find((segment, i) =>
    !hasIndexes(segment, {
      next: segments[i + 1]?.baseOffset,
      wasClean: options.wasClean,
      hasAborted: isAborting(segment),
    })
  );
  const { digest } = options;
  const isOther = digest !== undefined &&
    digestOfAborted(segments.filter(isAborting)) !== digest.aborted;
  const isClean = options.wasClean && damaged === undefined &&
    endsWhole(segments.at(-1)!, isAborting(segments.at(-1)!));
  const recoveryPoint = Math.min(
    options.recoveryPoint,
    damaged?.baseOffset ?? Infinity,
  );
  const producers = new ProducerStates();
  const sources = { disk, folder, segments, snapshots };
  const { logEndOffset, snapshotOffset, gapOffset } = isClean
    ? openClean(producers, { ...sources, options })
    : yield* recover(options, {
      ...sources,
      epochs,
      producers,
      recoveryPoint,
      logStartOffset: start,
      hasAborted: aborting.size > 0,
    });
  checkKept(options, logEndOffset);
  epochs.truncateFromEnd(logEndOffset + 1);
  const logStartOffset = Math.min(
    Math.max(start, segments[0]!.baseOffset),
    logEndOffset,
  );
  const all = { epochs, segments, logStartOffset, end: logEndOffset };
  mend(options, all, { isOther, isClean });
  for (const segment of segments) segment.release();
  return {
    segments,
    epochs,
    producers,
    snapshotOffset,
    logStartOffset,
    logEndOffset,
    gapOffset,
    isAnchored: isClean && logEndOffset > segments[0]!.baseOffset,
    recoveryPoint: isClean
      ? logEndOffset
      : Math.min(recoveryPoint, logEndOffset),
  };
}

/** Whether the segment's indexes can be used, as far as a few looks tell. */
function hasIndexes(
  segment: Segment,
  { next, wasClean, hasAborted }: {
    /** Where the next segment begins; undefined for the active one. */
    readonly next: number | undefined;
    readonly wasClean: boolean;
    readonly hasAborted: boolean;
  },
): boolean {
  // After a kill an active one's were in memory. Without its time index any
  // other would hide its records from look-ups.
  const isSaved = next !== undefined || wasClean;
  if (isSaved && isTrue(() => segment.lacksTimes(), true)) return false;
  return segment.hasSaneIndexes(next ?? Infinity) &&
    (!hasAborted ||
      segment.txnIndex.isSane(segment.baseOffset, next ?? Infinity));
}

/** A cut at `end` must not take along what was durable, where that is asked. */
function checkKept(options: LogOptions, end: number): void {
  const { folder, keptElsewhere, recoveryPoint } = options;
  if (keptElsewhere === undefined || end >= recoveryPoint) return;
  if (keptElsewhere() >= recoveryPoint) return;
  throw new KafkaError(
    "KAFKA_STORAGE_ERROR",
    `Cannot open "${folder}": it is damaged or cut at offset ${end}, and was on the disk up to ${recoveryPoint}; put it back from a copy, or delete recovery-point-offset-checkpoint to go on without the rest`,
  );
}

/**
 * Where the log starts. Its epochs begin there or before, as the file of them is
 * written first; without a digest a higher start would hide records.
 */
function startOf(
  { logStartOffset: told, digest }: LogOptions,
  epochs: LeaderEpochCache,
): number {
  const begin = epochs.entries[0]?.startOffset;
  if (begin === undefined) return told ?? 0;
  const isSure = digest !== undefined &&
    digest.epochs === digestOfEpochs(epochs);
  if (told === undefined) return isSure ? begin : 0;
  return digest === undefined ? Math.min(told, begin) : told;
}

/**
 * What else may be damaged. After a clean stop batches are looked at only where
 * files don't fit; a scan has told epochs anew, also of batches before the start.
 */
function mend(
  options: LogOptions,
  sources: EpochSources,
  { isOther, isClean }: {
    readonly isOther: boolean;
    readonly isClean: boolean;
  },
): void {
  const { env: { clock, disk }, folder, digest } = options;
  const { epochs } = sources;
  const began = clock.monoMs();
  if (isOther) remakeAborted(disk, { ...sources, folder });
  if (!isClean) {
    epochs.keepFrom(sources.logStartOffset);
    epochs.settle();
  }
  const isRight = !isClean ||
    (digest === undefined
      ? epochsFit(sources, { isQuick: true })
      : digestOfEpochs(epochs) === digest.epochs);
  if (!isClean || isRight && !isOther) return;
  if (!isRight) {
    rebuildEpochs(sources);
    epochs.save();
  }
  options.onRecovered?.({
    name: partitionName(options.topic, options.partition),
    scannedBytes: sources.segments.reduce((sum, { size }) => sum + size, 0),
    firstOffset: sources.segments[0]!.baseOffset,
    logEndOffset: sources.end,
    ms: clock.monoMs() - began,
    cut: undefined,
    gapOffset: undefined,
  });
}

/** Whether batches fill the segment; what a clean stop left may be damaged. */
function endsWhole(segment: Segment, hasAborted: boolean): boolean {
  return isTrue(() => {
    const next = segment.readNextOffset();
    return segment.holds(next - 1) && segment.hasSaneIndexes(next) &&
      (!hasAborted || segment.txnIndex.isSane(segment.baseOffset, next));
  }, false);
}

/** What `look` says, or `otherwise` where it meets no batch. */
function isTrue(look: () => boolean, otherwise: boolean): boolean {
  try {
    return look();
  } catch (error) {
    if (error instanceof KafkaError) return otherwise;
    throw error;
  }
}

/** What producers are rebuilt from. */
interface ProducerSources {
  readonly disk: Disk;
  readonly folder: string;
  readonly segments: readonly Segment[];
  /** Offsets of the snapshots that there are, rising. */
  readonly snapshots: readonly number[];
}

function openClean(
  producers: ProducerStates,
  { options, ...sources }: ProducerSources & { readonly options: LogOptions },
): Recovered {
  const { digest } = options;
  const { segments } = sources;
  const end = segments.at(-1)!.readNextOffset();
  let snapshotOffset = rebuildProducers(producers, { ...sources, end });
  const isOther = digest !== undefined && snapshotOffset === end &&
    digestOfProducers(producers) !== digest.producers;
  if (isOther) {
    const snapshots = sources.snapshots.filter((offset) => offset < end);
    snapshotOffset = rebuildProducers(producers, {
      ...sources,
      snapshots,
      end,
    });
  }
  removeSnapshotsAfter(end, sources);
  // A start found one that nobody has settled since.
  let gapOffset: number | undefined;
  const first = firstToScan(segments, options.recoveryPoint);
  for (let i = first; i < segments.length - 1; i++) {
    const next = endOf(segments[i]!);
    if (next === undefined) continue;
    if (isGapAt(next, segments[i + 1]!, options)) gapOffset ??= next;
  }
  return { logEndOffset: end, snapshotOffset, gapOffset };
}

/** Where the segment ends; undefined where damage hides it, which readers tell. */
function endOf(segment: Segment): number | undefined {
  try {
    return segment.readNextOffset();
  } catch (error) {
    if (error instanceof KafkaError) return undefined;
    throw error;
  }
}

/**
 * Whether power may have taken what was between a segment that ends at `end` and
 * the next one: a roll leaves no gap, and compaction only where all was durable.
 */
function isGapAt(
  end: number,
  { baseOffset }: Segment,
  { recoveryPoint, cleanedOffset = 0 }: LogOptions,
): boolean {
  return baseOffset > end && end >= Math.max(recoveryPoint, cleanedOffset);
}

/**
 * Brings `producers` to what they were at offset `end`: newest good snapshot
 * up to there, then the log. Gives the snapshot's offset, or where the log
 * begins.
 */
export function rebuildProducers(
  producers: ProducerStates,
  { disk, folder, segments, snapshots, end }: ProducerSources & {
    readonly end: number;
  },
): number {
  const start = segments[0]!.baseOffset;
  // What can't be read must not take along which transactions are open.
  const rebuilt = new ProducerStates();
  const from = snapshots.findLast((offset) =>
    offset >= start && offset <= end &&
    rebuilt.load(disk.readFile(snapshotPath(folder, offset)))
  );
  for (const [i, segment] of segments.entries()) {
    if (segment.baseOffset >= end) break;
    if ((segments[i + 1]?.baseOffset ?? end) <= (from ?? start)) continue;
    for (const located of segment.batchesFrom(0)) {
      const { batch } = located;
      if (batch.baseOffset >= end) break;
      if (batch.baseOffset < (from ?? start)) continue;
      const marker = batch.isControl
        ? markerOf(segment.wholeBatch(located))
        : undefined;
      rebuilt.update(batch, marker);
    }
  }
  producers.replaceWith(rebuilt, from);
  return from ?? start;
}

/** Removes what a crash left half done; gives the offsets of what is there. */
function tidyFiles(disk: Disk, folder: string) {
  /** Base offsets of segments that hold markers of aborted transactions. */
  const aborting = new Set<number>();
  const names = finishSwaps(disk, folder);
  const logs = new Set(
    names.filter((name) => /^\d{20}\.log$/.test(name))
      .map((name) => Number(name.slice(0, 20))),
  );
  for (const name of names) {
    const [, base, kind] = /^(\d{20})\.(.*index)$/.exec(name) ?? [];
    // A segment's log goes first: a crash left the rest of it.
    const isOrphan = base !== undefined && !logs.has(Number(base));
    if (isOrphan || /\.(deleted|tmp)$/.test(name)) {
      disk.unlink(`${folder}/${name}`);
    } else if (kind === "txnindex") aborting.add(Number(base));
  }
  const baseOffsets = [...logs].sort((one, other) => one - other);
  return { baseOffsets, snapshots: snapshotOffsets(names), aborting };
}

type Recovered = Pick<
  OpenedLog,
  "logEndOffset" | "snapshotOffset" | "gapOffset"
>;

interface Recovering extends ProducerSources {
  readonly segments: Segment[];
  readonly epochs: LeaderEpochCache;
  readonly producers: ProducerStates;
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  /** Whether there were aborted transactions in indexes, to be made anew. */
  readonly hasAborted: boolean;
}

/**
 * What files say of all before `end`, which isn't scanned, as far as batches
 * agree. Gives the offset of the snapshot that was used.
 */
function takeBelow(
  end: number,
  recovering: Recovering,
): number {
  const { epochs, producers } = recovering;
  const below = { ...recovering, end };
  epochs.keepBefore(end);
  if (!epochsFit(below, { isQuick: false })) rebuildEpochs(below);
  else epochs.beginBy(below.logStartOffset);
  return rebuildProducers(producers, below);
}

/** Scans from the recovery point on, and cuts what isn't good. */
function* recover(
  options: LogOptions,
  recovering: Recovering,
): Generator<number, Recovered> {
  const { segments, epochs, producers, recoveryPoint, hasAborted } = recovering;
  const { length: count } = segments;
  const { clock, disk } = options.env;
  const began = clock.monoMs();
  const first = firstToScan(segments, recoveryPoint);
  let next = segments[first]!.baseOffset;
  const snapshotOffset = takeBelow(next, recovering);
  let scannedBytes = 0;
  let cut: Cut | undefined;
  let gapOffset: number | undefined;
  for (let i = first; i < segments.length && cut === undefined; i++) {
    const segment = segments[i]!;
    const { size } = segment;
    const at = { offset: next, path: `${segment.path}.log` };
    if (segment.baseOffset < next) {
      // A roll failed here, and was done further on.
      if (size === 0) {
        removeFiles(disk, segments.splice(i--, 1));
        continue;
      }
      const why = `it begins at ${segment.baseOffset}, before the log's end`;
      cut = { ...at, position: 0, why, bytes: drop(disk, segments, i) };
      break;
    }
    const scan = yield* scanSegment(segment, {
      expected: segment.baseOffset,
      epochs,
      producers,
      indexIntervalBytes: options.config.indexIntervalBytes,
    });
    const position = scan.goodBytes;
    // One ahead of the log's end of which nothing is good is no part of it.
    const isGone = position === 0 && segment.baseOffset > next;
    if (!isGone) {
      if (isGapAt(next, segment, options)) gapOffset ??= next;
      next = scan.nextOffset;
    }
    scannedBytes += position;
    if (scan.why === undefined) continue;
    checkKept(options, next);
    const bytes = size - position + drop(disk, segments, i + 1);
    cut = { ...at, offset: next, position, why: scan.why, bytes };
    if (!isGone) cutDurably(segment, { position, nextOffset: next });
  }
  dropAhead(disk, segments, next);
  const frozen = segments.slice(first, -1);
  freezeAll(frozen, { disk, folder: options.folder });
  // What was deleted must not come back when later records are safe.
  const isChanged = frozen.length > 0 || segments.length < count || hasAborted;
  if (isChanged) disk.syncDirectory(options.folder);
  segments.at(-1)!.saveIndexes();
  // Power may have taken what filled a gap, and spared a snapshot that knows it.
  removeSnapshotsAfter(gapOffset ?? next, recovering);
  options.onRecovered?.({
    name: partitionName(options.topic, options.partition),
    scannedBytes,
    firstOffset: segments[0]!.baseOffset,
    logEndOffset: next,
    ms: clock.monoMs() - began,
    cut,
    gapOffset,
  });
  return { logEndOffset: next, snapshotOffset, gapOffset };
}

/**
 * What was cut may have been durable: power must not bring it back into a
 * segment that no start scans any more.
 */
function cutDurably(
  segment: Segment,
  { position, nextOffset }: {
    readonly position: number;
    readonly nextOffset: number;
  },
): void {
  segment.truncate(position, nextOffset);
  segment.writer.syncDataSync();
}

/** Times come last: with them the segments count as whole for the next start. */
function freezeAll(
  segments: readonly Segment[],
  { disk, folder }: { readonly disk: Disk; readonly folder: string },
): void {
  for (const segment of segments) segment.freezeOthers();
  if (segments.length > 0) disk.syncDirectory(folder);
  for (const segment of segments) segment.freezeTimes();
}

/**
 * Power may have taken the end of a segment, and left those that had only just
 * begun after it. What holds records stays: gaps have other reasons.
 */
function dropAhead(disk: Disk, segments: Segment[], end: number): void {
  const ahead = segments.findIndex(({ baseOffset }) => baseOffset > end);
  if (ahead > 0) drop(disk, segments, ahead);
}

/** Index of the segment that the recovery point lies in. */
function firstToScan(
  segments: readonly Segment[],
  recoveryPoint: number,
): number {
  const at = segments.findLastIndex(({ baseOffset }) =>
    baseOffset <= recoveryPoint
  );
  return Math.max(0, at);
}

/** Deletes the segments from index `from` on; gives their bytes. */
function drop(disk: Disk, segments: Segment[], from: number): number {
  const dropped = segments.splice(from);
  removeFiles(disk, dropped);
  return dropped.reduce((bytes, { size }) => bytes + size, 0);
}

function removeFiles(disk: Disk, segments: readonly Segment[]): void {
  for (const segment of segments) {
    segment.close();
    for (const suffix of [...SEGMENT_SUFFIXES, ".txnindex", ".snapshot"]) {
      disk.unlink(`${segment.path}${suffix}`);
    }
  }
}

interface Scan {
  readonly goodBytes: number;
  readonly nextOffset: number;
  /** Why it ends before the segment does. */
  readonly why: string | undefined;
}

/** Reads a whole segment, indexing its good batches, up to the first bad one. */
function* scanSegment(
  segment: Segment,
  { expected, epochs, producers, indexIntervalBytes }: {
    readonly expected: number;
    readonly epochs: LeaderEpochCache;
    readonly producers: ProducerStates;
    readonly indexIntervalBytes: number;
  },
): Generator<number, Scan> {
  segment.resetIndexes();
  let nextOffset = expected;
  let goodBytes = 0;
  let toldBytes = 0;
  const walk = walkBatches(segment, { size: segment.size });
  for (;;) {
    const { done, value } = walk.next();
    const why = done
      ? value.why
      : whyBad(value.batch, { expected: nextOffset, segment });
    if (done || why !== undefined) {
      yield goodBytes - toldBytes;
      return { goodBytes, nextOffset, why };
    }
    const { position, batch } = value;
    epochs.assign(batch.partitionLeaderEpoch, batch.baseOffset);
    segment.index(batch, position, indexIntervalBytes);
    takeIn(batch, { producers, segment, marker: markerOf(batch) });
    nextOffset = batch.nextOffset;
    goodBytes = position + batch.sizeInBytes;
    if (goodBytes - toldBytes < STEP_BYTES) continue;
    yield goodBytes - toldBytes;
    toldBytes = goodBytes;
  }
}

/** Why a batch can't be the next one of a log that ends at `expected`. */
export function whyBad(
  view: BatchView,
  { expected, segment }: {
    readonly expected: number;
    readonly segment: Segment;
  },
): string | undefined {
  try {
    if (view.baseOffset < expected) {
      return `its offset is ${view.baseOffset}, and ${expected} is due`;
    }
    if (!segment.holds(view.lastOffset)) {
      return `its last offset, ${view.lastOffset}, can't be in this segment`;
    }
    if (!view.isCrcValid()) return "the batch fails its CRC";
    if (view.lastOffsetDelta < 0) return "the batch ends before it begins";
    markerOf(view);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
