/**
 * One batch on its way: its records, who is to be told, and what happened to
 * it so far. Owns the callbacks, each of which is called exactly once.
 *
 * @module
 */
import type { KafkaError } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { BatchView } from "../record/batch.ts";
import { BatchBuilder, type RecordInput } from "../record/builder.ts";
import type { CodecName } from "../record/compression.ts";
import { decodeRecords } from "../record/record.ts";

/** Where a record came to lie. */
export interface Delivered {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

/** A record with the number that its callback gets back. */
export interface TaggedRecord extends RecordInput {
  readonly tag?: number | undefined;
}

/** Told once per record. */
export type DeliveryCallback = (
  error: KafkaError | undefined,
  metadata: Delivered | undefined,
  tag: number | undefined,
) => void;

/** How batches are built. */
export interface BatchOptions {
  readonly codec: CodecName;
  readonly level?: number | undefined;
  readonly batchSizeBytes: number;
}

interface Run {
  readonly callback: DeliveryCallback | undefined;
  readonly timestamp: number;
  count: number;
}

/** What a run and the closure behind it take, about. */
const RUN_BYTES = 128;
const TAG_BYTES = 8;
const FIRST_TAGS = 64;

/**
 * A batch.
 *
 * 1. Once `bytes` was read, no record is added.
 * 2. `ordinal` orders the batches of a partition by first send and never
 *    changes; sequences may, on a new epoch.
 */
export class ProducerBatch {
  /** Position among the partition's sent batches; -1 before the first send. */
  ordinal = -1;
  /** Sequence as last stamped; -1 without idempotence. */
  baseSequence = -1;
  /** Failed sends so far. */
  attempts = 0;
  /** Not to be sent again before this time. */
  retryAtMs = 0;
  /** Whether the end came: callbacks were called. */
  isSettled = false;
  readonly #builder: BatchBuilder;
  /** Runs of equal callbacks and timestamps, so that equal ones cost nothing. */
  readonly #runs: Run[] = [];
  /** Tags by record, from the first tagged one on; NaN for none. */
  #tags: Float64Array | undefined;
  #bytes: Uint8Array | undefined;

  constructor(
    readonly topic: string,
    readonly partition: number,
    options: BatchOptions & { readonly createdMs: number },
  ) {
    this.createdMs = options.createdMs;
    this.#builder = new BatchBuilder({
      codec: options.codec,
      level: options.level,
      capacityBytes: options.batchSizeBytes,
    });
  }

  /** Monotonic time of the first record. */
  readonly createdMs: number;

  /** Records in it. */
  get recordCount(): number {
    return this.#builder.recordCount;
  }

  /** Uncompressed bytes. */
  get sizeInBytes(): number {
    return this.#builder.sizeInBytes;
  }

  /** Bytes that it holds in memory, callbacks included. */
  get heldBytes(): number {
    return this.#builder.sizeInBytes + this.#runs.length * RUN_BYTES +
      (this.#tags?.length ?? 0) * TAG_BYTES;
  }

  /** Bytes to send; the batch is closed by asking. */
  get bytes(): Uint8Array {
    return this.#bytes ??= this.#builder.build();
  }

  /** Adds a record; false when the batch is full or closed. */
  tryAppend(record: TaggedRecord, callback?: DeliveryCallback): boolean {
    if (this.#bytes || !this.#builder.tryAppend(record)) return false;
    const { timestamp, tag } = record;
    if (tag !== undefined) this.#tag(this.recordCount - 1, tag);
    const last = this.#runs[this.#runs.length - 1];
    if (last?.callback === callback && last?.timestamp === timestamp) {
      last.count++;
    } else {
      this.#runs.push({ callback, timestamp, count: 1 });
    }
    return true;
  }

  #tag(index: number, tag: number): void {
    if (this.#tags === undefined || index >= this.#tags.length) {
      const grown = new Float64Array(Math.max(FIRST_TAGS, index * 2)).fill(NaN);
      if (this.#tags) grown.set(this.#tags);
      this.#tags = grown;
    }
    this.#tags[index] = tag;
  }

  #tagOf(index: number): number | undefined {
    const tag = this.#tags?.[index];
    return tag === undefined || Number.isNaN(tag) ? undefined : tag;
  }

  /** Writes who sends it and with which sequence; closes the batch. */
  stamp(
    identity: {
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly isTransactional?: boolean;
    },
    baseSequence: number,
  ): void {
    this.baseSequence = baseSequence;
    this.#bytes = this.#builder.build({ ...identity, baseSequence });
  }

  /** Its records as two batches, callbacks and all; this one is done with. */
  split(options: BatchOptions): readonly [ProducerBatch, ProducerBatch] {
    const half = () =>
      new ProducerBatch(this.topic, this.partition, {
        ...options,
        batchSizeBytes: this.sizeInBytes,
        createdMs: this.createdMs,
      });
    const [first, second] = [half(), half()];
    const records = decodeRecords(new BatchView(this.bytes));
    const middle = records.length / 2;
    let index = 0;
    for (const { callback, timestamp, count } of this.#runs) {
      const end = index + count;
      for (; index < end; index++) {
        const to = index < middle ? first : second;
        const record = { ...records[index]!, timestamp };
        const tag = this.#tagOf(index);
        invariant(to.tryAppend({ ...record, tag }, callback), "a half fits");
      }
    }
    first.attempts = second.attempts = this.attempts;
    this.isSettled = true;
    return [first, second];
  }

  /** Tells everyone where their record lies. */
  succeed(
    baseOffset: number,
    logAppendTimeMs: number,
    onThrow: (error: unknown) => void,
  ): void {
    const { topic, partition } = this;
    this.#settle((callback, index, recordMs) => {
      const offset = baseOffset < 0 ? -1 : baseOffset + index;
      const timestamp = logAppendTimeMs >= 0 ? logAppendTimeMs : recordMs;
      const metadata = { topic, partition, offset, timestamp };
      callback(undefined, metadata, this.#tagOf(index));
    }, onThrow);
  }

  /** Tells everyone that it failed; `errorOf` may differ by record. */
  fail(
    errorOf: (index: number) => KafkaError,
    onThrow: (error: unknown) => void,
  ): void {
    this.#settle((callback, index) => {
      callback(errorOf(index), undefined, this.#tagOf(index));
    }, onThrow);
  }

  #settle(
    tell: (
      callback: DeliveryCallback,
      index: number,
      timestamp: number,
    ) => void,
    onThrow: (error: unknown) => void,
  ): void {
    if (this.isSettled) return;
    this.isSettled = true;
    let index = 0;
    for (const { callback, timestamp, count } of this.#runs) {
      const end = index + count;
      for (; index < end; index++) {
        if (!callback) continue;
        try {
          tell(callback, index, timestamp);
        } catch (error) {
          onThrow(error);
        }
      }
    }
  }
}
