/**
 * Walks fetched batches record by record: drops what lies before the position,
 * control records, and, for `read_committed`, aborted transactions. Owns the
 * order of records; keys and values are views, headers are made when read.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { partitionName } from "../ids.ts";
import { batchesOf, type BatchView } from "../record/batch.ts";
import {
  type LogRecord,
  RecordCursor,
  type RecordHeader,
} from "../record/record.ts";

/** A transaction that was aborted, as a Fetch answer lists it. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** A record with where it comes from. */
export interface FetchedRecord extends LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
}

/** What one Fetch answer holds for one partition. */
export interface FetchedData {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: number;
  readonly records: Uint8Array;
  /** `null` unless `read_committed` was asked for. */
  readonly abortedTransactions: readonly AbortedTransaction[] | null;
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);
const ABORT = 0;

/**
 * One partition's fetched bytes on their way to the user.
 *
 * 1. `position` is the offset after the last record handed out or skipped.
 */
export class FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: number;
  /** Next offset to read after what was handed out. */
  position: number;
  /** Whether nothing is left. */
  isDrained = false;
  /** Epoch of the leader that wrote the last record. */
  leaderEpoch = -1;
  readonly #batches: Generator<BatchView>;
  readonly #cursor: RecordCursor = new RecordCursor();
  readonly #aborted: AbortedTransaction[];
  readonly #abortedNow = new Set<number>();
  readonly #checksCrc: boolean;
  #batch: BatchView | undefined;

  constructor(
    data: FetchedData,
    options: { readonly position: number; readonly checksCrc: boolean },
  ) {
    this.topic = data.topic;
    this.partition = data.partition;
    this.highWatermark = data.highWatermark;
    this.position = options.position;
    this.#checksCrc = options.checksCrc;
    this.#batches = batchesOf(data.records);
    this.#aborted = [...data.abortedTransactions ?? []].sort((a, b) =>
      a.firstOffset - b.firstOffset
    );
  }

  /** Up to `max` more records; fewer only at the end. */
  take(max: number): FetchedRecord[] {
    const records: FetchedRecord[] = [];
    const cursor = this.#cursor;
    while (records.length < max) {
      if (!this.#batch && !this.#nextBatch()) break;
      const batch = this.#batch!;
      if (!cursor.next()) {
        this.position = batch.nextOffset;
        this.#batch = undefined;
        continue;
      }
      if (cursor.offset < this.position) continue;
      records.push({
        topic: this.topic,
        partition: this.partition,
        offset: cursor.offset,
        timestamp: cursor.timestamp,
        leaderEpoch: this.leaderEpoch,
        key: cursor.key,
        value: cursor.value,
        headers: cursor.headerCount === 0 ? NO_HEADERS : cursor.headers,
      });
      this.position = cursor.offset + 1;
    }
    return records;
  }

  /** Opens the next batch with records for the user; false at the end. */
  #nextBatch(): boolean {
    for (;;) {
      const { value: batch, done } = this.#batches.next();
      if (done) {
        this.isDrained = true;
        return false;
      }
      if (batch.nextOffset <= this.position) continue;
      if (this.#checksCrc && !batch.isCrcValid()) {
        throw new KafkaError(
          "CORRUPT_MESSAGE",
          `Cannot read ${
            partitionName(this.topic, this.partition)
          }: the batch at offset ${batch.baseOffset} fails its checksum`,
        );
      }
      this.leaderEpoch = batch.partitionLeaderEpoch;
      if (this.#isHidden(batch)) {
        this.position = batch.nextOffset;
        continue;
      }
      this.#cursor.open(batch);
      this.#batch = batch;
      return true;
    }
  }

  #isHidden(batch: BatchView): boolean {
    while (
      this.#aborted.length > 0 &&
      this.#aborted[0]!.firstOffset <= batch.lastOffset
    ) {
      this.#abortedNow.add(this.#aborted.shift()!.producerId);
    }
    if (batch.isControl) {
      if (this.#abortedNow.has(batch.producerId) && isAbort(batch)) {
        this.#abortedNow.delete(batch.producerId);
      }
      return true;
    }
    return batch.isTransactional && this.#abortedNow.has(batch.producerId);
  }
}

/** Whether a control batch ends a transaction by aborting it. */
function isAbort(batch: BatchView): boolean {
  const cursor = new RecordCursor();
  cursor.open(batch);
  if (!cursor.next()) return false;
  const key = cursor.key;
  return key !== null && key.length >= 4 &&
    (key[2]! << 8 | key[3]!) === ABORT;
}
