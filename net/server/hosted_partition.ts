/**
 * A partition with whoever waits for it: produce requests for its high
 * watermark, fetches of consumers and of followers for new bytes, coordinators
 * for what is committed. Owns the waiting, which ends when the leadership does;
 * deciding what may be read or appended is `core/partition`.
 *
 * @module
 */
import type { Trace } from "../../core/env/env.ts";
import type { Uuid } from "../../core/bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import type {
  FetchTarget as FollowerTarget,
  FollowerAnswer,
  FollowerStep,
} from "../../core/partition/follower.ts";
import type { FollowerFetch } from "../../core/partition/followers.ts";
import type {
  IsrOutcome,
  IsrProposal,
  IsrResult,
} from "../../core/partition/in_sync_replicas.ts";
import type {
  OwnOptions,
  Partition,
  PartitionState,
  Produced,
  ProduceOptions,
} from "../../core/partition/partition.ts";
import type { ReplicationQuotas } from "../../core/partition/replication_quota.ts";
import { markerBatch, type TxnMarker } from "../../core/record/control.ts";
import type { ReplicationStats, Traffic } from "./stats.ts";
import type { Turn, TurnJob } from "./turn.ts";

/** Why a wait ended. */
export type WaitEnd = "done" | "storage" | "gone" | "moved" | "tooFew";

/** What clients are told of each end. */
export const ERROR_OF_END: Readonly<Record<WaitEnd, ErrorName>> = {
  done: "NONE",
  storage: "KAFKA_STORAGE_ERROR",
  gone: "UNKNOWN_TOPIC_OR_PARTITION",
  moved: "NOT_LEADER_OR_FOLLOWER",
  tooFew: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
};

/**
 * How many bytes more can be read of a partition, by isolation. A follower is
 * told of more that is appended, and of Infinity when more is committed.
 */
export interface Progress {
  readonly committed: number;
  readonly uncommitted: number;
}

/** A fetch that waits for bytes. */
export interface FetchWait {
  /** Whether a follower waits: for what is appended, not for what is committed. */
  readonly isReplica: boolean;
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

/** Waits until no replica that is up holds records before `offset`. */
export interface DeletionWait {
  readonly offset: number;
  onEnd(end: WaitEnd): void;
}

/** Who is told what a partition needs of other brokers. */
export interface ReplicationEvents {
  /** The controller is to be asked for another ISR. */
  onProposal(hosted: HostedPartition): void;
  /** What was taken from the leader is as safe as is owed: go on. */
  onFollowed(hosted: HostedPartition): void;
}

/** What a partition uses of the broker. */
export interface HostedOptions {
  readonly turn: Turn;
  readonly trace: Trace;
  readonly traffic: Traffic;
  readonly replicated: ReplicationStats;
  readonly quotas: ReplicationQuotas;
  readonly events: ReplicationEvents;
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
  readonly #deletionWaits = new Set<DeletionWait>();
  readonly #commitListeners: ((highWatermark: number) => void)[] = [];
  readonly #failureListeners: ((error: unknown) => void)[] = [];
  #produceWaits: ProduceWait[] = [];
  #newWaits: ProduceWait[] = [];
  #isTouched = false;
  #isGone = false;
  #isOffline = false;
  #readFailure: string | undefined;
  #newBytes = 0;
  /** Bytes that followers were not told of. */
  #newReplicaBytes = 0;
  /** Bytes behind the last stable offset, or as many as were since it moved. */
  #unstableBytes = 0;
  #lastStableOffset: number;
  /** What whoever waits was told of. */
  #highWatermark: number;
  readonly #replicated: ReplicationStats;
  readonly #quotas: ReplicationQuotas;
  readonly #events: ReplicationEvents;
  /** What the controller is being asked for. */
  #proposal: IsrProposal | undefined;
  /** Where the log must end: a write that failed later takes records back. */
  #expectedEnd: number;

  constructor(
    partition: Partition,
    { turn, trace, traffic, replicated, quotas, events }: HostedOptions,
  ) {
    this.partition = partition;
    this.#replicated = replicated;
    this.#quotas = quotas;
    this.#events = events;
    this.traffic = traffic;
    this.#turn = turn;
    this.#trace = trace;
    this.#expectedEnd = partition.log.logEndOffset;
    this.#lastStableOffset = partition.lastStableOffset;
    this.#highWatermark = partition.highWatermark;
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

  /** Takes over what the metadata say; another leader epoch ends all waits. */
  update(state: PartitionState): void {
    const before = this.partition.isr;
    const change = this.partition.update(state);
    if (change === "none") return;
    if (change === "replicas") this.#countIsr(before);
    else this.#roleChanged();
    this.#touch();
  }

  /** The answer to a proposal comes before its metadata, or after them. */
  #countIsr({ length: before }: readonly number[]): void {
    const { length } = this.partition.isr;
    if (length < before) this.#replicated.isrShrinks++;
    if (length > before) this.#replicated.isrExpands++;
  }

  #roleChanged(): void {
    // A follower without epochs was cut: nobody lost a write by that.
    this.#expectedEnd = this.partition.log.logEndOffset;
    this.#endProduceWaits(() => "moved");
    this.#endDeletions("moved");
    this.#wakeFetches((wait) => wait.onFailure());
    const { name, leaderEpoch } = this.partition;
    const error = new KafkaError(
      "NOT_LEADER_OR_FOLLOWER",
      `${name} is in leader epoch ${leaderEpoch} now`,
    );
    for (const fn of this.#failureListeners) fn(error);
  }

  /** A follower has all before the offset that it read at. */
  followerFetched(fetch: FollowerFetch): void {
    this.partition.followerFetched(fetch);
    this.#replicasMoved();
  }

  /** Looks for followers that lag. */
  checkLag(): void {
    this.partition.checkLag();
    this.#replicasMoved();
  }

  #replicasMoved(): void {
    const { isrProposal } = this.partition;
    if (isrProposal !== undefined && isrProposal !== this.#proposal) {
      this.#events.onProposal(this);
    }
    this.#proposal = isrProposal;
    if (this.#deletionWaits.size > 0) this.#endDeletions("done");
    this.#touch();
  }

  get isrProposal(): IsrProposal | undefined {
    return this.partition.isrProposal;
  }

  /** The controller's answer to a proposal. */
  isrAnswered(proposal: IsrProposal, result: IsrResult): IsrOutcome {
    const before = this.partition.isr;
    const outcome = this.partition.isrAnswered(proposal, result);
    if (result.error !== "NONE") this.#replicated.failedIsrUpdates++;
    this.#countIsr(before);
    this.#touch();
    return outcome;
  }

  /** The broker to replicate from; −1: none. */
  get followedLeader(): number {
    const { isLeader, leader } = this.partition;
    return this.#isGone || isLeader ? -1 : leader;
  }

  /** Whether a flush that is owed keeps it from asking for more. */
  get isSettling(): boolean {
    return !this.#isGone && this.partition.isSettling;
  }

  /** What to ask the leader for, if anything. */
  fetchTarget(): FollowerTarget | undefined {
    return this.#isGone ? undefined : this.partition.fetchTarget();
  }

  /** Whether this follower is throttled just now: never when it lags by nothing. */
  get isHeldBack(): boolean {
    const { partition } = this;
    return partition.isThrottled && partition.lag > 0 &&
      this.#quotas.follower.isExceeded();
  }

  /** Whether a follower is to be given nothing just now. */
  holdsBack(replicaId: number): boolean {
    const { partition } = this;
    return partition.isThrottled && !partition.isr.includes(replicaId) &&
      this.#quotas.leader.isExceeded();
  }

  /** A follower is given so much. */
  copied(bytes: number): void {
    if (this.partition.isThrottled) this.#quotas.leader.record(bytes);
  }

  /** Takes in what the leader answered; throws what the disk refuses. */
  followerAnswer(
    target: FollowerTarget,
    answer: FollowerAnswer,
  ): FollowerStep {
    return this.#following(() => {
      const step = this.partition.followerAnswer(target, answer);
      if (step === "appended") {
        this.#newBytes += answer.records.length;
        this.#replicated.bytesIn += answer.records.length;
        if (this.partition.isThrottled) {
          this.#quotas.follower.record(answer.records.length);
        }
      }
      return step;
    });
  }

  /** The leader has nothing at the end of this log. */
  startOver(
    target: FollowerTarget,
    leader: { readonly startOffset: number; readonly endOffset: number },
  ): FollowerStep {
    return this.#following(() => this.partition.startOver(target, leader));
  }

  #following(follow: () => FollowerStep): FollowerStep {
    if (this.#isGone) return "stale";
    try {
      const step = follow();
      if (step === "truncated") {
        this.#trace("info", "A follower was cut to its leader's log", {
          partition: this.partition.name,
          end: this.partition.log.logEndOffset,
        });
      }
      return step;
    } finally {
      this.#expectedEnd = this.partition.log.logEndOffset;
      this.#touch();
    }
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

  /**
   * Records before the log's start are gone: whoever waits should look again,
   * followers too. Tells `wait` when they have.
   */
  startMoved(wait: DeletionWait): void {
    this.#wakeFetches((fetch) => fetch.onFailure());
    this.#deletionWaits.add(wait);
    this.#endDeletions("done");
  }

  /** Forgets a wait whose deadline passed. */
  forgetDeletion(wait: DeletionWait): void {
    this.#deletionWaits.delete(wait);
  }

  #endDeletions(end: WaitEnd): void {
    const { lowWatermark } = this.partition;
    for (const wait of [...this.#deletionWaits]) {
      if (end === "done" && wait.offset > lowWatermark) continue;
      this.#deletionWaits.delete(wait);
      wait.onEnd(end);
    }
  }

  /** It is deleted, or moved to other brokers: everyone who waits is told. */
  retire(end: "gone" | "moved" = "gone"): void {
    this.#isGone = true;
    this.#endProduceWaits(() => end);
    this.#endDeletions(end);
    this.#wakeFetches((wait) => wait.onFailure());
    const error = new KafkaError(
      "NOT_LEADER_OR_FOLLOWER",
      `${this.partition.name} is no longer here`,
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
    const { partition } = this;
    partition.advance();
    const { highWatermark, log: { settledOffset } } = partition;
    this.#tellReaders(highWatermark);
    if (!partition.isLeader) return this.#events.onFollowed(this);
    this.#endProduceWaits(({ offset, needsCommit }) => {
      if (offset >= (needsCommit ? highWatermark : settledOffset)) {
        return undefined;
      }
      return needsCommit && partition.hasTooFewInSync ? "tooFew" : "done";
    });
  }

  #tellReaders(highWatermark: number): void {
    const hasMoved = highWatermark > this.#highWatermark;
    this.#highWatermark = highWatermark;
    if (hasMoved) {
      for (const fn of this.#commitListeners) fn(highWatermark);
    }
    const appended = this.#newReplicaBytes;
    this.#newReplicaBytes = 0;
    if (this.#fetchWaits.size === 0) {
      if (hasMoved) this.#progress();
      return;
    }
    const progress = hasMoved ? this.#progress() : undefined;
    this.#wakeFetches((wait) => {
      if (!wait.isReplica) {
        if (progress !== undefined) wait.onProgress(progress);
      } else if (appended > 0 || hasMoved) {
        const committed = hasMoved ? Infinity : 0;
        wait.onProgress({ committed, uncommitted: appended });
      }
    });
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
    this.#newReplicaBytes += bytes;
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
