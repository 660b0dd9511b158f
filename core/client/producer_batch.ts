/**
 * One batch on its way: its records, who is to be told, and what happened to
 * it so far. Owns the callbacks, each of which is called exactly once.
 *
 * @module
 */
import type { KafkaError } from "../errors.ts";
import { BatchBuilder, type RecordInput } from "../record/builder.ts";
import type { CodecName } from "../record/compression.ts";

/** Where a record came to lie. */
export interface Delivered {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

/** Told once per record. */
export type DeliveryCallback = (
  error: KafkaError | undefined,
  metadata: Delivered | undefined,
) => void;

/** How batches are built. */
export interface BatchOptions {
  readonly codec: CodecName;
  readonly level?: number | undefined;
  readonly batchSizeBytes: number;
}

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
  readonly #timestamps: number[] = [];
  readonly #callbacks: (DeliveryCallback | undefined)[] = [];
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

  /** Bytes to send; the batch is closed by asking. */
  get bytes(): Uint8Array {
    return this.#bytes ??= this.#builder.build();
  }

  /** Adds a record; false when the batch is full or closed. */
  tryAppend(record: RecordInput, callback?: DeliveryCallback): boolean {
    if (this.#bytes || !this.#builder.tryAppend(record)) return false;
    if (callback) {
      const index = this.#builder.recordCount - 1;
      this.#callbacks[index] = callback;
      this.#timestamps[index] = record.timestamp;
    }
    return true;
  }

  /** Writes who sends it and with which sequence; closes the batch. */
  stamp(
    identity: { readonly producerId: number; readonly producerEpoch: number },
    baseSequence: number,
  ): void {
    this.baseSequence = baseSequence;
    this.#bytes = this.#builder.build({ ...identity, baseSequence });
  }

  /** Tells everyone where their record lies. */
  succeed(
    baseOffset: number,
    logAppendTimeMs: number,
    onThrow: (error: unknown) => void,
  ): void {
    const { topic, partition } = this;
    this.#settle((callback, index) => {
      callback(undefined, {
        topic,
        partition,
        offset: baseOffset < 0 ? -1 : baseOffset + index,
        timestamp: logAppendTimeMs >= 0
          ? logAppendTimeMs
          : this.#timestamps[index]!,
      });
    }, onThrow);
  }

  /** Tells everyone that it failed; `errorOf` may differ by record. */
  fail(
    errorOf: (index: number) => KafkaError,
    onThrow: (error: unknown) => void,
  ): void {
    this.#settle((callback, index) => {
      callback(errorOf(index), undefined);
    }, onThrow);
  }

  #settle(
    tell: (callback: DeliveryCallback, index: number) => void,
    onThrow: (error: unknown) => void,
  ): void {
    if (this.isSettled) return;
    this.isSettled = true;
    for (let index = 0; index < this.#callbacks.length; index++) {
      const callback = this.#callbacks[index];
      if (!callback) continue;
      try {
        tell(callback, index);
      } catch (error) {
        onThrow(error);
      }
    }
    this.#callbacks.length = 0;
  }
}
