/**
 * One replica of a partition, be it the leader or a follower: epoch checks,
 * validation, append, high watermark, bounded reads, who is in sync. Owns the
 * role and the high watermark; the bytes are the log's. It must never answer
 * anybody: who waits for what is the server's business.
 *
 * | role     | event                                | next                         |
 * | -------- | ------------------------------------ | ---------------------------- |
 * | any      | state of an older partition epoch    | as it was                    |
 * | any      | this broker leads, newer leader epoch| leader: the log is cut at a gap unless it is the only replica, the epoch begins at its end, nothing is known of followers |
 * | leader   | the same leader epoch                | other replicas, other ISR    |
 * | any      | another leads                        | follower: nobody is in sync, the log is cut at a gap, and without epochs at the high watermark |
 * | any      | nobody leads                         | follower: nobody is in sync, the log stays as it is |
 *
 * @module
 */
import type { ReadBuffers } from "../bytes/read_buffers.ts";
import type { Uuid } from "../bytes/uuid.ts";
import type { TopicConfig } from "../config/resolve.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { partitionName } from "../ids.ts";
import type { Log } from "../log/log.ts";
import type { AppendOptions } from "../log/log_options.ts";
import type {
  SequencedBatch,
  VerificationGuard,
} from "../log/producer_state.ts";
import type { AbortedTransaction } from "../log/txn_index.ts";
import { BATCH_OVERHEAD, batchesOf } from "../record/batch.ts";
import { type RecordError, validateProduced } from "../record/validate.ts";
import {
  type FetchTarget,
  type FollowerAnswer,
  type FollowerStep,
  takeIn,
} from "./follower.ts";
import { type FollowerFetch, Followers } from "./followers.ts";
import { isThrottled } from "./replication_quota.ts";
import {
  InSyncReplicas,
  type IsrOutcome,
  type IsrProposal,
  type IsrResult,
  outcomeOf,
} from "./in_sync_replicas.ts";

/** What the metadata say of a partition. */
export interface PartitionState {
  /** −1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** What a replica may know of the brokers. */
export interface ReplicaHost {
  readonly nodeId: number;
  /** This incarnation of this broker. */
  readonly brokerEpoch: number;
  /** How long a follower may lag and stay in sync. */
  readonly lagMaxMs: number;
  nowMs(): number;
  /** Whether this incarnation of a broker is neither fenced nor leaving. */
  isEligible(brokerId: number, brokerEpoch: number): boolean;
}

/** What a partition is made of. */
export interface PartitionOptions {
  readonly log: Log;
  readonly topicId: Uuid;
  readonly config: TopicConfig;
  readonly host: ReplicaHost;
  readonly state: PartitionState;
  /** Checkpointed high watermark, 0 when there is none. */
  readonly highWatermark: number;
}

/** What another state of the metadata changed. */
export type RoleChange = "none" | "replicas" | "leader" | "follower";

/** How a client's batch is to be appended. */
export interface ProduceOptions {
  readonly acks: number;
  readonly nowMs: number;
  readonly produceVersion: number;
  /** What {@linkcode Partition.beginVerification} gave. */
  readonly guard?: VerificationGuard | undefined;
}

/** How a coordinator's own batch is appended. */
export type OwnOptions = Pick<
  AppendOptions,
  "nowMs" | "guard" | "transactionVersion"
>;

/** What became of a client's batch. */
export type Produced =
  | {
    readonly ok: true;
    readonly baseOffset: number;
    readonly lastOffset: number;
    /** −1 unless the topic's timestamps are the broker's. */
    readonly logAppendTimeMs: number;
  }
  | {
    readonly ok: false;
    readonly error: ErrorName;
    readonly message: string;
    readonly recordErrors?: readonly RecordError[];
  };

/** How far a reader may see. */
export type Isolation = "read_uncommitted" | "read_committed" | "log_end";

/** What a reader asks for. */
export interface ReadOptions {
  readonly maxBytes: number;
  readonly isolation: Isolation;
  /** Whether one whole batch comes even when it is above `maxBytes`. */
  readonly minOneBatch: boolean;
  /** Where what is read may lie, for whoever knows when nobody needs it. */
  readonly buffers?: ReadBuffers;
}

/**
 * A replica of a partition.
 *
 * Invariants:
 * 1. The high watermark never passes the log's end, and falls only with it.
 * 2. An append happens in the current leader epoch only, which the log knows.
 * 3. Everybody whom the controller may elect has all below the high watermark.
 */
export class Partition {
  readonly topic: string;
  readonly index: number;
  readonly topicId: Uuid;
  readonly log: Log;
  readonly name: string;
  readonly #host: ReplicaHost;
  readonly #followers = new Followers();
  readonly #inSync = new InSyncReplicas();
  #config: TopicConfig;
  #state: PartitionState;
  #isLeader = false;
  /** Whether this replica is throttled in the role that it has. */
  #isThrottled = false;
  /** Where the log ended when this leader epoch began. */
  #epochStart = 0;
  #highWatermark: number;
  /** As the leader told it last. */
  #leaderHighWatermark = 0;

  constructor(options: PartitionOptions) {
    const { log } = options;
    this.log = log;
    this.topic = log.topic;
    this.index = log.partition;
    this.name = partitionName(log.topic, log.partition);
    this.topicId = options.topicId;
    this.#host = options.host;
    this.#config = options.config;
    this.#state = options.state;
    this.#highWatermark = Math.min(options.highWatermark, log.logEndOffset);
    this.#takeRole(options.state);
    log.committed(this.#highWatermark);
  }

  get config(): TopicConfig {
    return this.#config;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** The broker that leads; −1: nobody. */
  get leader(): number {
    return this.#state.leader;
  }

  get leaderEpoch(): number {
    return this.#state.leaderEpoch;
  }

  get replicas(): readonly number[] {
    return this.#state.replicas;
  }

  /** Who is in sync as the controller has it; empty where it isn't led. */
  get isr(): readonly number[] {
    return this.#inSync.committed;
  }

  /** Whether every replica has all that is committed, as far as is known here. */
  get isFullyInSync(): boolean {
    const isr = this.#isLeader ? this.isr : this.#state.isr;
    return this.replicas.every((id) => isr.includes(id));
  }

  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** The first offset that a read_committed reader does not see. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset(this.#highWatermark);
  }

  /** Another config counts from now on. */
  reconfigure(config: TopicConfig): void {
    this.#config = config;
    this.#throttle();
    this.log.reconfigure(config);
  }

  #throttle(): void {
    const { index } = this;
    const { nodeId } = this.#host;
    const entries = this.#isLeader
      ? this.#config.leaderReplicationThrottledReplicas
      : this.#config.followerReplicationThrottledReplicas;
    this.#isThrottled = isThrottled(entries, { index, nodeId });
  }

  /** Whether what is copied to or from here counts for the quota. */
  get isThrottled(): boolean {
    return this.#isThrottled;
  }

  /** Takes over what the metadata say; older ones than known say nothing. */
  update(state: PartitionState): RoleChange {
    const known = this.#state;
    if (state.partitionEpoch < known.partitionEpoch) return "none";
    this.#state = state;
    if (state.leaderEpoch > known.leaderEpoch) {
      this.#takeRole(state);
      return this.#isLeader ? "leader" : "follower";
    }
    if (!this.#isLeader) return "replicas";
    this.#followers.assign(this.#others(state.replicas));
    // The controller's answer may have come first, and more was asked since.
    if (state.partitionEpoch > known.partitionEpoch) {
      this.#inSync.commit(state.isr);
    }
    return "replicas";
  }

  #takeRole({ leader, leaderEpoch, replicas, isr }: PartitionState): void {
    const { log } = this;
    this.#isLeader = leader === this.#host.nodeId;
    this.#throttle();
    this.#leaderHighWatermark = 0;
    if (!this.#isLeader) {
      this.#followers.assign([]);
      this.#inSync.commit([]);
      // As long as nobody leads there may be no other log to take from.
      if (leader === -1 || log.isOffline) return;
      // A follower asks only for what comes after its end.
      log.cutGap();
      // Without epochs nothing tells where this log and the leader's part.
      const isUnknown = log.latestEpoch === -1 &&
        log.logEndOffset > this.#highWatermark;
      if (isUnknown) log.truncateTo(this.#highWatermark);
      this.#follow(this.#highWatermark);
      return;
    }
    // Others may have what is missing, of the same epoch: nothing would tell them
    // to cut, and logs would differ.
    if (replicas.length === 1) log.keepGap();
    else if (!log.isOffline) this.#cutting(() => log.cutGap());
    log.assignEpoch(leaderEpoch);
    this.#epochStart = log.logEndOffset;
    const ids = this.#others(replicas);
    this.#followers.begin({ ids, isr, nowMs: this.#host.nowMs() });
    this.#inSync.commit(isr);
    this.advance();
  }

  /** Whatever `cut` leaves of the log, and even if it fails: nothing else counts. */
  #cutting<T>(cut: () => T): T {
    try {
      return cut();
    } finally {
      const { logEndOffset } = this.log;
      this.#highWatermark = Math.min(this.#highWatermark, logEndOffset);
    }
  }

  #others(replicas: readonly number[]): number[] {
    return replicas.filter((id) => id !== this.#host.nodeId);
  }

  /** What a client's idea of the leader epoch (−1: none) is answered with. */
  epochError(currentLeaderEpoch: number): ErrorName | undefined {
    if (currentLeaderEpoch === -1) return undefined;
    const { leaderEpoch } = this.#state;
    if (currentLeaderEpoch < leaderEpoch) return "FENCED_LEADER_EPOCH";
    if (currentLeaderEpoch > leaderEpoch) return "UNKNOWN_LEADER_EPOCH";
    return undefined;
  }

  /** Checks and appends a client's payload; refusals are values, not throws. */
  produce(payload: Uint8Array | null, options: ProduceOptions): Produced {
    const { acks, nowMs, produceVersion, guard } = options;
    if (!this.#isLeader) return refusalOf(this.#notLeader(), this.name);
    if (acks === -1 && this.#isUnderMinIsr()) {
      return refusalOf(this.#tooFewReplicas(), this.name);
    }
    const validated = this.#validate(payload, { nowMs, produceVersion });
    if (!validated.ok) return validated;
    try {
      const { leaderEpoch } = this;
      const appended = this.log.appendAsLeader(validated.bytes, {
        leaderEpoch,
        nowMs,
        guard,
      });
      const isBrokerTime =
        this.#config.messageTimestampType === "LogAppendTime";
      return {
        ok: true,
        baseOffset: appended.baseOffset,
        lastOffset: appended.lastOffset,
        logAppendTimeMs: isBrokerTime ? nowMs : -1,
      };
    } catch (error) {
      return refusalOf(error, this.name);
    }
  }

  /** Appends a coordinator's own batch; throws when that fails. */
  appendOwn(batch: Uint8Array, options: OwnOptions): number {
    if (!this.#isLeader) throw this.#notLeader();
    if (this.#isUnderMinIsr()) throw this.#tooFewReplicas();
    const { leaderEpoch } = this;
    return this.log.appendAsLeader(batch, {
      ...options,
      leaderEpoch,
      origin: "coordinator",
    }).lastOffset;
  }

  /**
   * What the append of a transactional `batch` needs once its coordinator has
   * confirmed its transaction; undefined: it is open here already.
   */
  beginVerification(
    batch: SequencedBatch,
    options: { readonly bumpsEpoch: boolean; readonly nowMs: number },
  ): VerificationGuard | undefined {
    return this.log.beginVerification(batch, options);
  }

  /** Moves the leader's high watermark as far as it may; tells whether it moved. */
  advance(): boolean {
    if (!this.#isLeader || this.#isUnderMinIsr()) return false;
    let settled = this.log.settledOffset;
    if (this.#state.replicas.length > 1) settled = this.#replicated(settled);
    if (settled <= this.#highWatermark) return false;
    this.#highWatermark = settled;
    this.log.committed(settled);
    return true;
  }

  /** Up to where all have it who are in sync, or are about to be. */
  #replicated(settled: number): number {
    const { maximal } = this.#inSync;
    let lowest = settled;
    for (const [id, follower] of this.#followers) {
      if (follower.logEndOffset >= lowest) continue;
      const counts = maximal.includes(id) || this.#isJoining(id);
      if (counts) lowest = follower.logEndOffset;
    }
    return lowest;
  }

  /** Whether it is caught up, and the controller would take it in. */
  #isJoining(id: number): boolean {
    const follower = this.#followers.get(id)!;
    return follower.isCaughtUp(this.#lag()) &&
      this.#host.isEligible(id, follower.brokerEpoch);
  }

  #lag() {
    const { lagMaxMs } = this.#host;
    const leaderEndOffset = this.log.logEndOffset;
    return { nowMs: this.#host.nowMs(), leaderEndOffset, lagMaxMs };
  }

  /** Why a broker may not replicate from here. */
  followerError(
    { replicaId, brokerEpoch }: Pick<
      FollowerFetch,
      "replicaId" | "brokerEpoch"
    >,
  ): ErrorName | undefined {
    const follower = this.#followers.get(replicaId);
    // It may have been assigned in metadata that are not here yet.
    if (follower === undefined) return "UNKNOWN_LEADER_EPOCH";
    const isOld = brokerEpoch !== -1 && brokerEpoch < follower.brokerEpoch;
    return isOld ? "NOT_LEADER_OR_FOLLOWER" : undefined;
  }

  /**
   * A follower has all before the offset that it read at, without an error.
   * Whether the high watermark moves is told by {@linkcode advance}.
   */
  followerFetched(fetch: FollowerFetch): void {
    const { replicaId, brokerEpoch, offset } = fetch;
    const { committed, pending } = this.#inSync;
    this.#followers.get(replicaId)!.fetched(fetch, this.#lag());
    const isInSync = pending === undefined && !committed.includes(replicaId) &&
      offset >= this.#highWatermark && offset >= this.#epochStart &&
      this.#host.isEligible(replicaId, brokerEpoch);
    if (isInSync) this.#propose([...committed, replicaId]);
  }

  /** Whether a follower in sync has what is at `offset`, for readers near it. */
  canReadAt(replicaId: number, offset: number): boolean {
    const follower = this.#followers.get(replicaId);
    return follower !== undefined && this.isr.includes(replicaId) &&
      follower.logStartOffset <= offset && offset <= follower.logEndOffset;
  }

  /** Proposes to do without those who lag. */
  checkLag(): void {
    const { committed, pending } = this.#inSync;
    if (!this.#isLeader || pending !== undefined) return;
    const lag = this.#lag();
    const kept = committed.filter((id) =>
      id === this.#host.nodeId || this.#followers.get(id)?.isCaughtUp(lag)
    );
    if (kept.length < committed.length) this.#propose(kept);
  }

  #propose(isr: readonly number[]): void {
    const { nodeId, brokerEpoch: own } = this.#host;
    const { leaderEpoch, partitionEpoch } = this.#state;
    const newIsr = isr.map((brokerId) => ({
      brokerId,
      brokerEpoch: brokerId === nodeId
        ? own
        : this.#followers.get(brokerId)?.brokerEpoch ?? -1,
    }));
    this.#inSync.propose({ leaderEpoch, partitionEpoch, newIsr });
  }

  /** Whether the high watermark has not come up to this epoch's records yet. */
  get isBehindItsEpoch(): boolean {
    return this.#highWatermark < this.#epochStart;
  }

  /** What the controller is to be asked for; the same object as long as it is. */
  get isrProposal(): IsrProposal | undefined {
    return this.#inSync.pending;
  }

  /** The controller's answer; it comes before the metadata that it made. */
  isrAnswered(proposal: IsrProposal, result: IsrResult): IsrOutcome {
    if (this.#inSync.pending !== proposal) return "settled";
    if (result.error !== "NONE") {
      const outcome = outcomeOf(result.error);
      if (outcome === "settled") this.#inSync.withdraw();
      return outcome;
    }
    const { leaderEpoch, partitionEpoch, isr } = result;
    const isOurs = leaderEpoch === this.#state.leaderEpoch &&
      partitionEpoch >= this.#state.partitionEpoch;
    if (!isOurs) return "waits";
    this.#state = { ...this.#state, partitionEpoch, isr };
    this.#inSync.commit(isr);
    return "settled";
  }

  /** Whether those in sync have become too few since a batch was appended. */
  get hasTooFewInSync(): boolean {
    return this.#inSync.maximal.length < this.minIsr;
  }

  /** How many must be in sync for acks=all. */
  get minIsr(): number {
    const { replicas } = this.#state;
    return Math.min(this.#config.minInsyncReplicas, replicas.length);
  }

  /** How many committed records the leader has that this follower lacks. */
  get lag(): number {
    return Math.max(0, this.#leaderHighWatermark - this.log.logEndOffset);
  }

  /** The lowest log start of all replicas that are up; −1: one is not known. */
  get lowWatermark(): number {
    let lowest = this.log.logStartOffset;
    for (const [id, { logStartOffset }] of this.#followers) {
      const isUp = this.#host.isEligible(id, -1);
      if (isUp) lowest = Math.min(lowest, logStartOffset);
    }
    return lowest;
  }

  /** Whether what the log took in is not as safe yet as is owed. */
  get isSettling(): boolean {
    const { isOffline, settledOffset, logEndOffset } = this.log;
    return !this.#isLeader && !isOffline && settledOffset < logEndOffset;
  }

  /** What to ask the leader for; undefined when there is nothing to ask, or nobody. */
  fetchTarget(): FetchTarget | undefined {
    const { log } = this;
    const { leader, leaderEpoch } = this.#state;
    if (this.#isLeader || leader === -1 || log.isOffline) return undefined;
    // The next fetch tells the leader that all before is as safe as is owed.
    if (this.isSettling) return undefined;
    return {
      leader,
      leaderEpoch,
      offset: log.logEndOffset,
      lastFetchedEpoch: log.latestEpoch,
      logStartOffset: log.logStartOffset,
      highWatermark: this.#highWatermark,
    };
  }

  /**
   * Takes in what the leader answered to `target`: appends, cuts where the logs
   * part, or nothing when meanwhile it is not what was asked for.
   */
  followerAnswer(target: FetchTarget, answer: FollowerAnswer): FollowerStep {
    if (!this.#isAsAsked(target)) return "stale";
    this.#leaderHighWatermark = answer.highWatermark;
    const step = this.#cutting(() => {
      const step = takeIn(this.log, target, answer);
      // What the disk refuses now is not there: nothing of it may count.
      this.log.writeStaged();
      return step;
    });
    // Where the logs part, the next answer may cut deeper: nothing that is
    // left is known to be what the leader has.
    const isShared = answer.divergingEpoch === undefined;
    this.#follow(isShared ? answer.highWatermark : this.#highWatermark);
    return step;
  }

  /**
   * The leader has nothing at the end of this log: cut it where the leader's
   * ends, or begin anew where that one begins.
   */
  startOver(
    target: FetchTarget,
    leader: { readonly startOffset: number; readonly endOffset: number },
  ): FollowerStep {
    if (!this.#isAsAsked(target)) return "stale";
    const { log } = this;
    if (leader.endOffset < log.logEndOffset) {
      this.#cutting(() => log.truncateTo(leader.endOffset));
      this.#follow(this.#highWatermark);
      return "truncated";
    }
    if (leader.startOffset <= log.logEndOffset) return "nothing";
    log.truncateFullyAndStartAt(leader.startOffset);
    this.#follow(leader.startOffset);
    return "truncated";
  }

  #isAsAsked({ offset, leaderEpoch }: FetchTarget): boolean {
    return !this.#isLeader && leaderEpoch === this.#state.leaderEpoch &&
      offset === this.log.logEndOffset;
  }

  /** What a leader told is committed stays so, whoever tells of less later. */
  #follow(leaderHighWatermark: number): void {
    const told = Math.max(this.#highWatermark, leaderHighWatermark);
    this.#highWatermark = Math.min(told, this.log.logEndOffset);
    this.log.committed(this.#highWatermark);
  }

  /** The first offset that a reader of `isolation` does not see. */
  bound(isolation: Isolation): number {
    if (isolation === "read_uncommitted") return this.#highWatermark;
    if (isolation === "read_committed") return this.lastStableOffset;
    // Others take the place of what the disk refuses, in the same epoch.
    return this.log.writtenOffset;
  }

  /** Whether a reader may ask for `offset` at all. */
  isInRange(offset: number): boolean {
    return offset >= this.log.logStartOffset &&
      offset <= this.log.logEndOffset;
  }

  /** Whole batches from the one that holds `offset`, up to the bound. */
  read(offset: number, options: ReadOptions): Uint8Array {
    return this.log.read(offset, {
      maxBytes: options.maxBytes,
      upperOffset: this.bound(options.isolation),
      minOneBatch: options.minOneBatch,
      buffers: options.buffers,
    });
  }

  /** The aborted transactions that `records`, read at `offset`, may be of. */
  abortedIn(records: Uint8Array, offset: number): AbortedTransaction[] {
    if (records.length < BATCH_OVERHEAD) return [];
    let end = offset;
    for (const { nextOffset } of batchesOf(records)) end = nextOffset;
    return this.log.abortedTransactions(offset, end);
  }

  /** Forgets records before `offset` (−1: the high watermark). */
  deleteRecords(offset: number): number {
    const target = offset === -1 ? this.#highWatermark : offset;
    if (target < 0 || target > this.#highWatermark) {
      throw new KafkaError(
        "OFFSET_OUT_OF_RANGE",
        `Cannot delete records of ${this.name} before ${target}: the high ` +
          `watermark is ${this.#highWatermark}`,
      );
    }
    this.log.deleteRecordsBefore(target);
    return this.log.logStartOffset;
  }

  #validate(
    payload: Uint8Array | null,
    { nowMs, produceVersion }: {
      readonly nowMs: number;
      readonly produceVersion: number;
    },
  ) {
    const config = this.#config;
    return validateProduced(payload, {
      maxMessageBytes: config.maxMessageBytes,
      segmentBytes: config.segmentBytes,
      isCompacted: config.cleanupPolicy.compact,
      timestampType: config.messageTimestampType,
      nowMs,
      beforeMaxMs: config.messageTimestampBeforeMaxMs,
      afterMaxMs: config.messageTimestampAfterMaxMs,
      compressionType: config.compressionType,
      compressionLevel: levelOf(config),
      produceVersion,
    });
  }

  #tooFewReplicas(): KafkaError {
    return new KafkaError(
      "NOT_ENOUGH_REPLICAS",
      `Cannot append to ${this.name}: ${this.isr.length} in-sync ` +
        `replicas are fewer than min.insync.replicas`,
    );
  }

  #notLeader(): KafkaError {
    return new KafkaError(
      "NOT_LEADER_OR_FOLLOWER",
      `Cannot append to ${this.name}: broker ${this.leader} leads it`,
    );
  }

  #isUnderMinIsr(): boolean {
    return this.#inSync.committed.length < this.minIsr;
  }
}

function levelOf(config: TopicConfig): number | undefined {
  if (config.compressionType === "gzip") return config.compressionGzipLevel;
  if (config.compressionType === "lz4") return config.compressionLz4Level;
  if (config.compressionType === "zstd") return config.compressionZstdLevel;
  return undefined;
}

function refusalOf(error: unknown, name: string): Produced {
  if (error instanceof KafkaError) {
    return { ok: false, error: error.error, message: error.message };
  }
  if (error instanceof Error && error.name === "DiskError") {
    return {
      ok: false,
      error: "KAFKA_STORAGE_ERROR",
      message: `Cannot append to ${name}: ${error.message}`,
    };
  }
  throw error;
}
