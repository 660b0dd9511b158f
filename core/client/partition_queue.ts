/**
 * The batches of one partition from append to acknowledgement: what waits,
 * what is in flight, in which order retries go. Idempotence lives here: the
 * sequence of every batch, and the new epoch after a gap. It must never let a
 * batch overtake an older one.
 *
 * @module
 */
import { invariant } from "../invariant.ts";
import { advanceSequence } from "../record/batch.ts";
import {
  type BatchOptions,
  type DeliveryCallback,
  ProducerBatch,
  type TaggedRecord,
} from "./producer_batch.ts";

/** Who a producer is to the brokers. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Whether its batches are part of transactions. */
  readonly isTransactional?: boolean;
}

/**
 * One partition's batches.
 *
 * 1. `#waiting` begins with batches sent before (retries), by ordinal.
 * 2. A retry is only taken while no older batch is in flight.
 * 3. Nothing is taken behind the first sequence until it is acknowledged.
 * 4. After a gap nothing is taken until all in flight came back. What was sent
 *    goes again as it was, for the broker may have it; when none is left, or it
 *    is refused, sequences begin at 0 under a newer epoch.
 */
export class PartitionQueue {
  /** Whether a batch was lost, so that the sequences no longer fit. */
  hasGap = false;
  /** Whether the broker has refused what came behind the gap. */
  #isRefused = false;
  readonly #waiting: ProducerBatch[] = [];
  readonly #inFlight: ProducerBatch[] = [];
  #identity: ProducerIdentity | undefined;
  #nextOrdinal = 0;
  #nextSequence = 0;
  #ackedSequence = -1;
  #ackedOrdinal = -1;

  constructor(readonly topic: string, readonly partition: number) {}

  /** Batches not yet acknowledged or failed. */
  get size(): number {
    return this.#waiting.length + this.#inFlight.length;
  }

  /** Batches in flight. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Batches in flight, oldest first. */
  get sent(): readonly ProducerBatch[] {
    return this.#inFlight;
  }

  /** Batches that wait, oldest first. */
  get waiting(): readonly ProducerBatch[] {
    return this.#waiting;
  }

  /** Adds a record; returns a batch when one was begun for it. */
  append(
    record: TaggedRecord,
    callback: DeliveryCallback | undefined,
    options: BatchOptions & { readonly nowMs: () => number },
  ): ProducerBatch | undefined {
    const last = this.#waiting[this.#waiting.length - 1];
    if (last && last.ordinal < 0 && last.tryAppend(record, callback)) {
      return undefined;
    }
    const batch = new ProducerBatch(this.topic, this.partition, {
      ...options,
      createdMs: options.nowMs(),
    });
    invariant(batch.tryAppend(record, callback), "an empty batch takes any");
    this.#waiting.push(batch);
    return batch;
  }

  /** The size of the batch that the last record went to. */
  get openBytes(): number {
    return this.#waiting[this.#waiting.length - 1]?.heldBytes ?? 0;
  }

  /**
   * When the first batch may go: a time, `-Infinity` for now, or `Infinity`
   * while something else has to happen first.
   */
  readyAtMs(
    { lingerMs, batchSizeBytes, isFlushing, inFlightMax }: {
      readonly lingerMs: number;
      readonly batchSizeBytes: number;
      readonly isFlushing: boolean;
      readonly inFlightMax: number;
    },
  ): number {
    const head = this.#waiting[0];
    if (!head || this.#inFlight.length >= inFlightMax) return Infinity;
    // A leader that has never heard of the producer takes any sequence: one that
    // begins to lead between two requests refuses the first, and takes the second.
    const isFirst = this.#identity !== undefined && this.#ackedSequence < 0;
    if ((this.hasGap || isFirst) && this.#inFlight.length > 0) return Infinity;
    if (head.ordinal >= 0) {
      const older = this.#inFlight[0];
      if (older && older.ordinal < head.ordinal) return Infinity;
      return head.retryAtMs;
    }
    const isFull = this.#waiting.length > 1 ||
      head.sizeInBytes >= batchSizeBytes;
    if (isFull || isFlushing) return Math.max(head.retryAtMs, -Infinity);
    return head.createdMs + lingerMs;
  }

  /** The first batch's bytes, if it were taken now (an upper bound). */
  get headBytes(): number {
    return this.#waiting[0]?.sizeInBytes ?? 0;
  }

  /**
   * Takes the first batch to send it. `identity` is the producer's newest;
   * `undefined` without idempotence.
   */
  take(identity: ProducerIdentity | undefined): ProducerBatch {
    const batch = this.#waiting.shift();
    invariant(batch, "a batch waits");
    if (identity) this.#stamp(batch, identity);
    if (batch.ordinal < 0) batch.ordinal = this.#nextOrdinal++;
    this.#inFlight.push(batch);
    this.#inFlight.sort((a, b) => a.ordinal - b.ordinal);
    return batch;
  }

  /** Whether the queue needs an identity newer than the one it used. */
  isStale(identity: ProducerIdentity): boolean {
    return this.#identity === identity && this.#isOver(this.#waiting[0]);
  }

  /** Whether the sequences end before `next`. */
  #isOver(next: ProducerBatch | undefined): boolean {
    return this.hasGap &&
      (this.#isRefused || !(next && next.baseSequence >= 0));
  }

  /** The broker lacks what came before `batch`: it has nothing behind either. */
  refused(batch: ProducerBatch): void {
    const isBehind = this.hasGap
      ? this.all().every(({ ordinal }) =>
        ordinal < 0 || ordinal >= batch.ordinal
      )
      : this.isNext(batch);
    if (isBehind) this.breakOff();
  }

  /** The broker takes no more of these sequences. */
  breakOff(): void {
    this.hasGap = true;
    this.#isRefused = true;
  }

  /** Whether `batch` carries the sequence that the broker must expect next. */
  isNext(batch: ProducerBatch): boolean {
    return batch.baseSequence === advanceSequence(this.#ackedSequence, 1);
  }

  /** The broker has it; a topic made anew may have got a later one before. */
  acknowledge(batch: ProducerBatch): void {
    this.#remove(batch);
    const { baseSequence, ordinal, recordCount } = batch;
    if (baseSequence < 0 || this.hasGap || ordinal < this.#ackedOrdinal) return;
    this.#ackedSequence = advanceSequence(baseSequence, recordCount - 1);
    this.#ackedOrdinal = ordinal;
  }

  /** It is to be sent again, at its old place. */
  retry(batch: ProducerBatch, retryAtMs: number): void {
    this.#remove(batch);
    batch.retryAtMs = retryAtMs;
    let at = 0;
    while (
      at < this.#waiting.length && this.#waiting[at]!.ordinal >= 0 &&
      this.#waiting[at]!.ordinal < batch.ordinal
    ) at++;
    this.#waiting.splice(at, 0, batch);
  }

  /**
   * Puts the halves of a batch that the broker finds too large at its place;
   * together they carry its sequences.
   */
  split(
    batch: ProducerBatch,
    options: BatchOptions,
  ): readonly [ProducerBatch, ProducerBatch] {
    let nextOrdinal = this.#nextOrdinal;
    for (const { ordinal } of this.all()) {
      if (ordinal > batch.ordinal) nextOrdinal = Math.min(nextOrdinal, ordinal);
    }
    const halves = batch.split(options);
    const [first, second] = halves;
    first.ordinal = batch.ordinal;
    second.ordinal = (batch.ordinal + nextOrdinal) / 2;
    if (batch.baseSequence >= 0 && this.#identity) {
      const { baseSequence } = batch;
      first.stamp(this.#identity, baseSequence);
      second.stamp(
        this.#identity,
        advanceSequence(baseSequence, first.recordCount),
      );
    }
    this.#remove(batch);
    this.retry(first, 0);
    this.retry(second, 0);
    return halves;
  }

  /** It is given up. Its sequence, if it had one, leaves a gap. */
  drop(batch: ProducerBatch): void {
    this.#remove(batch);
    if (batch.baseSequence >= 0) this.hasGap = true;
  }

  /** Sequences begin anew with the next identity; nothing may be unsettled. */
  renew(): void {
    invariant(this.size === 0, "a queue is renewed between transactions");
    this.#identity = undefined;
    this.hasGap = false;
    this.#isRefused = false;
  }

  /** Everything not settled, oldest first. */
  all(): ProducerBatch[] {
    return [...this.#inFlight, ...this.#waiting];
  }

  #stamp(batch: ProducerBatch, identity: ProducerIdentity): void {
    if (!this.#identity || this.#isOver(batch)) {
      invariant(
        this.#inFlight.length === 0,
        "a new epoch finds nothing in flight",
      );
      invariant(this.#identity !== identity, "a gap needs a newer epoch");
      this.#identity = identity;
      this.hasGap = false;
      this.#isRefused = false;
      this.#nextSequence = 0;
      this.#ackedSequence = -1;
      this.#ackedOrdinal = -1;
      // Older stamps are void: they are sent again under the new epoch.
      for (const other of [batch, ...this.#waiting]) other.baseSequence = -1;
    }
    if (batch.baseSequence >= 0) return;
    batch.stamp(this.#identity, this.#nextSequence);
    this.#nextSequence = advanceSequence(this.#nextSequence, batch.recordCount);
  }

  #remove(batch: ProducerBatch): void {
    for (const list of [this.#inFlight, this.#waiting]) {
      const at = list.indexOf(batch);
      if (at >= 0) list.splice(at, 1);
    }
  }
}
