/**
 * Drives raft for the metadata log: persists, then appends, then sends. Owns
 * the order of it and the timer; through `QuorumFiles` the files in the
 * `__cluster_metadata-0` folder, and through an injected log its segments. It
 * never decides who leads and never reads a record's meaning.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { invariant } from "../../core/invariant.ts";
import {
  changeBatch,
  endOffsetOf,
  firstRecords,
  leaderChangeBatch,
  type StoredBatch,
  storedBatches,
} from "../../core/raft/batches.ts";
import type { RaftTimeouts } from "../../core/raft/contract.ts";
import type { ReplicaLog } from "../../core/raft/divergence.ts";
import type { JoinRequest } from "../../core/raft/joining.ts";
import type {
  QuorumAnswer,
  RaftMessage,
  RaftMessageOf,
} from "../../core/raft/messages.ts";
import { Raft } from "../../core/raft/raft.ts";
import {
  encodeSnapshot,
  isSnapshotDue,
  type SnapshotPolicy,
} from "../../core/raft/snapshot.ts";
import { newestSnapshot } from "../../core/raft/snapshot_files.ts";
import { VoterHistory } from "../../core/raft/voter_history.ts";
import {
  isSameVoter,
  KRAFT_VERSIONS,
  type QuorumVoters,
  type VoterEndpoint,
  type VoterNode,
  type VoterSet,
} from "../../core/raft/voter_set.ts";
import type { Link } from "../link/link.ts";
import type { Address } from "../tcp/transport.ts";
import { describeQuorum, type QuorumDescription } from "./describe_quorum.ts";
import { type Answered, Peers } from "./peers.ts";
import { QuorumFiles } from "./quorum_files.ts";
import { QuorumService } from "./service.ts";
import { VoterAdmin } from "./voter_admin.ts";
import { staticVoters, type Voter } from "./voters.ts";

/** The log that raft needs; a partition's log satisfies it. */
export interface RaftLog {
  /** Whether the disk failed it for good. */
  readonly isOffline: boolean;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Epoch of the last batch; below 0 when there is none. */
  readonly latestEpoch: number;
  /** The epoch of the record at `offset`; −1 when unknown. */
  epochAt(offset: number): number;
  /** The largest epoch up to `epoch` and its end; −1s when none is known. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number };
  /** Stamps and appends one batch at the end. */
  appendAsLeader(
    batch: Uint8Array,
    options: { readonly leaderEpoch: number; readonly nowMs: number },
  ): { readonly lastOffset: number };
  /** Appends batches whose offsets and epochs are given. */
  appendAsFollower(batches: Uint8Array): void;
  /** Hands what is appended to the file; throws when the disk refuses it. */
  writeStaged(): void;
  assignEpoch(epoch: number): void;
  /** Whole batches from the one that contains `offset`. */
  read(offset: number, options: {
    readonly maxBytes: number;
    readonly upperOffset: number;
    readonly minOneBatch: boolean;
  }): Uint8Array;
  /** Resolves when all that is appended by now is durable. */
  flush(): Promise<void>;
  deleteRecordsBefore(offset: number): void;
  /** Forgets records and epochs from `offset` on, durably. */
  truncateTo(offset: number): void;
  truncateFullyAndStartAt(offset: number): void;
}

/** Who this node is in the quorum, and how it reaches the others. */
export interface QuorumMembership {
  readonly clusterId: Uuid;
  readonly directoryId: Uuid;
  /** Name of the listener at which the members reach each other. */
  readonly listenerName: string;
  /** Where the others reach this node should it vote. */
  readonly endpoints: readonly VoterEndpoint[];
  /** Who votes as long as the log doesn't say so; none: who may, see below. */
  readonly voters: readonly Voter[];
  /** Whether it is the first voter where nobody is known to vote. */
  readonly isFirst: boolean;
  /** Whether it asks to vote by itself. */
  readonly isJoining: boolean;
  /** Whom an observer asks for the leader when it knows no voters. */
  readonly bootstrapServers: readonly Address[];
  readonly timeouts: RaftTimeouts & { readonly requestMs: number };
  readonly connect: (address: Address) => Promise<Link>;
}

/** Who leads the quorum. */
export interface Leadership {
  /** −1: not known. */
  readonly leaderId: number;
  readonly epoch: number;
  /** Whether it is this node, and it may append. */
  readonly isActive: boolean;
}

/** What a quorum is made of. */
export interface QuorumOptions extends QuorumMembership {
  readonly env: Pick<Env, "clock" | "disk" | "random" | "tasks" | "trace">;
  /** The folder `__cluster_metadata-0`. */
  readonly folder: string;
  readonly log: RaftLog;
  readonly nodeId: number;
  readonly snapshots: SnapshotPolicy;
  /** Called after the high watermark moved. */
  readonly onCommitted: (highWatermark: number) => void;
  /** Called after leader, epoch or being active changed. */
  readonly onLeadership: (leadership: Leadership) => void;
  /** Called after a fetched snapshot took the place of the log. */
  readonly onSnapshotLoaded: () => void;
  /** Called once when the member can't go on: the node must stop. */
  readonly onFailed: (error: unknown) => void;
}

const READ_BYTES = 1024 * 1024;

/**
 * The metadata log of one member.
 *
 * Invariants:
 * 1. What `quorum-state` must hold is durable before a record of the epoch is
 *    appended, a message is sent or a request is answered.
 * 2. At most one sync is in flight; the high watermark moves only after it.
 * 3. Log start ≤ end of the oldest kept snapshot ≤ high watermark.
 * 4. After a failure nothing is written, sent or answered well.
 */
export class Quorum {
  /** Answers what other members ask. */
  readonly service: QuorumService;
  /** Changes who votes. */
  readonly admin: VoterAdmin;
  readonly #options: QuorumOptions;
  readonly #raft: Raft;
  readonly #files: QuorumFiles;
  readonly #own: VoterNode;
  readonly #history: VoterHistory;
  /** Where the log ended when it was opened; `start()` makes all of it durable. */
  readonly #openedEnd: number;
  readonly #peers: Peers;
  /** The newest snapshot as it was found at the start, until it is replayed. */
  #found: ReturnType<typeof newestSnapshot>;
  #snapshotMs: number;
  #bytesSinceSnapshot = 0;
  #announced = -1;
  #leadership: Leadership = { leaderId: -1, epoch: -1, isActive: false };
  #syncing: Promise<void> | undefined;
  #timer: { readonly atMs: number; readonly cancel: Cancel } | undefined;
  #isRunning = false;
  /** Told that another node leads, while this one leaves. */
  #onSucceeded: () => void = () => {};
  /** Whether a member took note of this one's resignation. */
  #isHeard = false;
  /** Messages that no answer came to yet. */
  readonly #sent = new Set<Promise<void>>();
  /** Why the member can't go on, in an array of one. */
  #failure: readonly [unknown] | undefined;

  /** Reads what the folder holds; nothing is written before `start()`. */
  constructor(options: QuorumOptions) {
    const { env: { disk, clock, random }, folder, log, timeouts } = options;
    this.#options = options;
    this.#snapshotMs = clock.monoMs();
    this.#found = newestSnapshot(disk, folder);
    this.#files = new QuorumFiles(disk, folder);
    this.#alignLog();
    const { nodeId: id, directoryId, endpoints } = options;
    this.#own = { id, directoryId, endpoints, kraftVersions: KRAFT_VERSIONS };
    this.#openedEnd = log.logEndOffset;
    const persisted = this.#files.readState();
    this.#history = this.#readVoters(persisted?.voterIds ?? []);
    this.#peers = new Peers({
      ...options,
      ...timeouts,
      own: this.#own,
      quorum: () => this.#history.latest,
    });
    this.#raft = new Raft({
      own: this.#own,
      isJoining: options.isJoining,
      bootstrapServers: options.bootstrapServers.length,
      persisted,
      log: this.#replicaLog(),
      random,
      timeouts,
      nowMs: clock.monoMs(),
      canReach: (id) => this.#peers.addressOf(id) !== undefined,
    });
    this.admin = new VoterAdmin({
      clock,
      clusterId: options.clusterId,
      listenerName: options.listenerName,
      raft: this.#raft,
      requestMs: timeouts.requestMs,
      isActive: () => this.isActive,
      append: (records) => this.append(changeBatch(records, clock.wallMs())),
      kraftVersionsAt: (address) => this.#peers.kraftVersionsAt(address),
    });
    this.service = new QuorumService({
      clock,
      clusterId: options.clusterId,
      raft: this.#raft,
      log,
      isActive: () => this.isActive,
      act: (fn) => this.#act(fn),
      addressOf: (id) => this.#peers.addressOf(id),
      learn: (endpoint) => this.#peers.learn(endpoint),
      readRecords: (offset, maxBytes) =>
        log.read(offset, {
          maxBytes,
          upperOffset: log.logEndOffset,
          minOneBatch: true,
        }),
      readSnapshot: (id, piece) => this.#files.readSnapshot(id, piece),
    });
  }

  /** Who votes, by snapshot and log, or by the config while these don't say. */
  #readVoters(votedIds: readonly number[]): VoterHistory {
    const { voters, listenerName, isFirst, nodeId, endpoints } = this.#options;
    // Who has voted alone goes on alone, so that others can join it.
    const isAlone = votedIds.length === 1 && votedIds[0] === nodeId;
    const isDynamic = voters.length === 0 && endpoints.length > 0 &&
      (isFirst || isAlone);
    const history = new VoterHistory(
      isDynamic
        ? { kraftVersion: KRAFT_VERSIONS.max, voters: [this.#own] }
        : { kraftVersion: 0, voters: staticVoters(voters, listenerName) },
    );
    const { quorum, id } = this.#found ?? {};
    const from = id?.endOffset ?? 0;
    if (quorum !== undefined) history.restart(from, quorum);
    for (const bytes of this.#bytesFrom(from)) history.read(bytes, { from });
    return history;
  }

  /** A snapshot that was fetched stands for a log that doesn't reach it. */
  #alignLog(): void {
    const { folder, log } = this.#options;
    const { endOffset, epoch } = this.#found?.id ?? { endOffset: 0, epoch: -1 };
    // A log whose epochs were lost (−1) may still hold all of its records.
    const isBehind = log.logEndOffset < endOffset ||
      log.latestEpoch >= 0 && log.latestEpoch < epoch;
    if (isBehind) log.truncateFullyAndStartAt(endOffset);
    if (log.logStartOffset <= endOffset) return;
    throw new KafkaError(
      "KAFKA_STORAGE_ERROR",
      `Cannot open metadata log "${folder}": it begins at offset ${log.logStartOffset}, and no whole snapshot reaches that far`,
    );
  }

  /** The log as raft knows it: a snapshot's end goes on in the log. */
  #replicaLog(): ReplicaLog {
    const { log } = this.#options;
    const files = this.#files;
    const history = this.#history;
    return {
      get quorum() {
        return history.latest;
      },
      get logStartOffset() {
        return log.logStartOffset;
      },
      get logEndOffset() {
        return log.logEndOffset;
      },
      get lastEpoch() {
        return Math.max(log.latestEpoch, files.newestSnapshot?.epoch ?? -1);
      },
      get oldestSnapshot() {
        return files.oldestSnapshot;
      },
      get newestSnapshot() {
        return files.newestSnapshot;
      },
      endOffsetForEpoch: (epoch) => log.endOffsetForEpoch(epoch),
    };
  }

  get logEndOffset(): number {
    return this.#options.log.logEndOffset;
  }

  /** Records below are committed; −1: not known yet. */
  get highWatermark(): number {
    return this.#raft.highWatermark;
  }

  /** What the leader of this epoch knows of it, as it would tell others. */
  get leaderHighWatermark(): number {
    return this.#raft.leaderHighWatermark;
  }

  get epoch(): number {
    return this.#raft.epoch;
  }

  /** −1: not known. */
  get leaderId(): number {
    return this.#raft.leaderId;
  }

  /** Whether this node leads and may append. */
  get isActive(): boolean {
    return this.#failure === undefined && this.#raft.isActive;
  }

  /** Name of the listener at which the members reach each other. */
  get listenerName(): string {
    return this.#options.listenerName;
  }

  /** Who votes by the latest record, committed or not. */
  get voters(): VoterSet {
    return this.#history.latest.voters;
  }

  /** Level of the feature kraft.version: from 1 on voters may change. */
  get kraftVersion(): number {
    return this.#history.latest.kraftVersion;
  }

  /** Where a node is reached by members of the quorum. */
  addressOf(id: number): Address | undefined {
    return this.#peers.addressOf(id);
  }

  /** Where another node that leads is reached by members of the quorum. */
  leaderAddress(): Address | undefined {
    const { leaderId } = this.#raft;
    if (leaderId === this.#options.nodeId) return undefined;
    return this.#peers.addressOf(leaderId);
  }

  /** How far all are, as the leader sees it; undefined elsewhere. */
  describe(): QuorumDescription | undefined {
    if (!this.isActive) return undefined;
    return describeQuorum({
      clock: this.#options.env.clock,
      own: this.#own,
      quorum: this.#history.latest,
      logEndOffset: this.logEndOffset,
      replicas: this.#raft.replicas,
    });
  }

  get #isAlone(): boolean {
    const { voters } = this.#history.latest;
    return voters.length === 1 && isSameVoter(voters[0]!, this.#own);
  }

  /**
   * What is known to be committed before anyone was asked: the snapshot, and of
   * the only voter its whole log.
   */
  *replay(): Generator<Pick<StoredBatch, "values" | "nextOffset">> {
    const { env: { disk }, folder } = this.#options;
    const snapshot = this.#found ?? newestSnapshot(disk, folder);
    this.#found = undefined;
    const from = snapshot?.id.endOffset ?? 0;
    if (snapshot !== undefined) {
      yield { values: snapshot.values, nextOffset: from };
    }
    this.#bytesSinceSnapshot = 0;
    for (const batch of this.#batchesFrom(from)) {
      this.#bytesSinceSnapshot += batch.sizeInBytes;
      if (this.#isAlone) yield batch;
    }
  }

  /** Values of the records from `from` to the log's end. */
  *valuesFrom(from: number): Generator<Uint8Array> {
    for (const { values } of this.#batchesFrom(from)) yield* values;
  }

  *#batchesFrom(from: number): Generator<StoredBatch> {
    for (const bytes of this.#bytesFrom(from)) {
      for (const batch of storedBatches(bytes)) {
        if (batch.baseOffset >= from) yield batch;
      }
    }
  }

  /** The log from the batch with `from` in it, in pieces of whole batches. */
  *#bytesFrom(from: number): Generator<Uint8Array> {
    const { log } = this.#options;
    let offset = from;
    while (offset < log.logEndOffset) {
      const bytes = log.read(offset, {
        maxBytes: READ_BYTES,
        upperOffset: log.logEndOffset,
        minOneBatch: true,
      });
      yield bytes;
      const end = endOffsetOf(bytes);
      if (end !== undefined) {
        offset = end;
        continue;
      }
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the metadata log at offset ${offset}: no batch is there`,
      );
    }
  }

  /** Takes part from now on; the only voter leads when this resolves. */
  async start(): Promise<void> {
    // A kill leaves what was never synced, and a voter's fetch promises it.
    await this.#options.log.flush();
    this.#files.prune(this.#options.log);
    this.#isRunning = true;
    this.#act(() => {});
    if (this.#isAlone) await this.settled();
    if (this.#failure !== undefined) throw this.#failure[0];
  }

  /** Appends a batch to be committed and returns its last offset. */
  append(batch: Uint8Array): number {
    if (this.#failure !== undefined) {
      throw new KafkaError(
        "KAFKA_STORAGE_ERROR",
        "The metadata log has failed",
      );
    }
    this.#raft.requireLeader();
    let lastOffset: number;
    try {
      lastOffset = this.#append(batch);
    } catch (error) {
      // Without its log a controller can do nothing any more.
      if (this.#options.log.isOffline) this.#fail(error);
      throw error;
    }
    this.#act(() => {});
    return lastOffset;
  }

  /** Resolves when nothing is left to be synced. */
  async settled(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing;
  }

  /** Whether enough was written since the last snapshot for another one. */
  get isSnapshotDue(): boolean {
    return isSnapshotDue(this.#options.snapshots, {
      bytes: this.#bytesSinceSnapshot,
      ms: this.#options.env.clock.monoMs() - this.#snapshotMs,
    });
  }

  /**
   * Writes `values`, the state as of `endOffset`, as a snapshot and drops the
   * log that no kept snapshot needs.
   */
  writeSnapshot(values: Iterable<Uint8Array>, endOffset: number): void {
    const { env: { clock }, log } = this.#options;
    invariant(endOffset <= this.highWatermark, "a snapshot is committed");
    if (endOffset <= (this.#files.newestSnapshot?.endOffset ?? 0)) return;
    const id = { endOffset, epoch: log.epochAt(endOffset - 1) };
    const quorum = this.#history.at(endOffset);
    const batches = encodeSnapshot(values, {
      id,
      nowMs: clock.wallMs(),
      quorum,
    });
    this.#files.writeSnapshot(id, batches);
    this.#snapshotTaken();
    this.#history.forgetBefore(endOffset);
    this.#files.prune(log);
  }

  /** Gives up leading, tells the others, and ends what is in flight. */
  async close(): Promise<void> {
    await this.settled();
    if (this.#isRunning && this.#failure === undefined) await this.#leave();
    this.#isRunning = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.service.answerAll();
    this.admin.close();
    this.#peers.close();
    await Promise.all(this.#sent);
    await this.settled();
    this.#files.abandonFetched();
  }

  /**
   * Stands no more. Who led stays until another one leads, for its vote may be
   * needed; not when nobody hears of it, nor for longer than voters wait.
   */
  async #leave(): Promise<void> {
    const { env: { clock }, timeouts } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onSucceeded = resolve;
    this.#act((raft) => raft.step({ type: "leave" }));
    if (this.#raft.role !== "resigned" || this.#isAlone) return;
    const cancel = clock.timer(timeouts.fetchMs, resolve);
    Promise.all(this.#sent).then(() => {
      if (!this.#isHeard) resolve();
    });
    await promise;
    cancel();
  }

  /** Runs `fn` on the machine, and does all that it wants then. */
  #act<T>(fn: (raft: Raft) => T): T {
    const raft = this.#raft;
    if (!this.#isRunning || this.#failure !== undefined) {
      throw new KafkaError(
        "BROKER_NOT_AVAILABLE",
        `Node ${this.#options.nodeId} takes no part in the quorum now`,
      );
    }
    try {
      raft.tick(this.#options.env.clock.monoMs());
      const result = fn(raft);
      this.#run();
      return result;
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Carries out what raft wants; a sync that it waits for goes on behind. */
  #run(): void {
    for (;;) {
      const { persist, startEpoch, syncTo } = this.#raft.ready();
      if (persist !== undefined) {
        this.#files.writeState(persist, this.#durableQuorum());
        this.#raft.step({ type: "persisted" });
      } else if (startEpoch !== undefined) {
        this.#options.log.assignEpoch(startEpoch);
        this.#append(this.#leaderChange());
      } else {
        if (syncTo !== undefined) this.#syncing ??= this.#sync();
        break;
      }
    }
    this.#announce();
    this.admin.settle();
    for (const message of this.#raft.takeMessages()) this.#send(message);
    this.service.answerDue();
    this.#arm();
  }

  /**
   * Who votes, for `quorum-state`. Until a record says so durably, the file is
   * all that tells that this node votes, which only its version 0 does.
   */
  #durableQuorum(): QuorumVoters {
    const { latest } = this.#history;
    const end = Math.max(this.#openedEnd, this.highWatermark);
    const isDurable = latest.offset >= 0 && latest.offset < end;
    return isDurable ? latest : { ...latest, kraftVersion: 0 };
  }

  /** Tells who leads, then what is committed, when either changed. */
  #announce(): void {
    const { leaderId, epoch, highWatermark } = this.#raft;
    const { isActive } = this;
    const before = this.#leadership;
    const isNews = leaderId !== before.leaderId || epoch !== before.epoch ||
      isActive !== before.isActive;
    if (leaderId >= 0 && leaderId !== this.#options.nodeId) {
      this.#onSucceeded();
    }
    if (isNews) {
      this.#leadership = { leaderId, epoch, isActive };
      this.#options.onLeadership(this.#leadership);
    }
    if (highWatermark <= this.#announced) return;
    this.#announced = highWatermark;
    this.#options.onCommitted(highWatermark);
  }

  #append(batch: Uint8Array): number {
    const { log, env: { clock } } = this.#options;
    const { lastOffset } = log.appendAsLeader(batch, {
      leaderEpoch: this.epoch,
      nowMs: clock.wallMs(),
    });
    this.#appended(batch);
    return lastOffset;
  }

  #appended(batches: Uint8Array): void {
    // A full disk refuses this change; found out at the sync it would end us.
    this.#options.log.writeStaged();
    this.#bytesSinceSnapshot += batches.length;
    this.#learnVoters(batches);
  }

  /** What the log has of `batches` may say who votes. */
  #learnVoters(batches: Uint8Array): void {
    const { logEndOffset: end } = this.#options.log;
    if (this.#history.read(batches, { end })) this.#peers.votersChanged();
    this.#raft.step({ type: "appended" });
  }

  #leaderChange(): Uint8Array {
    const { nodeId, env: { clock } } = this.#options;
    const { latest } = this.#history;
    return leaderChangeBatch(nodeId, {
      voters: latest.voters,
      grantingVoters: this.#raft.grantingVoters,
      more: firstRecords(latest, this.#own),
      timestamp: clock.wallMs(),
    });
  }

  /** Syncs until all is durable. A failed sync is never tried again. */
  async #sync(): Promise<void> {
    try {
      for (;;) {
        const { syncTo } = this.#raft.ready();
        if (syncTo === undefined) break;
        await this.#options.log.flush();
        if (!this.#isRunning || this.#failure !== undefined) break;
        this.#act((raft) => raft.step({ type: "synced", endOffset: syncTo }));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#syncing = undefined;
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = [error];
    this.#timer?.cancel();
    this.#peers.close();
    this.service.answerAll();
    this.#onSucceeded();
    this.#options.onFailed(error);
  }

  /** Wakes the machine when it wants to be. */
  #arm(): void {
    const { clock } = this.#options.env;
    const atMs = this.#raft.nextTickMs;
    if (atMs === Infinity || (this.#timer?.atMs ?? Infinity) <= atMs) return;
    this.#timer?.cancel();
    // Whole milliseconds: a timer that ends a breath too early would be set
    // again and again for a time that is as good as now.
    const waitMs = Math.max(1, Math.ceil(atMs - clock.monoMs()));
    const cancel = clock.timer(waitMs, () => {
      this.#timer = undefined;
      if (this.#failure === undefined) this.#quietly(() => this.#act(() => {}));
    });
    this.#timer = { atMs, cancel };
  }

  /** What fails has been told by `#fail`: nobody else waits for it here. */
  #quietly(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#fail(error);
    }
  }

  #send(message: RaftMessage): void {
    const sent = this.#exchange(message).finally(() => this.#sent.delete(sent));
    this.#sent.add(sent);
  }

  async #exchange(message: RaftMessage): Promise<void> {
    let answered: Answered | undefined;
    try {
      answered = await this.#peers.send(message);
    } catch (error) {
      const { trace } = this.#options.env;
      trace("debug", `No answer to ${message.type} of the quorum`, { error });
    }
    if (!this.#isRunning || this.#failure !== undefined) return;
    this.#quietly(() =>
      this.#act((raft) =>
        answered === undefined
          ? raft.step({ type: "failed", message })
          : this.#take(message, answered)
      )
    );
  }

  #take(message: RaftMessage, answered: Answered): void {
    const raft = this.#raft;
    if (answered.type === "vote" && message.type === "vote") {
      raft.voteAnswered(message, answered.answer);
    } else if (answered.type === "fetch" && message.type === "fetch") {
      const action = raft.fetchAnswered(message, answered.answer);
      if (action.type === "append") this.#follow(message, answered.records);
      if (action.type === "truncate") {
        this.#options.log.truncateTo(action.endOffset);
        this.#history.truncate(action.endOffset);
        this.#peers.votersChanged();
        raft.step({ type: "truncated" });
      }
      if (action.type === "snapshot") this.#files.beginFetched(action.id);
    } else if (
      answered.type === "snapshot" && message.type === "fetchSnapshot"
    ) {
      const { answer, bytes, size } = answered;
      const piece = { ...answer, bytes: bytes.length };
      if (!raft.snapshotAnswered(message, piece)) return;
      this.#files.writeFetched(bytes, message.position);
      if (message.position + bytes.length >= size) {
        this.#loadSnapshot(message.id);
      }
    } else if (
      answered.type === "told" &&
      (message.type === "beginQuorumEpoch" || message.type === "endQuorumEpoch")
    ) {
      raft.toldAnswered(message, answered.answer);
      if (message.type === "endQuorumEpoch") this.#isHeard = true;
    } else if (
      answered.type === "joined" &&
      (message.type === "updateVoter" || message.type === "addVoter" ||
        message.type === "removeVoter")
    ) {
      this.#joined(message, answered.answer);
    }
  }

  #joined(
    message: RaftMessageOf<JoinRequest["type"]>,
    answer: QuorumAnswer,
  ): void {
    const { type, to: leaderId } = message;
    this.#raft.joinAnswered(message, answer);
    this.#options.env.trace("info", "Told the quorum of this voter", {
      type,
      leaderId,
      error: answer.error,
    });
  }

  /** Appends what the leader sent; a disk that is full is tried again. */
  #follow(message: RaftMessage, records: Uint8Array): void {
    const { log, env: { trace } } = this.#options;
    if (records.length === 0) return;
    try {
      log.appendAsFollower(records);
      this.#appended(records);
    } catch (error) {
      const isPassing = error instanceof KafkaError && !log.isOffline &&
        error.error === "KAFKA_STORAGE_ERROR";
      if (!isPassing) throw error;
      trace("error", "The metadata log could not follow its leader", { error });
      // The disk may have taken some of it.
      this.#learnVoters(records);
      this.#raft.step({ type: "failed", message });
    }
  }

  #loadSnapshot({ endOffset }: { readonly endOffset: number }): void {
    const { env: { disk }, folder, log } = this.#options;
    this.#files.finishFetched();
    log.truncateFullyAndStartAt(endOffset);
    this.#files.prune(log);
    this.#history.restart(endOffset, newestSnapshot(disk, folder)?.quorum);
    this.#peers.votersChanged();
    this.#raft.step({ type: "snapshotLoaded" });
    this.#snapshotTaken();
    this.#announced = Math.max(this.#announced, endOffset);
    this.#options.onSnapshotLoaded();
  }

  #snapshotTaken(): void {
    this.#snapshotMs = this.#options.env.clock.monoMs();
    this.#bytesSinceSnapshot = 0;
  }
}
