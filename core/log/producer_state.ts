/**
 * What a partition remembers of its producers: the epoch and the last five
 * batches of each, by which a retry is recognised and a gap refused. Owns
 * the `.snapshot` format; it appends nothing.
 *
 * Invariants:
 * 1. A producer's batches are held in the order of their offsets, at most five.
 * 2. `check` reads, `update` alone changes.
 *
 * @module
 */
import { crc32c } from "../bytes/crc32c.ts";
import { DecodeError, Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { KafkaError } from "../errors.ts";
import { advanceSequence, type BatchView } from "../record/batch.ts";

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

interface ProducerEntry {
  epoch: number;
  batches: ProducedBatch[];
  lastTimestamp: number;
  coordinatorEpoch: number;
  currentTxnFirstOffset: number;
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

/** The producers of one partition. */
export class ProducerStates {
  #entries = new Map<number, ProducerEntry>();

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
        currentTxnStartOffset: entry.currentTxnFirstOffset,
      };
    }
  }

  /**
   * Tells whether `batch` may be appended: undefined when it may, the old
   * offsets when it was before; throws {@linkcode KafkaError} otherwise.
   */
  check(batch: BatchView): Duplicate | undefined {
    const { producerId, producerEpoch, baseSequence } = batch;
    if (producerId < 0) return undefined;
    const entry = this.#entries.get(producerId);
    if (entry === undefined) return undefined;
    const old = duplicateOf(entry, batch);
    if (old !== undefined) return old;
    if (producerEpoch < entry.epoch) {
      throw new KafkaError(
        "INVALID_PRODUCER_EPOCH",
        `Cannot append for producer ${producerId}: epoch ${producerEpoch} is older than ${entry.epoch}`,
      );
    }
    const last = entry.batches.at(-1);
    const expected = producerEpoch > entry.epoch
      ? 0
      : last === undefined
      ? baseSequence
      : advanceSequence(last.lastSequence, 1);
    if (baseSequence !== expected) {
      throw new KafkaError(
        "OUT_OF_ORDER_SEQUENCE_NUMBER",
        `Cannot append for producer ${producerId}: sequence ${baseSequence} where ${expected} is next`,
      );
    }
    return undefined;
  }

  /** Takes in a batch that was appended (or is replayed). */
  update(batch: BatchView): void {
    const { producerId, producerEpoch } = batch;
    if (producerId < 0 || batch.isControl) return;
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
        currentTxnFirstOffset: -1,
      });
      return;
    }
    if (entry.batches.length === BATCHES_MAX) entry.batches.shift();
    entry.batches.push(appended);
    entry.lastTimestamp = batch.maxTimestamp;
  }

  /** Forgets producers that were silent for `expirationMs`. */
  expire(nowMs: number, expirationMs: number): void {
    for (const [id, entry] of this.#entries) {
      if (nowMs - entry.lastTimestamp >= expirationMs) this.#entries.delete(id);
    }
  }

  /** Forgets producers whose last batch lies before `offset`. */
  forgetBefore(offset: number): void {
    for (const [id, entry] of this.#entries) {
      const last = entry.batches.at(-1);
      if (last !== undefined && last.lastOffset < offset) {
        this.#entries.delete(id);
      }
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
  }

  /** The content of a `.snapshot` file. */
  encode(): Uint8Array {
    const writer = new Writer(
      SNAPSHOT_HEADER_BYTES + this.#entries.size * SNAPSHOT_ENTRY_BYTES,
    );
    writer.int16(SNAPSHOT_VERSION);
    writer.uint32(0);
    writer.int32(this.#entries.size);
    for (const [id, entry] of this.#entries) {
      const last = entry.batches.at(-1);
      writer.int64(id);
      writer.int16(entry.epoch);
      writer.int32(last?.lastSequence ?? -1);
      writer.int64(last?.lastOffset ?? -1);
      writer.int32(last?.offsetDelta ?? 0);
      writer.int64(entry.lastTimestamp);
      writer.int32(entry.coordinatorEpoch);
      writer.int64(entry.currentTxnFirstOffset);
    }
    const bytes = writer.finish();
    writer.patchInt32(2, crc32c(bytes, 6));
    return writer.finish();
  }

  /** Takes over the content of a snapshot; false when it can't be trusted. */
  load(bytes: Uint8Array): boolean {
    try {
      this.#entries = new Map(
        decodeSnapshot(bytes).map((
          saved,
        ) => [saved.producerId, entryOf(saved)]),
      );
      return true;
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
  }
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

/** What a snapshot holds of one producer: its last batch. */
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

function entryOf(saved: SnapshotEntry): ProducerEntry {
  const { lastSequence, lastOffset, offsetDelta } = saved;
  return {
    epoch: saved.producerEpoch,
    batches: lastOffset < 0 ? [] : [{
      firstSequence: (lastSequence - offsetDelta) & 0x7fffffff,
      lastSequence,
      lastOffset,
      offsetDelta,
    }],
    lastTimestamp: saved.lastTimestamp,
    coordinatorEpoch: saved.coordinatorEpoch,
    currentTxnFirstOffset: saved.currentTxnFirstOffset,
  };
}
