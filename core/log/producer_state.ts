/**
 * What a partition remembers of its producers: the epoch and the last five
 * batches of each, by which a retry is recognised and a gap refused; and their
 * transactions, by which it is known what is stable. Owns the `.snapshot`
 * format; it appends nothing.
 *
 * Invariants:
 * 1. A producer's batches are held in the order of their offsets, at most five.
 * 2. `check` reads, `update` alone changes what a snapshot holds.
 * 3. Open transactions are held in the order of their first offsets, completed
 *    ones in that of their markers; who has an open one is known.
 *
 * @module
 */
import { crc32c } from "../bytes/crc32c.ts";
import { DecodeError, Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { advanceSequence, type BatchView } from "../record/batch.ts";
import type { EndTransactionMarker } from "../record/control.ts";

const BATCHES_MAX = 5;
const SNAPSHOT_VERSION = 1;
/** Bytes of a snapshot before its entries. */
export const SNAPSHOT_HEADER_BYTES = 10;
/** Bytes of one entry of a snapshot. */
export const SNAPSHOT_ENTRY_BYTES = 46;

/** One appended batch of a producer. */
interface ProducedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly offsetDelta: number;
}

/** Of a producer of which only the epoch is known. */
const NO_BATCHES: readonly ProducedBatch[] = [
  { firstSequence: -1, lastSequence: -1, lastOffset: -1, offsetDelta: 0 },
];

interface ProducerEntry {
  epoch: number;
  batches: ProducedBatch[];
  lastTimestamp: number;
  coordinatorEpoch: number;
}

/** A transaction whose marker is in the log. */
export interface CompletedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  readonly isAborted: boolean;
}

/**
 * What lets a transactional batch begin a transaction here: its coordinator
 * was asked meanwhile, and no marker came in between (KIP-890).
 */
export interface VerificationGuard {
  /** Of the batches that were verified; later ones may not come first. */
  lowestSequence: number;
  producerEpoch: number;
  /** Whether the producer's epoch grows with each transaction (version 2). */
  readonly bumpsEpoch: boolean;
  readonly sinceMs: number;
}

/** What a batch says of its place among those of its producer. */
export type SequencedBatch = Pick<
  BatchView,
  "producerId" | "producerEpoch" | "baseSequence"
>;

/** The guard of those who don't verify. */
export const UNVERIFIED: VerificationGuard = Object.freeze({
  lowestSequence: 0,
  producerEpoch: -1,
  bumpsEpoch: false,
  sinceMs: 0,
});

/** What is checked of a batch beside its header. */
export interface CheckOptions {
  /** Coordinators number no batches; default: client. */
  readonly origin?: "client" | "coordinator" | undefined;
  /** Needed by a batch that begins a transaction. */
  readonly guard?: VerificationGuard | undefined;
  /** Version of the transactions that a marker ends; default 0. */
  readonly transactionVersion?: number | undefined;
}

/** Offsets that a batch got when it was appended the first time. */
export interface Duplicate {
  readonly baseOffset: number;
  readonly lastOffset: number;
}

/** What is told of a producer; −1 stands for none. */
export interface ActiveProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  readonly currentTxnStartOffset: number;
}

/** What a cleaning must leave of a producer, so that it stays known. */
export interface LastDataBatch {
  readonly producerEpoch: number;
  /** −1 when only the producer's epoch is known. */
  readonly lastOffset: number;
}

/** The producers of one partition. */
export class ProducerStates {
  #entries = new Map<number, ProducerEntry>();
  /** First offsets of open transactions, by producer. */
  #open = new Map<number, number>();
  /** Those whose markers may not be committed yet. */
  #completed: CompletedTransaction[] = [];
  readonly #guards = new Map<number, VerificationGuard>();

  /** How many producers are known. */
  get size(): number {
    return this.#entries.size;
  }

  /** Every producer that is known. */
  *active(): Generator<ActiveProducer> {
    for (const [producerId, entry] of this.#entries) {
      yield {
        producerId,
        producerEpoch: entry.epoch,
        lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
        lastTimestamp: entry.lastTimestamp,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnStartOffset: this.#open.get(producerId) ?? -1,
      };
    }
  }

  /** The last data batch of every producer, by producer id. */
  lastDataBatches(): Map<number, LastDataBatch> {
    const batches = new Map<number, LastDataBatch>();
    for (const [producerId, { epoch, batches: known }] of this.#entries) {
      const lastOffset = known.at(-1)?.lastOffset ?? -1;
      batches.set(producerId, { producerEpoch: epoch, lastOffset });
    }
    return batches;
  }

  /**
   * Tells whether `batch` may be appended: undefined when it may, the old
   * offsets when it was before; throws {@linkcode KafkaError} otherwise.
   * `marker` is what a control batch holds.
   */
  check(
    batch: BatchView,
    marker: EndTransactionMarker | undefined,
    options: CheckOptions = {},
  ): Duplicate | undefined {
    const { producerId } = batch;
    if (producerId < 0) return undefined;
    const entry = this.#entries.get(producerId);
    if (batch.isControl) {
      if (entry !== undefined && marker !== undefined) {
        this.#checkMarker(batch, { entry, marker, ...options });
      }
      return undefined;
    }
    const isClient = options.origin !== "coordinator";
    const old = isClient && entry !== undefined
      ? duplicateOf(entry, batch)
      : undefined;
    if (old !== undefined) return old;
    const { isTransactional } = batch;
    if (isTransactional && !this.#isVerified(batch, options.guard)) {
      throw refusal("INVALID_TXN_STATE", batch, "it is in no transaction here");
    }
    if (entry !== undefined && batch.producerEpoch < entry.epoch) {
      throw refusal(
        "INVALID_PRODUCER_EPOCH",
        batch,
        `epoch ${batch.producerEpoch} is older than ${entry.epoch}`,
      );
    }
    if (isClient) this.#checkSequence(batch, entry);
    if (!isTransactional && this.#open.size > 0 && this.#open.has(producerId)) {
      throw refusal("INVALID_TXN_STATE", batch, "its transaction is open here");
    }
    return undefined;
  }

  /**
   * Begins to verify that the producer of `batch` has a transaction here;
   * undefined when an open one tells.
   */
  beginVerification(
    batch: SequencedBatch,
    { bumpsEpoch, nowMs }: {
      readonly bumpsEpoch: boolean;
      readonly nowMs: number;
    },
  ): VerificationGuard | undefined {
    const { producerId, producerEpoch, baseSequence } = batch;
    if (this.#hasOpen(batch)) return undefined;
    const known = this.#guards.get(producerId);
    if (known === undefined) {
      const guard: VerificationGuard = {
        lowestSequence: baseSequence,
        producerEpoch,
        bumpsEpoch,
        sinceMs: nowMs,
      };
      this.#guards.set(producerId, guard);
      return guard;
    }
    if (producerEpoch > known.producerEpoch) {
      known.producerEpoch = producerEpoch;
      known.lowestSequence = baseSequence;
    } else if (producerEpoch === known.producerEpoch) {
      known.lowestSequence = Math.min(known.lowestSequence, baseSequence);
    }
    return known;
  }

  #hasOpen({ producerId, producerEpoch }: SequencedBatch): boolean {
    return this.#open.has(producerId) &&
      this.#entries.get(producerId)!.epoch === producerEpoch;
  }

  #isVerified(batch: BatchView, guard: VerificationGuard | undefined): boolean {
    if (this.#hasOpen(batch) || guard === UNVERIFIED) return true;
    return guard !== undefined && this.#guards.get(batch.producerId) === guard;
  }

  #checkSequence(batch: BatchView, entry: ProducerEntry | undefined): void {
    const { producerId, producerEpoch, baseSequence } = batch;
    const guard = this.#guards.size > 0
      ? this.#guards.get(producerId)
      : undefined;
    let expected = baseSequence;
    if (entry === undefined) {
      // Nobody knows how far an older epoch came; one of its own begins at 0.
      if (guard?.bumpsEpoch) expected = 0;
    } else if (producerEpoch > entry.epoch) expected = 0;
    else {
      const last = entry.batches.at(-1)?.lastSequence ?? -1;
      expected = advanceSequence(last, 1);
    }
    // The batch before it may have failed its verification.
    if (guard !== undefined && baseSequence > guard.lowestSequence) {
      expected = guard.lowestSequence;
    }
    if (baseSequence === expected) return;
    throw refusal(
      "OUT_OF_ORDER_SEQUENCE_NUMBER",
      batch,
      `sequence ${baseSequence} where ${expected} is next`,
    );
  }

  #checkMarker(
    batch: BatchView,
    { entry, marker, transactionVersion = 0 }: CheckOptions & {
      readonly entry: ProducerEntry;
      readonly marker: EndTransactionMarker;
    },
  ): void {
    const { producerId, producerEpoch } = batch;
    const isOld = producerEpoch < entry.epoch ||
      transactionVersion >= 2 && producerEpoch === entry.epoch &&
        this.#open.has(producerId);
    if (isOld) {
      throw refusal(
        "INVALID_PRODUCER_EPOCH",
        batch,
        `the marker's epoch ${producerEpoch} doesn't follow ${entry.epoch}`,
      );
    }
    if (marker.coordinatorEpoch < entry.coordinatorEpoch) {
      throw refusal(
        "TRANSACTION_COORDINATOR_FENCED",
        batch,
        `coordinator epoch ${marker.coordinatorEpoch} is older than ${entry.coordinatorEpoch}`,
      );
    }
  }

  /**
   * Takes in a batch that was appended (or is replayed), with the marker that
   * a control batch holds; gives the transaction that it ends.
   */
  update(
    batch: BatchView,
    marker?: EndTransactionMarker,
  ): CompletedTransaction | undefined {
    const { producerId, producerEpoch } = batch;
    // No broker gives such ids: the file is damaged, or somebody's joke.
    if (producerId < 0 || !Number.isSafeInteger(producerId)) return undefined;
    if (batch.isControl) return marker && this.#end(batch, marker);
    const appended: ProducedBatch = {
      firstSequence: batch.baseSequence,
      lastSequence: batch.lastSequence,
      lastOffset: batch.lastOffset,
      offsetDelta: batch.lastOffsetDelta,
    };
    const entry = this.#entries.get(producerId);
    if (entry === undefined || entry.epoch !== producerEpoch) {
      this.#entries.set(producerId, {
        epoch: producerEpoch,
        batches: [appended],
        lastTimestamp: batch.maxTimestamp,
        coordinatorEpoch: entry?.coordinatorEpoch ?? -1,
      });
    } else {
      if (entry.batches.length === BATCHES_MAX) entry.batches.shift();
      entry.batches.push(appended);
      entry.lastTimestamp = batch.maxTimestamp;
    }
    if (batch.isTransactional) {
      this.#guards.delete(producerId);
      if (!this.#open.has(producerId)) {
        this.#open.set(producerId, batch.baseOffset);
      }
    }
    return undefined;
  }

  #end(
    batch: BatchView,
    { type, coordinatorEpoch }: EndTransactionMarker,
  ): CompletedTransaction | undefined {
    const { producerId, producerEpoch, lastOffset } = batch;
    const entry = this.#entries.get(producerId);
    this.#entries.set(producerId, {
      epoch: producerEpoch,
      batches: entry?.epoch === producerEpoch ? entry.batches : [],
      lastTimestamp: batch.maxTimestamp,
      coordinatorEpoch,
    });
    this.#guards.delete(producerId);
    const firstOffset = this.#open.get(producerId);
    if (firstOffset === undefined) return undefined;
    this.#open.delete(producerId);
    const isAborted = type === "ABORT";
    const completed = { producerId, firstOffset, lastOffset, isAborted };
    this.#completed.push(completed);
    return completed;
  }

  /** First offset of the oldest open transaction. */
  get firstOpenOffset(): number | undefined {
    if (this.#open.size === 0) return undefined;
    return this.#open.values().next().value;
  }

  /** The first offset of which it isn't known whether it is committed. */
  firstUnstableOffset(highWatermark: number): number {
    let first = this.firstOpenOffset ?? Infinity;
    for (const { firstOffset, lastOffset } of this.#completed) {
      if (lastOffset >= highWatermark) first = Math.min(first, firstOffset);
    }
    return first;
  }

  /** Forgets transactions whose markers lie below the high watermark. */
  forgetCompleted(highWatermark: number): void {
    if (this.#completed.length === 0) return;
    const kept = this.#completed.findIndex(({ lastOffset }) =>
      lastOffset >= highWatermark
    );
    if (kept !== 0) {
      this.#completed.splice(0, kept < 0 ? this.#completed.length : kept);
    }
  }

  /**
   * Becomes what `rebuilt`, of the records from `from` on, is; no verification
   * goes on. Undefined: of all records.
   */
  replaceWith(rebuilt: ProducerStates, from: number | undefined): void {
    this.#entries = rebuilt.#entries;
    this.#open = rebuilt.#open;
    const earlier = this.#completed.filter(({ lastOffset }) =>
      from !== undefined && lastOffset < from
    );
    this.#completed = [...earlier, ...rebuilt.#completed];
    this.#guards.clear();
  }

  /** Forgets producers that were silent for `expirationMs`. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (this.#open.has(id)) continue;
      if (nowMs - entry.lastTimestamp >= expirationMs) this.#entries.delete(id);
    }
    for (const [id, { sinceMs }] of this.#guards) {
      if (nowMs - sinceMs >= expirationMs) this.#guards.delete(id);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#open.clear();
    this.#completed = [];
    this.#guards.clear();
  }

  /** The content of a `.snapshot` file: an entry per batch, oldest first. */
  encode(): Uint8Array {
    let count = 0;
    for (const { batches } of this.#entries.values()) {
      count += Math.max(1, batches.length);
    }
    const writer = new Writer(
      SNAPSHOT_HEADER_BYTES + count * SNAPSHOT_ENTRY_BYTES,
    );
    writer.int16(SNAPSHOT_VERSION);
    writer.uint32(0);
    writer.int32(count);
    for (const [id, entry] of this.#entries) {
      const batches = entry.batches.length > 0 ? entry.batches : NO_BATCHES;
      for (const { lastSequence, lastOffset, offsetDelta } of batches) {
        writer.int64(id);
        writer.int16(entry.epoch);
        writer.int32(lastSequence);
        writer.int64(lastOffset);
        writer.int32(offsetDelta);
        writer.int64(entry.lastTimestamp);
        writer.int32(entry.coordinatorEpoch);
        writer.int64(this.#open.get(id) ?? -1);
      }
    }
    const bytes = writer.finish();
    writer.patchInt32(2, crc32c(bytes, 6));
    return writer.finish();
  }

  /**
   * Takes over the content of a snapshot; false when it can't be trusted. It
   * says nothing of completed transactions.
   */
  load(bytes: Uint8Array): boolean {
    try {
      const saved = decodeSnapshot(bytes);
      this.#entries = entriesOf(saved);
      this.#open = new Map(
        saved.filter(({ currentTxnFirstOffset }) => currentTxnFirstOffset >= 0)
          .sort((a, b) => a.currentTxnFirstOffset - b.currentTxnFirstOffset)
          .map((each) => [each.producerId, each.currentTxnFirstOffset]),
      );
      return true;
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
  }
}

function refusal(
  error: ErrorName,
  { producerId }: BatchView,
  why: string,
): KafkaError {
  return new KafkaError(
    error,
    `Cannot append for producer ${producerId}: ${why}`,
  );
}

function duplicateOf(
  entry: ProducerEntry,
  batch: BatchView,
): Duplicate | undefined {
  if (entry.epoch !== batch.producerEpoch) return undefined;
  const { baseSequence, lastSequence } = batch;
  for (const old of entry.batches) {
    if (
      old.firstSequence === baseSequence && old.lastSequence === lastSequence
    ) {
      return {
        baseOffset: old.lastOffset - old.offsetDelta,
        lastOffset: old.lastOffset,
      };
    }
  }
  return undefined;
}

/**
 * What a snapshot holds of one batch of a producer. The producer's last entry
 * is what Kafka writes, and reads: a later one takes the place of an earlier.
 */
export interface SnapshotEntry {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  /** −1 when only the producer's epoch is known. */
  readonly lastOffset: number;
  readonly offsetDelta: number;
  readonly lastTimestamp: number;
  readonly coordinatorEpoch: number;
  readonly currentTxnFirstOffset: number;
}

/** The entries of a `.snapshot` file; throws {@linkcode DecodeError}. */
export function decodeSnapshot(bytes: Uint8Array): SnapshotEntry[] {
  const reader = new Reader(bytes);
  const version = reader.int16();
  if (version !== SNAPSHOT_VERSION) {
    throw new DecodeError(
      `Cannot read producer snapshot: unknown version ${version}`,
    );
  }
  if (reader.uint32() !== crc32c(bytes, 6)) {
    throw new DecodeError("Cannot read producer snapshot: wrong CRC");
  }
  const entries: SnapshotEntry[] = [];
  const count = reader.int32();
  for (let i = 0; i < count; i++) {
    entries.push({
      producerId: reader.int64(),
      producerEpoch: reader.int16(),
      lastSequence: reader.int32(),
      lastOffset: reader.int64(),
      offsetDelta: reader.int32(),
      lastTimestamp: reader.int64(),
      coordinatorEpoch: reader.int32(),
      currentTxnFirstOffset: reader.int64(),
    });
  }
  return entries;
}

/** Producers by id, each with the batches that a snapshot holds of it. */
function entriesOf(
  saved: readonly SnapshotEntry[],
): Map<number, ProducerEntry> {
  const entries = new Map<number, ProducerEntry>();
  for (const each of saved) {
    const entry = entryOf(each);
    const before = entries.get(each.producerId);
    if (before?.epoch === entry.epoch) {
      const batches = [...before.batches, ...entry.batches];
      entry.batches = batches.slice(-BATCHES_MAX);
    }
    entries.set(each.producerId, entry);
  }
  return entries;
}

function entryOf(saved: SnapshotEntry): ProducerEntry {
  const { lastSequence, lastOffset, offsetDelta } = saved;
  return {
    epoch: saved.producerEpoch,
    batches: lastOffset < 0 ? [] : [{
      firstSequence: lastSequence < 0
        ? -1
        : (lastSequence - offsetDelta) & 0x7fffffff,
      lastSequence,
      lastOffset,
      offsetDelta,
    }],
    lastTimestamp: saved.lastTimestamp,
    coordinatorEpoch: saved.coordinatorEpoch,
  };
}
