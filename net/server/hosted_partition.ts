/**
 * A partition with whoever waits for it: produce requests for its high
 * watermark, fetches for new bytes, coordinators for what is committed. Owns
 * the waiting; deciding what may be read or appended is `core/partition`.
 *
 * @module
 */
import type { Trace } from "../../core/env/env.ts";
import type { Uuid } from "../../core/bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import type {
  OwnOptions,
  Partition,
  Produced,
  ProduceOptions,
} from "../../core/partition/partition.ts";
import { markerBatch, type TxnMarker } from "../../core/record/control.ts";
import type { Traffic } from "./stats.ts";
import type { Turn, TurnJob } from "./turn.ts";

/** Why a wait ended. */
export type WaitEnd = "done" | "storage" | "gone";

/** What clients are told of each end. */
export const ERROR_OF_END: Readonly<Record<WaitEnd, ErrorName>> = {
  done: "NONE",
  storage: "KAFKA_STORAGE_ERROR",
  gone: "UNKNOWN_TOPIC_OR_PARTITION",
};

/** How many bytes more can be read of a partition, by isolation. */
export interface Progress {
  readonly committed: number;
  readonly uncommitted: number;
}

/** A fetch that waits for bytes. */
export interface FetchWait {
  /** More can be read of one of its partitions. */
  onProgress(progress: Progress): void;
  /** A partition of it is gone or failed: answer now. */
  onFailure(): void;
}

/** A produce request that waits until `offset` is written or committed. */
export interface ProduceWait {
  readonly offset: number;
  readonly needsCommit: boolean;
  onEnd(end: WaitEnd): void;
  /** It did not end with its turn: a deadline is due. */
  onParked(): void;
}

/**
 * One hosted partition.
 *
 * Invariants:
 * 1. Nobody is told "done" before the bytes were handed to the file, and
 *    flushed if `flush.messages` owes that.
 * 2. Waits that need a commit end "done" only below the high watermark.
 * 3. It asks for at most one end of turn at a time.
 */
export class HostedPartition implements TurnJob {
  readonly partition: Partition;
  /** What is counted of its topic. */
  readonly traffic: Traffic;
  readonly #turn: Turn;
  readonly #trace: Trace;
  readonly #fetchWaits = new Set<FetchWait>();
  readonly #commitListeners: ((highWatermark: number) => void)[] = [];
  readonly #failureListeners: ((error: unknown) => void)[] = [];
  #produceWaits: ProduceWait[] = [];
  #newWaits: ProduceWait[] = [];
  #isTouched = false;
  #isGone = false;
  #isOffline = false;
  #readFailure: string | undefined;
  #newBytes = 0;
  /** Bytes behind the last stable offset, or as many as were since it moved. */
  #unstableBytes = 0;
  #lastStableOffset: number;
  /** Where the log must end: a write that failed later takes records back. */
  #expectedEnd: number;

  constructor(
    partition: Partition,
    { turn, trace, traffic }: {
      readonly turn: Turn;
      readonly trace: Trace;
      readonly traffic: Traffic;
    },
  ) {
    this.partition = partition;
    this.traffic = traffic;
    this.#turn = turn;
    this.#trace = trace;
    this.#expectedEnd = partition.log.logEndOffset;
    this.#lastStableOffset = partition.lastStableOffset;
    partition.log.onSettled(() => this.#touch());
  }

  get topic(): string {
    return this.partition.topic;
  }

  get index(): number {
    return this.partition.index;
  }

  get topicId(): Uuid {
    return this.partition.topicId;
  }

  /** Appends a client's payload; waits start from here. */
  produce(payload: Uint8Array | null, options: ProduceOptions): Produced {
    this.#failLost();
    const produced = this.partition.produce(payload, options);
    this.#failLost();
    if (produced.ok) this.#grew(payload!.length);
    return produced;
  }

  /** Appends a coordinator's batch; gives its last offset. */
  appendOwn(batch: Uint8Array, options: OwnOptions): number {
    this.#failLost();
    const lastOffset = this.partition.appendOwn(batch, options);
    this.#grew(batch.length);
    return lastOffset;
  }

  /** Ends a transaction here; gives the marker's offset. */
  appendMarker(marker: TxnMarker, nowMs: number): number {
    this.#failLost();
    const { transactionVersion } = marker;
    const batch = markerBatch(marker, nowMs);
    const lastOffset = this.partition.appendOwn(batch, {
      nowMs,
      transactionVersion,
    });
    this.#grew(batch.length);
    return lastOffset;
  }

  /** Tells `onEnd` when `offset` is written, or committed too. */
  awaitProduced(wait: ProduceWait): void {
    this.#newWaits.push(wait);
    this.#touch();
  }

  /** Forgets a wait whose deadline passed. */
  forgetProduce(wait: ProduceWait): void {
    const at = this.#produceWaits.indexOf(wait);
    if (at >= 0) this.#produceWaits.splice(at, 1);
  }

  addFetch(wait: FetchWait): void {
    this.#fetchWaits.add(wait);
  }

  removeFetch(wait: FetchWait): void {
    this.#fetchWaits.delete(wait);
  }

  /** Calls `fn` whenever the high watermark moved. */
  onCommitted(fn: (highWatermark: number) => void): void {
    this.#commitListeners.push(fn);
  }

  /** Calls `fn` when appended bytes could not be written, or it is deleted. */
  onFailed(fn: (error: unknown) => void): void {
    this.#failureListeners.push(fn);
  }

  /** A read failed: told to operators, again only when it fails otherwise. */
  readFailed({ message }: Error): void {
    if (message === this.#readFailure) return;
    this.#readFailure = message;
    this.#trace("error", message);
  }

  /** Records before the log's start are gone: whoever waits should look again. */
  startMoved(): void {
    this.#wakeFetches((wait) => wait.onFailure());
  }

  /** The partition is deleted: everyone who waits is told. */
  retire(): void {
    this.#isGone = true;
    this.#endProduceWaits(() => "gone");
    this.#wakeFetches((wait) => wait.onFailure());
    const error = new KafkaError(
      "NOT_LEADER_OR_FOLLOWER",
      `${this.partition.name} was deleted`,
    );
    for (const fn of this.#failureListeners) fn(error);
  }

  endTurn(): void {
    this.#isTouched = false;
    if (this.#isGone) return;
    try {
      this.partition.log.writeStaged();
    } catch (error) {
      this.#trace("error", "Appended records could not be written", {
        partition: this.partition.name,
        error,
      });
    }
    this.#failLost();
    this.#failOffline();
    if (this.partition.advance()) {
      const { highWatermark } = this.partition;
      for (const fn of this.#commitListeners) fn(highWatermark);
      const progress = this.#progress();
      this.#wakeFetches((wait) => wait.onProgress(progress));
    }
    const { highWatermark, log: { settledOffset } } = this.partition;
    this.#endProduceWaits(({ offset, needsCommit }) =>
      offset < (needsCommit ? highWatermark : settledOffset)
        ? "done"
        : undefined
    );
  }

  /** Readers of committed records go on when the last stable offset moves. */
  #progress(): Progress {
    const uncommitted = this.#newBytes;
    this.#newBytes = 0;
    const { lastStableOffset, highWatermark } = this.partition;
    const bytes = this.#unstableBytes + uncommitted;
    const hasMoved = lastStableOffset !== this.#lastStableOffset;
    this.#lastStableOffset = lastStableOffset;
    this.#unstableBytes = lastStableOffset === highWatermark ? 0 : bytes;
    return { uncommitted, committed: hasMoved ? bytes : 0 };
  }

  #grew(bytes: number): void {
    const { logEndOffset } = this.partition.log;
    this.traffic.appended(logEndOffset - this.#expectedEnd, bytes);
    this.#expectedEnd = logEndOffset;
    this.#newBytes += bytes;
    this.#touch();
  }

  #touch(): void {
    if (this.#isTouched || this.#isGone) return;
    this.#isTouched = true;
    this.#turn.settle(this);
  }

  /** Records that were taken back after a failed write: tells who waits. */
  #failLost(): void {
    const { logEndOffset } = this.partition.log;
    if (logEndOffset >= this.#expectedEnd) return;
    this.#expectedEnd = logEndOffset;
    const error = new KafkaError(
      "KAFKA_STORAGE_ERROR",
      `${this.partition.name} lost a write`,
    );
    for (const fn of this.#failureListeners) fn(error);
    this.#endProduceWaits(({ offset }) =>
      offset >= logEndOffset ? "storage" : undefined
    );
  }

  /** A log that the disk failed for good commits nothing more. */
  #failOffline(): void {
    const { log, highWatermark } = this.partition;
    if (!log.isOffline) return;
    if (!this.#isOffline) {
      this.#isOffline = true;
      const error = new KafkaError(
        "KAFKA_STORAGE_ERROR",
        `${this.partition.name} is offline`,
      );
      for (const fn of this.#failureListeners) fn(error);
    }
    this.#endProduceWaits(({ offset }) =>
      offset >= highWatermark ? "storage" : undefined
    );
  }

  #endProduceWaits(endOf: (wait: ProduceWait) => WaitEnd | undefined): void {
    const parked = this.#produceWaits;
    const fresh = this.#newWaits;
    if (parked.length === 0 && fresh.length === 0) return;
    this.#produceWaits = [];
    this.#newWaits = [];
    for (const wait of parked) this.#endOrKeep(wait, endOf(wait));
    for (const wait of fresh) {
      const end = endOf(wait);
      this.#endOrKeep(wait, end);
      if (end === undefined) wait.onParked();
    }
  }

  #endOrKeep(wait: ProduceWait, end: WaitEnd | undefined): void {
    if (end === undefined) this.#produceWaits.push(wait);
    else wait.onEnd(end);
  }

  #wakeFetches(wake: (wait: FetchWait) => void): void {
    if (this.#fetchWaits.size === 0) return;
    for (const wait of [...this.#fetchWaits]) wake(wait);
  }
}
