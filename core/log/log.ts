/**
 * The append log of one partition over Kafka's files. Owns offsets, rolling,
 * flushing and reads; opening after a crash is `recovery.ts`. Bytes that were
 * appended are never changed, and nothing is called appended before it was
 * handed to the file system.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { type Cancel, DiskError, type DiskFile } from "../env/env.ts";
import { KafkaError, storageError } from "../errors.ts";
import { partitionName } from "../ids.ts";
import { invariant } from "../invariant.ts";
import { batchesOf, BatchView } from "../record/batch.ts";
import { markerOf } from "../record/control.ts";
import { Anchor } from "./anchor.ts";
import { digestOfLog, type LogDigest } from "./clean_stop.ts";
import { Deletions } from "./deletions.ts";
import { Flusher } from "./flusher.ts";
import type { LeaderEpochCache } from "./leader_epoch_cache.ts";
import type {
  Appended,
  AppendOptions,
  LogConfig,
  LogEnv,
  LogOptions,
} from "./log_options.ts";
import { swapIn, type SwapOptions } from "./cleaner/swap.ts";
import {
  findTimestamp,
  LogReader,
  type LogReadOptions,
  type TimedOffset,
} from "./log_reader.ts";
import type {
  ActiveProducer,
  LastDataBatch,
  ProducerStates,
  SequencedBatch,
  VerificationGuard,
} from "./producer_state.ts";
import {
  type OpenedLog,
  openLog,
  openSteps,
  rebuildProducers,
} from "./recovery.ts";
import { takeIn } from "./remake.ts";
import {
  deletableSegments,
  firstSegmentToKeep,
  isActiveTooOld,
  type RetentionBounds,
} from "./retention.ts";
import { beginSegment, mustRoll } from "./rolling.ts";
import { Segment } from "./segment.ts";
import {
  removeSnapshotsBefore,
  snapshotsIn,
  SnapshotWriter,
} from "./snapshots.ts";
import { GATHER_BELOW_BYTES, Staging } from "./staging.ts";
import { checkReplicated, cutSegments, startOver } from "./truncation.ts";
import { abortedFrom, type AbortedTransaction } from "./txn_index.ts";

const EMPTY = new Uint8Array(0);
/** Each costs a sync of the folder, for which everybody waits. */
const DELETED_AT_ONCE = 4;

/**
 * The log of one partition.
 *
 * Invariants:
 * 1. logStartOffset ≤ flushedOffset, settledOffset ≤ written offset ≤ logEndOffset.
 * 2. Segments are sorted by base offset; the last one is active.
 * 3. After a failed sync nothing is appended any more.
 */
export class Log {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: Uuid;
  readonly folder: string;
  readonly name: string;
  readonly #env: LogEnv;
  readonly #segments: Segment[];
  readonly #epochs: LeaderEpochCache;
  readonly #producers: ProducerStates;
  readonly #staging = new Staging();
  readonly #anchor: Anchor;
  readonly #flusher: Flusher;
  readonly #reader = new LogReader(this.#staging, () => this.writeStaged());
  readonly #view = new BatchView(EMPTY);
  readonly #settledListeners: (() => void)[] = [];
  readonly #onSynced: ((ms: number) => void) | undefined;
  readonly #onCut: (() => void) | undefined;
  #config: LogConfig;
  #logStartOffset: number;
  #logEndOffset: number;
  #writtenOffset: number;
  readonly #snapshots: SnapshotWriter;
  #cleanedOffset: number | undefined;
  #gapOffset: number | undefined;
  #failure: KafkaError | undefined;
  #isRefused = false;
  #digest: LogDigest | undefined;
  readonly #deletions: Deletions;
  /** Ends when the handles of deleted segments are closed. */
  #closing = Promise.resolve();
  #isTurnEndDue = false;
  #cancelFlushTimer: Cancel | undefined;
  #isClosed = false;

  /** Opens the log in `options.folder`, or begins one there. */
  static open(options: LogOptions): Log {
    return new Log(options, openLog(options));
  }

  /** The same, but `onStep` is awaited whenever a scan has read some bytes. */
  static async openLater(
    options: LogOptions,
    onStep: (bytes: number) => Promise<void> | undefined,
  ): Promise<Log> {
    const steps = openSteps(options);
    for (;;) {
      const { done, value } = steps.next();
      if (done) return new Log(options, value);
      await onStep(value);
    }
  }

  private constructor(options: LogOptions, opened: OpenedLog) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.folder = options.folder;
    this.name = partitionName(options.topic, options.partition);
    this.#env = options.env;
    this.#deletions = new Deletions(options.env);
    this.#config = options.config;
    this.#onSynced = options.onSynced;
    this.#onCut = options.onCut;
    this.#segments = opened.segments;
    this.#producers = opened.producers;
    this.#epochs = opened.epochs;
    this.#logStartOffset = opened.logStartOffset;
    this.#logEndOffset = opened.logEndOffset;
    this.#writtenOffset = opened.logEndOffset;
    this.#gapOffset = opened.gapOffset;
    this.#snapshots = new SnapshotWriter(options.env.disk, {
      folder: options.folder,
      producers: opened.producers,
      offset: opened.snapshotOffset,
    });
    const { cleanedOffset = Infinity } = options;
    // Recovery may have cut off what was cleaned: others come in its place.
    if (cleanedOffset <= opened.logEndOffset) {
      this.#cleanedOffset = cleanedOffset;
    }
    this.#anchor = new Anchor(options, opened);
    this.#flusher = new Flusher(this.#flushable(), opened.recoveryPoint);
    // What a crash left unflushed settles without waiting for an append.
    this.#scheduleFlush();
  }

  get config(): LogConfig {
    return this.#config;
  }

  /** The first offset that can be read. */
  get logStartOffset(): number {
    return this.#logStartOffset;
  }

  /** Whether the disk failed it for good: nothing more is appended. */
  get isOffline(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether the disk refuses what is appended, for good or until there is room. */
  get isRefused(): boolean {
    return this.isOffline || this.#isRefused;
  }

  /** The offset that the next record gets. */
  get logEndOffset(): number {
    return this.#logEndOffset;
  }

  /** What was handed to the file; the disk may still refuse what is behind it. */
  get writtenOffset(): number {
    return this.#writtenOffset;
  }

  /** Everything below that is in the log is durable. */
  get flushedOffset(): number {
    return this.#flusher.flushedOffset;
  }

  /** Everything below is durable, and was never lost. */
  get recoveryPoint(): number {
    return Math.min(this.flushedOffset, this.#gapOffset ?? Infinity);
  }

  /** The newest leader epoch; −1 before the first. */
  get latestEpoch(): number {
    return this.#epochs.latest?.epoch ?? -1;
  }

  /** Bytes of all segments. */
  get sizeInBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0) +
      this.#staging.pendingBytes;
  }

  /**
   * Everything below satisfies the flush policy: what was written, or what
   * was flushed while `flush.messages` or `flush.ms` owes a flush.
   */
  get settledOffset(): number {
    const { flushMessages } = this.#config;
    const unflushed = this.#writtenOffset - this.flushedOffset;
    return unflushed >= flushMessages
      ? this.flushedOffset
      : this.#writtenOffset;
  }

  /** Calls `fn` after the settled offset moved in the background. */
  onSettled(fn: () => void): void {
    this.#settledListeners.push(fn);
  }

  /** Another config counts from now on. */
  reconfigure(config: LogConfig): void {
    this.#config = config;
  }

  /** Leader epoch `epoch` begins at the log's end. */
  assignEpoch(epoch: number): void {
    this.#epochs.assign(epoch, this.#logEndOffset);
  }

  /**
   * Appends one checked batch: its offsets and epoch are stamped in place.
   * Throws {@linkcode KafkaError} when the sequence, the transaction or the
   * disk refuses it.
   */
  appendAsLeader(batch: Uint8Array, options: AppendOptions): Appended {
    this.#checkUsable();
    const { leaderEpoch } = options;
    const view = this.#view;
    view.moveTo(batch, 0);
    const marker = markerOf(view);
    const duplicate = this.#producers.check(view, marker, options);
    if (duplicate !== undefined) return { ...duplicate, isDuplicate: true };
    const baseOffset = this.#logEndOffset;
    view.setBaseOffset(baseOffset);
    view.setPartitionLeaderEpoch(leaderEpoch);
    this.#append(view, batch);
    return { baseOffset, lastOffset: view.lastOffset, isDuplicate: false };
  }

  /**
   * Appends the leader's batches as they are; those of an epoch above
   * `leaderEpochMax` are none of the leader's that was asked, and left out with
   * all behind them. Throws when they don't follow or are damaged.
   */
  appendAsFollower(
    batches: Uint8Array,
    { leaderEpochMax = Infinity }: { readonly leaderEpochMax?: number } = {},
  ): void {
    this.#checkUsable();
    for (const view of batchesOf(batches)) {
      if (view.partitionLeaderEpoch > leaderEpochMax) return;
      checkReplicated(view, { name: this.name, end: this.#logEndOffset });
      this.#epochs.assign(view.partitionLeaderEpoch, view.baseOffset);
      this.#append(view, view.bytes);
    }
  }

  /** Hands what was gathered to the file; throws when the disk refuses it. */
  writeStaged(): void {
    if (this.#staging.pendingBytes > 0) {
      const { bytes, position } = this.#staging.pending();
      this.#write(bytes, position);
      this.#staging.markWritten();
    }
    this.#writtenOffset = this.#logEndOffset;
    this.#scheduleFlush();
  }

  /** Resolves when everything appended until now is durable. */
  async flush(): Promise<void> {
    this.#checkUsable();
    this.writeStaged();
    await this.#flusher.flush();
  }

  /** Resolves when no flush is under way, however it ended. */
  idle(): Promise<void> {
    return this.#flusher.idle();
  }

  /** Whole batches from the one that holds `offset`; empty when none may be read. */
  read(offset: number, options: LogReadOptions): Uint8Array {
    const { upperOffset } = options;
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      throw new KafkaError(
        "OFFSET_OUT_OF_RANGE",
        `Cannot read ${this.name} at ${offset}: it holds ${this.#logStartOffset} to ${this.#logEndOffset}`,
      );
    }
    if (offset >= Math.min(upperOffset, this.#logEndOffset)) return EMPTY;
    const from = this.#segmentIndexOf(offset);
    const endOffset = this.#logEndOffset;
    const asked = { ...options, offset, from, endOffset };
    return this.#reading(() => this.#reader.read(this.#segments, asked));
  }

  /** The first record at or after `timestamp`. */
  offsetForTimestamp(timestamp: number): TimedOffset | undefined {
    return this.#reading(() => {
      this.writeStaged();
      const [start, end] = [this.#logStartOffset, this.#logEndOffset];
      return findTimestamp(this.#segments, { timestamp, start, end });
    });
  }

  /** The first record with the largest timestamp. */
  maxTimestamp(): TimedOffset | undefined {
    const times = this.#segments.map((segment) => segment.sureMaxTimestamp());
    const largest = Math.max(...times);
    return largest < 0 ? undefined : this.offsetForTimestamp(largest);
  }

  /** The epoch of the record at `offset`; −1 when unknown. */
  epochAt(offset: number): number {
    return this.#epochs.epochAt(offset);
  }

  /** The largest epoch up to `epoch`, and where it ends. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number } {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset);
  }

  /** The first offset that a read_committed reader does not see. */
  lastStableOffset(highWatermark: number): number {
    const unstable = this.#producers.firstUnstableOffset(highWatermark);
    return Math.min(highWatermark, Math.max(unstable, this.#logStartOffset));
  }

  /** Records below `highWatermark` are committed, markers among them. */
  committed(highWatermark: number): void {
    this.#producers.forgetCompleted(highWatermark);
  }

  /** The aborted transactions that overlap the offsets from `from` up to `to`. */
  abortedTransactions(from: number, to: number): AbortedTransaction[] {
    const at = this.#segmentIndexOf(from);
    return abortedFrom(this.#segments, { at, from, to });
  }

  /**
   * Begins to verify that the producer of `batch` has a transaction here;
   * undefined when an open one tells. What the coordinator confirms may then
   * be appended with the guard, unless a marker came in between.
   */
  beginVerification(
    batch: SequencedBatch,
    options: { readonly bumpsEpoch: boolean; readonly nowMs: number },
  ): VerificationGuard | undefined {
    return this.#producers.beginVerification(batch, options);
  }

  /** Forgets records before `offset`; whole segments go at once, for good. */
  deleteRecordsBefore(offset: number): void {
    if (offset <= this.#logStartOffset) return;
    invariant(offset <= this.#logEndOffset, "log start lies within the log");
    this.#logStartOffset = offset;
    for (let hasMore = true; hasMore;) hasMore = this.#deleteBelowStart();
  }

  /**
   * Forgets records and epochs from `offset` on, durably: what a crash brought
   * back would pass for what others append there. Whole batches go.
   */
  truncateTo(offset: number): void {
    this.#checkUsable();
    this.writeStaged();
    if (offset < this.#segments[0]!.baseOffset) {
      this.truncateFullyAndStartAt(offset);
    } else if (offset < this.#logEndOffset) this.#cut(offset);
    this.#epochs.truncateFromEnd(offset);
  }

  /** Cuts where power may have taken records: another log may have them. */
  cutGap(): void {
    if (this.#gapOffset !== undefined) this.truncateTo(this.#gapOffset);
  }

  /** What is behind a gap stays: no other log can fill it. */
  keepGap(): void {
    this.#gapOffset = undefined;
  }

  /**
   * Drops every record; the next one gets `offset`. When the disk refuses it
   * before anything is gone, the log is as it was.
   */
  truncateFullyAndStartAt(offset: number): void {
    this.#checkUsable();
    try {
      const [old, end] = [this.#segments, this.#logEndOffset];
      const from = { folder: this.folder, old, end, offset };
      const next = startOver(this.#env.disk, from);
      this.#closeWhenSynced(old.splice(0, old.length, next));
      this.#epochs.clear();
      this.#staging.clear();
      this.#reader.forget();
      this.#producers.clear();
      this.#logStartOffset = offset;
      this.#gapOffset = undefined;
      this.#snapshots.offset = offset;
      this.#endAt(offset, () => this.#flusher.reset(offset));
    } catch (error) {
      if (error instanceof KafkaError) throw error;
      throw this.#takeOffline("truncate", error);
    }
  }

  /** Deletes segments that are too old or too many; whether more are due. */
  applyRetention(bounds: RetentionBounds): boolean {
    this.writeStaged();
    const retained = { ...bounds, config: this.#config };
    let refusal: unknown;
    try {
      const isSettled = bounds.highWatermark >= this.#logEndOffset;
      if (isSettled && isActiveTooOld(this.#active, retained)) this.#roll();
    } catch (error) {
      // A full disk has no room for a new segment before old ones are gone.
      refusal = error;
    }
    const count = deletableSegments(this.#segments, retained);
    const { baseOffset } = this.#segments[count]!;
    this.#logStartOffset = Math.max(this.#logStartOffset, baseOffset);
    const hasMore = this.#deleteBelowStart();
    if (refusal !== undefined) throw refusal;
    return hasMore;
  }

  /** The segments, oldest first; the last one is active. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Everything below was compacted; undefined before the first time. */
  get cleanedOffset(): number | undefined {
    return this.#cleanedOffset;
  }

  /** Everything below `offset` is compacted, on the disk, too. */
  markCleaned(offset: number): void {
    this.#cleanedOffset = offset;
  }

  /** Whether `segments` are still a part of the log that may be replaced. */
  canReplace(segments: readonly Segment[]): boolean {
    return !this.#isClosed && !this.isOffline &&
      segments.every((segment) => this.#segments.includes(segment));
  }

  /**
   * Puts the cleaned files into the place of `old`, which are neighbours. When
   * the disk refuses it half-way, only a start can tell what counts.
   */
  replaceSegments(old: readonly Segment[], options: SwapOptions): void {
    const { folder } = this;
    const { baseOffset } = old[0]!;
    this.#reader.forget();
    try {
      const files = swapIn(this.#env.disk, old, options);
      const cleaned = new Segment(this.#env.disk, { folder, baseOffset });
      const at = this.#segments.indexOf(old[0]!);
      this.#segments.splice(at, old.length, cleaned);
      this.#closeWhenSynced(old);
      this.#deletions.removeLater(files, this.#config.fileDeleteDelayMs);
    } catch (error) {
      throw this.#takeOffline("swap", error);
    }
  }

  /** The last data batch of each producer that is still known. */
  lastDataBatches(): ReadonlyMap<number, LastDataBatch> {
    return this.#producers.lastDataBatches();
  }

  /** The producers whose batches are still known. */
  activeProducers(): Iterable<ActiveProducer> {
    return this.#producers.active();
  }

  /** Forgets producers that were silent for too long. */
  expireProducers(nowMs: number, expirationMs: number): void {
    this.#producers.expire(nowMs, expirationMs);
  }

  /** Closes; a clean close leaves everything durable and nothing to scan. */
  async close({ clean }: { readonly clean: boolean }): Promise<void> {
    if (this.#isClosed) return;
    this.#cancelFlushTimer?.();
    try {
      if (clean && this.#failure === undefined) {
        this.writeStaged();
        // An epoch without records costs no write, here as elsewhere.
        const end = this.#logEndOffset;
        const isNew = end > this.flushedOffset || this.#epochs.lacks(end);
        if (isNew) await this.#anchor.holdWithEpochs();
        await this.flush();
        // The snapshot syncs the folder, for a new index, too.
        if (this.#active.isStored) await this.#active.freezeLater();
        await this.#snapshots.writeLater(this.#logEndOffset);
        const [topicId, epochs] = [this.topicId, this.#epochs];
        const rest = { topicId, epochs, snapshots: this.#snapshots };
        this.#digest = digestOfLog(this.#segments, rest);
      }
    } finally {
      this.#isClosed = true;
      await this.#flusher.idle();
      await this.#closing;
      this.#deletions.removeNow();
      this.#staging.release();
      for (const segment of this.#segments) segment.close();
    }
  }

  /** Of the files that a clean close left; undefined before. */
  get digest(): LogDigest | undefined {
    return this.#digest;
  }

  /** Gives back what an idle log need not hold. */
  releaseIdle(): void {
    if (this.#staging.pendingBytes === 0) this.#staging.release();
    for (const segment of this.#segments) segment.release();
  }

  /** What the disk refuses is told in Kafka's terms. */
  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw storageError(`Cannot read ${this.name}`, error);
    }
  }

  get #active(): Segment {
    return this.#segments.at(-1)!;
  }

  #checkUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    invariant(!this.#isClosed, `${this.name} is open`);
  }

  #append(view: BatchView, bytes: Uint8Array): void {
    const marker = markerOf(view);
    const config = this.#config;
    const stagedBytes = this.#staging.pendingBytes;
    const rolling = { stagedBytes, config, log: this.name };
    if (mustRoll(this.#active, view, rolling)) this.#roll();
    const active = this.#active;
    const { indexIntervalBytes } = config;
    active.prepareToIndex(indexIntervalBytes, marker !== undefined);
    const position = active.size + this.#staging.pendingBytes;
    if (bytes.length < GATHER_BELOW_BYTES) {
      if (!this.#staging.hasRoom(bytes.length)) {
        this.writeStaged();
        this.#staging.clear();
      }
      this.#staging.add(bytes, position);
      this.#scheduleTurnEnd();
    } else {
      this.writeStaged();
      this.#staging.clear();
      this.#write(bytes, position);
    }
    active.index(view, position, indexIntervalBytes);
    takeIn(view, { producers: this.#producers, segment: active, marker });
    this.#logEndOffset = view.nextOffset;
    if (bytes.length >= GATHER_BELOW_BYTES) {
      this.#writtenOffset = this.#logEndOffset;
      this.#scheduleFlush();
    }
  }

  /** Writes at the end of the active segment, or leaves all as it was. */
  #write(bytes: Uint8Array, position: number): void {
    const active = this.#active;
    invariant(position === active.size, `${this.name} is written at its end`);
    try {
      active.writer.pwriteAll(bytes, position);
      this.#isRefused = false;
    } catch (error) {
      this.#undo(error);
    }
    active.size += bytes.length;
  }

  /** A write failed: back to what is in the file, without the torn tail. */
  #undo(cause: unknown): never {
    const error = storageError(`Cannot append to ${this.name}`, cause);
    this.#isRefused = true;
    this.#staging.clear();
    this.#reader.forget();
    this.#logEndOffset = this.#writtenOffset;
    try {
      const active = this.#active;
      active.truncate(active.size, this.#writtenOffset);
      // Power must not bring the torn tail back, with other segments behind it.
      this.#flusher.owe();
      this.#rebuildProducers(this.#writtenOffset);
    } catch (second) {
      this.#takeOffline("append to", second);
    }
    throw error;
  }

  #cut(offset: number): void {
    const at = { folder: this.folder, segments: this.#segments, offset };
    this.#staging.clear();
    this.#reader.forget();
    try {
      // First the checkpoint: a start must not miss what was cut on purpose.
      if (offset < this.flushedOffset) {
        this.#flusher.lower(offset);
        this.#onCut?.();
      }
      this.#closeWhenSynced(cutSegments(this.#env.disk, at));
      this.#rebuildProducers(offset);
      this.#logStartOffset = Math.min(this.#logStartOffset, offset);
      this.#endAt(offset, () => this.#flusher.lower(offset));
    } catch (error) {
      throw this.#takeOffline("truncate", error);
    }
  }

  /** The log ends at `offset` from now on; what is durable may be less. */
  #endAt(offset: number, flushed: () => void): void {
    const wasFlushed = this.flushedOffset;
    const wasCleaned = this.#cleanedOffset;
    this.#logEndOffset = offset;
    this.#writtenOffset = offset;
    flushed();
    if (offset <= (this.#gapOffset ?? -1)) this.#gapOffset = undefined;
    if (wasCleaned !== undefined && wasCleaned > offset) {
      this.#cleanedOffset = undefined;
    }
    const isLess = this.flushedOffset < wasFlushed ||
      this.#cleanedOffset !== wasCleaned;
    if (isLess) this.#onCut?.();
  }

  #rebuildProducers(end: number): void {
    const { folder } = this;
    const [disk, segments] = [this.#env.disk, this.#segments];
    const snapshots = snapshotsIn(disk, folder);
    const sources = { disk, folder, segments, snapshots, end };
    this.#snapshots.offset = rebuildProducers(this.#producers, sources);
  }

  #roll(): void {
    this.writeStaged();
    this.#staging.clear();
    if (this.#config.flushMessages !== Infinity) this.#syncActive();
    this.#active.freeze();
    this.#snapshots.write(this.#logEndOffset);
    const next = beginSegment(this.#env.disk, {
      folder: this.folder,
      baseOffset: this.#logEndOffset,
      onStray: (error) => this.#takeOffline("roll", error),
    });
    this.#segments.push(next);
    this.#startFlush();
  }

  /** Power must not take this segment's end and leave records of the next one. */
  #syncActive(): void {
    try {
      this.#active.writer.syncDataSync();
    } catch (error) {
      throw this.#takeOffline("flush", error);
    }
  }

  /** Gathered batches reach the file at the end of this turn at the latest. */
  #scheduleTurnEnd(): void {
    if (this.#isTurnEndDue) return;
    this.#isTurnEndDue = true;
    this.#env.clock.endOfTurn(() => {
      this.#isTurnEndDue = false;
      if (this.#isClosed || this.#failure !== undefined) return;
      try {
        this.writeStaged();
      } catch (error) {
        this.#env.trace("error", `${this.name} lost a write`, { error });
      }
    });
  }

  /** Starts the flush that `flush.messages` owes, arms the one of `flush.ms`. */
  #scheduleFlush(): void {
    const { flushMessages, flushMs } = this.#config;
    const unflushed = this.#writtenOffset - this.flushedOffset;
    if (unflushed === 0) return;
    if (unflushed >= flushMessages) return this.#startFlush();
    if (flushMs === Infinity || this.#cancelFlushTimer !== undefined) return;
    this.#cancelFlushTimer = this.#env.clock.timer(flushMs, () => {
      this.#cancelFlushTimer = undefined;
      if (!this.#isClosed) this.#startFlush();
    });
  }

  /** Flushes in the background; a failure is handled by `onSyncFailed`. */
  #startFlush(): void {
    this.#flusher.flush().catch(() => {});
  }

  #flushable() {
    const writtenOffset = () => this.#writtenOffset;
    const { clock } = this.#env;
    let sinceMs = 0;
    return {
      get writtenOffset() {
        return writtenOffset();
      },
      prepare: () => {
        sinceMs = clock.monoMs();
        return this.#anchor.hold();
      },
      filesToSync: (flushedOffset: number): DiskFile[] => {
        this.#epochs.save();
        // One that ends there may have been cut, or lost a write, behind it.
        const from = this.#segmentIndexOf(Math.max(0, flushedOffset - 1));
        return this.#segments.slice(from).map(({ writer }) => writer);
      },
      onFlushed: () => {
        this.#onSynced?.(clock.monoMs() - sinceMs);
        for (const each of this.#segments.slice(0, -1)) each.closeWriter();
        for (const listener of this.#settledListeners) listener();
      },
      onSyncFailed: (error: unknown) => {
        // Its folder goes: nothing in it is found by its name any more.
        if (!this.#isClosed) this.#takeOffline("flush", error);
      },
    };
  }

  /** Nothing more is appended, or told to be durable. */
  #takeOffline(what: string, cause: unknown): KafkaError {
    this.#failure = storageError(`Cannot ${what} ${this.name}`, cause);
    this.#env.trace("error", `${this.name} is offline`, { error: cause });
    for (const listener of this.#settledListeners) listener();
    return this.#failure;
  }

  #segmentIndexOf(offset: number): number {
    let at = this.#segments.length - 1;
    while (at > 0 && this.#segments[at]!.baseOffset > offset) at--;
    return at;
  }

  /** A handle that is closed under a sync would fail the whole log. */
  #closeWhenSynced(segments: readonly Segment[]): void {
    this.#closing = this.#closing.then(async () => {
      await this.#flusher.idle();
      for (const segment of segments) segment.close();
    });
  }

  /** Deletes segments before the log's start; whether more are due. */
  #deleteBelowStart(): boolean {
    const { disk } = this.#env;
    let isSynced = this.#epochs.truncateFromStart(this.#logStartOffset);
    const count = firstSegmentToKeep(this.#segments, this.#logStartOffset);
    if (count === 0) return false;
    this.#reader.forget();
    for (let i = 0; i < Math.min(count, DELETED_AT_ONCE); i++) {
      // Each is gone for good before the next: if it came back there would be a
      // hole. Writing the epochs' new begin makes sure of those before.
      if (!isSynced) disk.syncDirectory(this.folder);
      isSynced = false;
      const files = this.#segments[0]!.markDeleted();
      this.#closeWhenSynced(this.#segments.splice(0, 1));
      this.#deletions.removeLater(files, this.#config.fileDeleteDelayMs);
    }
    removeSnapshotsBefore(disk, this.folder, this.#segments[0]!.baseOffset);
    return count > DELETED_AT_ONCE;
  }
}
