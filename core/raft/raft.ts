/**
 * Consensus on the metadata log, pull-based (KIP-595, pre-votes of KIP-996), as
 * a pure machine: who leads which epoch, and up to where the log is committed.
 * It must never touch a file or a socket: `ready()` says what to persist,
 * append and sync, `takeMessages()` what to send after that, and the driver
 * reports back. Time is what `tick()` said last.
 *
 * | from        | event                                     | to              |
 * |-------------|-------------------------------------------|-----------------|
 * | start       | log epoch > persisted epoch               | unattached P    |
 * | start       | persisted: I led                          | resigned        |
 * | start       | persisted: I voted for myself             | candidate       |
 * | start       | persisted: another led, in reach          | follower        |
 * | start       | otherwise                                 | unattached      |
 * | start       | the only voter, whatever was persisted    | prospective     |
 * | any         | higher epoch, leader known and in reach   | follower P      |
 * | any         | higher epoch, otherwise                   | unattached P    |
 * | not leading | leader of this epoch learnt               | follower P      |
 * | unattached  | election timer                            | prospective     |
 * | follower    | fetch timer                               | prospective     |
 * | prospective | a majority would vote for it              | candidate, +1 P |
 * | prospective | a majority would not, or election timer   | follower if the |
 * |             |                                           | leader is known,|
 * |             |                                           | else unattached |
 * | candidate   | a majority                                | leader P        |
 * | candidate   | election timer                            | prospective     |
 * | leader      | no majority fetches, or told to resign    | resigned        |
 * | resigned    | election timer                            | unattached, +1 P|
 *
 * P: `quorum-state` is persisted before anything is sent. Who is no voter is
 * only ever unattached or follower, without timers.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { invariant } from "../invariant.ts";
import type {
  ElectionState,
  RaftInput,
  RaftOptions,
  RaftReady,
  RaftRole,
} from "./contract.ts";
import { follows, sharedEnd } from "./divergence.ts";
import type {
  BeginQuorumEpochRequest,
  EndQuorumEpochRequest,
  FetchAnswer,
  FetchedAction,
  FetchQuery,
  FetchVerdict,
  QuorumAnswer,
  RaftMessage,
  RaftMessageOf,
  ReplicaKey,
  VoteAnswer,
  VoteRequest,
} from "./messages.ts";
import { type ReplicaProgress, Replicas } from "./replicas.ts";
import { Requests } from "./requests.ts";

/**
 * The state of one member.
 *
 * Invariants:
 * 1. The epoch only grows, and with it at most one vote is given.
 * 2. The high watermark never falls and never passes what is durable here.
 * 3. In an epoch that this node leads, nothing is committed before a record
 *    of that epoch is; of itself it counts only what is durable.
 * 4. A fetch goes out only when all before its offset is durable.
 * 5. An epoch has one leader: another one told of is fatal.
 */
export class Raft {
  readonly #options: RaftOptions;
  readonly #isVoter: boolean;
  readonly #others: readonly number[];
  readonly #replicas: Replicas;
  readonly #requests: Requests;
  #nowMs: number;
  #role: RaftRole = "unattached";
  #epoch: number;
  #leaderId: number;
  #votedId: number;
  /** Not persisted while kraft.version is 0. */
  #votedDirectoryId = ZERO_UUID;
  #persisted: ElectionState | undefined;
  /** When the role's timer ends. */
  #deadlineMs = Infinity;
  readonly #granted = new Set<number>();
  readonly #refused = new Set<number>();
  #grantingVoters: readonly number[] = [];
  #hasFetched = false;
  #isLeaving = false;
  #successors: readonly number[] = [];
  #snapshot:
    | { id: { endOffset: number; epoch: number }; position: number }
    | undefined;
  #startEpoch: number | undefined;
  #epochStart = -1;
  #syncedOffset: number;
  /** What the leader of this epoch, maybe this node, knows it to be. */
  #leaderHighWatermark = -1;
  #highWatermark = -1;

  constructor(options: RaftOptions) {
    const { nodeId, voters, persisted, log, timeouts, nowMs } = options;
    this.#options = options;
    this.#nowMs = nowMs;
    this.#isVoter = voters.includes(nodeId);
    this.#others = voters.filter((id) => id !== nodeId);
    this.#replicas = new Replicas({
      voters,
      nodeId,
      fetchMs: timeouts.fetchMs,
    });
    this.#requests = new Requests(options);
    this.#syncedOffset = log.logEndOffset;
    this.#persisted = persisted;
    const state = persisted ?? { leaderId: -1, epoch: 0, votedId: -1 };
    const isBehind = log.lastEpoch > state.epoch;
    this.#epoch = isBehind ? log.lastEpoch : state.epoch;
    this.#leaderId = isBehind ? -1 : state.leaderId;
    this.#votedId = isBehind ? -1 : state.votedId;
    this.#begin();
  }

  #begin(): void {
    const { nodeId, voters, canReach } = this.#options;
    const isOnly = this.#isVoter && voters.length === 1;
    if (isOnly) return this.#toProspective();
    if (this.#leaderId === nodeId) {
      this.#role = "resigned";
      this.#startElectionTimer();
    } else if (this.#leaderId >= 0) {
      if (canReach(this.#leaderId)) {
        this.#toFollower(this.#epoch, this.#leaderId);
      } else this.#startElectionTimer();
    } else if (this.#isVoter && this.#votedId === nodeId) {
      this.#stand();
    } else this.#startElectionTimer();
  }

  get role(): RaftRole {
    return this.#role;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** −1: not known. */
  get leaderId(): number {
    return this.#leaderId;
  }

  /** Whether this node leads and its epoch's first record is in the log. */
  get isActive(): boolean {
    return this.#role === "leader" && this.#isPersisted &&
      this.#startEpoch === undefined;
  }

  /** Records below are committed; −1: not known yet. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** What the leader of this epoch knows to be committed; −1: nothing yet. */
  get leaderHighWatermark(): number {
    return this.#leaderHighWatermark;
  }

  /** Who voted for this leader. */
  get grantingVoters(): readonly number[] {
    return this.#grantingVoters;
  }

  /** How far the others are; of use on the leader only. */
  get replicas(): Iterable<ReplicaProgress> {
    return this.#replicas.all;
  }

  /** When `tick()` has something to do, if nothing happens before. */
  get nextTickMs(): number {
    const retryMs = this.#requests.nextRetryMs(this.#nowMs);
    if (this.#role !== "leader") return Math.min(this.#deadlineMs, retryMs);
    let nextMs = this.#replicas.checkQuorumMs();
    for (const id of this.#others) {
      const freeMs = this.#requests.freeMs(id);
      nextMs = Math.min(nextMs, Math.max(this.#replicas.tellMs(id), freeMs));
    }
    return Math.max(nextMs, this.#nowMs);
  }

  /** It is `nowMs`; what is due by then happens. */
  tick(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    if (this.#role === "leader") {
      if (this.#replicas.checkQuorumMs() <= this.#nowMs) this.#resign();
      return;
    }
    if (this.#deadlineMs > this.#nowMs) return;
    switch (this.#role) {
      case "unattached":
      case "follower":
      case "candidate":
        return this.#toProspective();
      case "prospective":
        return this.#endPreVote();
      case "resigned":
        return this.#toUnattached(this.#epoch + 1);
    }
  }

  /** Takes in what happened. */
  step(input: RaftInput): void {
    switch (input.type) {
      case "persisted":
        this.#persisted = this.#state();
        if (this.#role === "candidate") this.#count();
        return;
      case "appended":
        if (this.#role === "leader") this.#startEpoch = undefined;
        return;
      case "truncated":
        this.#syncedOffset = Math.min(this.#syncedOffset, this.#endOffset);
        return;
      case "snapshotLoaded":
        return this.#snapshotLoaded();
      case "snapshotLost":
        this.#snapshot = undefined;
        return;
      case "synced":
        return this.#synced(input.endOffset);
      case "leave":
        this.#isLeaving = true;
        if (this.#role === "leader") this.#resign();
        else this.#deadlineMs = Infinity;
        return;
      case "resign":
        if (this.#role === "leader") this.#resign();
        return;
      case "failed":
        this.#requests.failed(input.message.to, this.#nowMs);
        return;
    }
  }

  /** What is to be done now. */
  ready(): RaftReady {
    const isBehind = this.#syncedOffset < this.#endOffset;
    return {
      persist: this.#isPersisted ? undefined : this.#state(),
      startEpoch: this.#isPersisted ? this.#startEpoch : undefined,
      syncTo: isBehind ? this.#endOffset : undefined,
      highWatermark: this.#highWatermark,
    };
  }

  /** Messages to send; of each the driver reports the answer or a failure. */
  takeMessages(): RaftMessage[] {
    if (!this.#isPersisted) return [];
    switch (this.#role) {
      case "prospective":
      case "candidate":
        return this.#takeVotes();
      case "leader":
        return this.#takeBegins();
      case "resigned":
        return this.#takeEnds();
      case "unattached":
      case "follower":
        return this.#takeFetch();
    }
  }

  /** Throws `NOT_CONTROLLER` unless this node may append. */
  requireLeader(): void {
    if (this.isActive) return;
    const { nodeId } = this.#options;
    throw new KafkaError(
      "NOT_CONTROLLER",
      `Node ${nodeId} does not lead the metadata log: it is ${this.#role}`,
    );
  }

  /** Somebody asks for this node's vote; answer when `ready()` is persisted. */
  vote(request: VoteRequest): VoteAnswer {
    const { epoch, lastEpoch, isPreVote, voter, candidate } = request;
    const refuse = (error: ErrorName) => ({
      ...this.#answer(error),
      isGranted: false,
    });
    const isSane = candidate.id >= 0 && request.endOffset >= 0 &&
      (isPreVote ? lastEpoch <= epoch : lastEpoch < epoch);
    if (!isSane) return refuse("INVALID_REQUEST");
    if (epoch < this.#epoch) return refuse("FENCED_LEADER_EPOCH");
    if (epoch > this.#epoch) this.#toUnattached(epoch);
    if (!this.#isMeant(voter)) return refuse("INVALID_VOTER_KEY");
    const isGranted = isPreVote
      ? this.#wouldGrant(request)
      : this.#grants(request);
    if (isGranted && !isPreVote && this.#votedId < 0) {
      this.#votedId = candidate.id;
      this.#votedDirectoryId = candidate.directoryId;
      this.#startElectionTimer();
    }
    return { ...this.#answer("NONE"), isGranted };
  }

  /** A leader tells of its epoch; answer when `ready()` is persisted. */
  beginQuorumEpoch(request: BeginQuorumEpochRequest): QuorumAnswer {
    const { leaderId, epoch, voter } = request;
    if (leaderId < 0) return this.#answer("INVALID_REQUEST");
    if (epoch < this.#epoch) return this.#answer("FENCED_LEADER_EPOCH");
    this.#learn(leaderId, epoch);
    return this.#answer(this.#isMeant(voter) ? "NONE" : "INVALID_VOTER_KEY");
  }

  /** A leader gave up; answer when `ready()` is persisted. */
  endQuorumEpoch(request: EndQuorumEpochRequest): QuorumAnswer {
    const { leaderId, epoch, successors } = request;
    if (leaderId < 0) return this.#answer("INVALID_REQUEST");
    if (epoch < this.#epoch) return this.#answer("FENCED_LEADER_EPOCH");
    this.#learn(leaderId, epoch);
    const stands = this.#role === "follower" && this.#isVoter &&
      !this.#isLeaving;
    if (stands) {
      this.#deadlineMs = this.#nowMs + this.#successorMs(successors);
    }
    return this.#answer("NONE");
  }

  /** A replica fetches: what to answer, and what that says of its log. */
  fetch(query: FetchQuery): FetchVerdict {
    const { replica, offset, lastFetchedEpoch } = query;
    const error = this.#refusal(query.epoch);
    if (error !== undefined) return { type: "refused", error };
    const isSane = offset >= 0 && lastFetchedEpoch >= 0 &&
      lastFetchedEpoch <= this.#epoch;
    if (!isSane) return { type: "refused", error: "INVALID_REQUEST" };
    const { log, nodeId } = this.#options;
    const verdict = follows(log, { offset, epoch: lastFetchedEpoch });
    const isReplica = replica.id >= 0 && replica.id !== nodeId;
    if (verdict.type === "records" && isReplica) {
      this.#replicas.fetched(replica, {
        endOffset: offset,
        leaderEndOffset: this.#endOffset,
        nowMs: this.#nowMs,
      });
      this.#commit();
    }
    return verdict;
  }

  /** A replica reads a snapshot; the error to answer, if any. */
  fetchSnapshot(
    { replicaId, epoch }: {
      readonly replicaId: number;
      readonly epoch: number;
    },
  ): ErrorName | undefined {
    const error = this.#refusal(epoch);
    if (error === undefined) this.#replicas.contacted(replicaId, this.#nowMs);
    return error;
  }

  /** What every answer carries. */
  answer(error: ErrorName): QuorumAnswer {
    return this.#answer(error);
  }

  /** A vote that was asked for. */
  voteAnswered(message: RaftMessageOf<"vote">, answer: VoteAnswer): void {
    this.#requests.answered(message.to);
    const role = message.isPreVote ? "prospective" : "candidate";
    const isOld = this.#role !== role || message.epoch !== this.#epoch;
    if (answer.error === "UNSUPPORTED_VERSION" && message.isPreVote) {
      // Before KIP-996 there are no pre-votes to be had.
      if (!isOld) this.#toCandidate();
      return;
    }
    if (!this.#heed(message, answer) || isOld) return;
    if (this.#role !== role) return;
    (answer.isGranted ? this.#granted : this.#refused).add(message.to);
    this.#count();
  }

  /** The answer to a message that only tells something. */
  toldAnswered(
    message: RaftMessageOf<"beginQuorumEpoch" | "endQuorumEpoch">,
    answer: QuorumAnswer,
  ): void {
    this.#requests.answered(message.to);
    if (!this.#heed(message, answer)) return;
    if (message.type === "endQuorumEpoch") this.#granted.add(message.to);
  }

  /** What to do with a fetch's answer; then the next fetch may go. */
  fetchAnswered(
    message: RaftMessageOf<"fetch">,
    answer: FetchAnswer,
  ): FetchedAction {
    this.#requests.answered(message.to);
    if (!this.#isServed(message, answer)) return { type: "nothing" };
    this.#fetched();
    const { log } = this.#options;
    const { diverging, snapshotId } = answer;
    invariant(
      this.#syncedOffset === this.#endOffset,
      "nothing is being synced while a fetch is under way",
    );
    if (diverging !== undefined) {
      const endOffset = sharedEnd(log, diverging);
      invariant(
        endOffset >= this.#highWatermark,
        `what is committed (below ${this.#highWatermark}) is not truncated to ${endOffset}`,
      );
      return { type: "truncate", endOffset };
    }
    if (snapshotId !== undefined) {
      this.#snapshot = { id: snapshotId, position: 0 };
      return { type: "snapshot", id: snapshotId };
    }
    if (message.offset !== this.#endOffset) return { type: "nothing" };
    this.#leaderHighWatermark = Math.max(
      this.#leaderHighWatermark,
      answer.highWatermark,
    );
    this.#commit();
    return { type: "append" };
  }

  /** Whether the piece is to be written; then `bytes` more are there. */
  snapshotAnswered(
    message: RaftMessageOf<"fetchSnapshot">,
    answer: QuorumAnswer & { readonly bytes: number },
  ): boolean {
    this.#requests.answered(message.to);
    const wanted = this.#snapshot;
    if (!this.#isServed(message, answer)) {
      const isLost = answer.error === "SNAPSHOT_NOT_FOUND" ||
        answer.error === "POSITION_OUT_OF_RANGE";
      if (isLost && message.epoch === this.#epoch) this.#snapshot = undefined;
      return false;
    }
    this.#fetched();
    const isNext = wanted !== undefined &&
      wanted.id.endOffset === message.id.endOffset &&
      wanted.id.epoch === message.id.epoch &&
      wanted.position === message.position;
    if (isNext) wanted.position += answer.bytes;
    return isNext;
  }

  get #endOffset(): number {
    return this.#options.log.logEndOffset;
  }

  get #isPersisted(): boolean {
    const now = this.#state();
    const then = this.#persisted ?? { leaderId: -1, epoch: 0, votedId: -1 };
    return now.epoch === then.epoch && now.leaderId === then.leaderId &&
      now.votedId === then.votedId;
  }

  #state(): ElectionState {
    return {
      leaderId: this.#leaderId,
      epoch: this.#epoch,
      votedId: this.#votedId,
    };
  }

  #answer(error: ErrorName): QuorumAnswer {
    return { error, leaderId: this.#leaderId, epoch: this.#epoch };
  }

  #isMeant(voter: ReplicaKey | undefined): boolean {
    if (voter === undefined) return true;
    const { nodeId, directoryId } = this.#options;
    return voter.id === nodeId &&
      (voter.directoryId === ZERO_UUID || voter.directoryId === directoryId);
  }

  #isUpToDate({ lastEpoch, endOffset }: VoteRequest): boolean {
    const own = this.#options.log.lastEpoch;
    return lastEpoch > own || lastEpoch === own && endOffset >= this.#endOffset;
  }

  #wouldGrant(request: VoteRequest): boolean {
    if (this.#role === "leader") return false;
    if (this.#role === "follower" && this.#hasFetched) return false;
    return this.#isUpToDate(request);
  }

  #grants(request: VoteRequest): boolean {
    if (this.#role !== "unattached" && this.#role !== "prospective") {
      return false;
    }
    const { id, directoryId } = request.candidate;
    if (this.#votedId >= 0) {
      return this.#votedId === id && (this.#votedDirectoryId === ZERO_UUID ||
        this.#votedDirectoryId === directoryId);
    }
    return this.#leaderId < 0 && this.#isUpToDate(request);
  }

  /** Why this node does not serve who believes in its epoch. */
  #refusal(epoch: number): ErrorName | undefined {
    if (epoch < this.#epoch) return "FENCED_LEADER_EPOCH";
    if (epoch > this.#epoch) return "UNKNOWN_LEADER_EPOCH";
    return this.isActive ? undefined : "NOT_LEADER_OR_FOLLOWER";
  }

  /** How long a successor waits: the first not at all, the others by rank. */
  #successorMs(successors: readonly number[]): number {
    const { backoffMaxMs } = this.#options.timeouts;
    const position = successors.indexOf(this.#options.nodeId);
    if (position === 0) return 0;
    if (position < 0) return backoffMaxMs;
    const least = Math.floor(backoffMaxMs / 2 ** (successors.length - 1));
    return Math.min(backoffMaxMs, least * 2 ** (position - 1));
  }

  /** Takes in what an answer tells of the quorum; false: it has no other use. */
  #heed(message: RaftMessage, answer: QuorumAnswer): boolean {
    if (answer.error !== "NONE") {
      this.#requests.failed(message.to, this.#nowMs);
    }
    const { epoch, leaderId } = answer;
    if (epoch < this.#epoch) return false;
    this.#learn(leaderId, epoch);
    return answer.error === "NONE" && epoch === message.epoch;
  }

  /** Whether the leader of this epoch served the request: nobody else does. */
  #isServed(message: RaftMessage, answer: QuorumAnswer): boolean {
    const isServed = this.#heed(message, answer) &&
      this.#role === "follower" && message.epoch === this.#epoch;
    if (!isServed) this.#requests.failed(message.to, this.#nowMs);
    return isServed;
  }

  /** Somebody says that `leaderId` (−1: nobody yet) leads `epoch`. */
  #learn(leaderId: number, epoch: number): void {
    const { nodeId, canReach } = this.#options;
    const isNewer = epoch > this.#epoch;
    const isKnown = leaderId >= 0 && leaderId !== nodeId && canReach(leaderId);
    if (isNewer) {
      invariant(
        leaderId !== nodeId,
        `node ${nodeId} knows each epoch that it led, not so epoch ${epoch}`,
      );
      if (isKnown) this.#toFollower(epoch, leaderId);
      else this.#toUnattached(epoch);
      return;
    }
    if (leaderId < 0 || epoch < this.#epoch) return;
    const isOne = this.#leaderId < 0
      ? leaderId !== nodeId
      : leaderId === this.#leaderId;
    invariant(
      isOne,
      `epoch ${epoch} has one leader, not ${this.#leaderId} and ${leaderId}`,
    );
    const isNews = this.#leaderId < 0 || this.#role === "unattached";
    if (isKnown && isNews) this.#toFollower(epoch, leaderId);
  }

  #startElectionTimer(): void {
    if (!this.#isVoter || this.#isLeaving) {
      this.#deadlineMs = Infinity;
      return;
    }
    const { random, timeouts: { electionMs } } = this.#options;
    const extraMs = random.u32() % Math.max(1, electionMs);
    this.#deadlineMs = this.#nowMs + electionMs + extraMs;
  }

  #enter(role: RaftRole): void {
    this.#role = role;
    this.#granted.clear();
    this.#refused.clear();
    this.#snapshot = undefined;
    this.#startEpoch = undefined;
    this.#requests.newRole();
  }

  #enterEpoch(epoch: number, leaderId: number): void {
    invariant(epoch >= this.#epoch, "epochs grow");
    if (epoch > this.#epoch) {
      this.#votedId = -1;
      this.#votedDirectoryId = ZERO_UUID;
    }
    if (epoch > this.#epoch || leaderId !== this.#leaderId) {
      this.#leaderHighWatermark = -1;
    }
    this.#epoch = epoch;
    this.#leaderId = leaderId;
  }

  #toUnattached(epoch: number): void {
    // An election that is near stays near: who keeps raising the epoch must
    // not keep the others from standing.
    const keepsTimer = this.#role !== "leader" && this.#role !== "follower" &&
      this.#deadlineMs > this.#nowMs;
    this.#enterEpoch(epoch, epoch > this.#epoch ? -1 : this.#leaderId);
    this.#enter("unattached");
    if (!keepsTimer) this.#startElectionTimer();
  }

  #toFollower(epoch: number, leaderId: number): void {
    this.#enterEpoch(epoch, leaderId);
    this.#enter("follower");
    this.#hasFetched = false;
    this.#startFetchTimer();
  }

  #startFetchTimer(): void {
    this.#deadlineMs = this.#isVoter && !this.#isLeaving
      ? this.#nowMs + this.#options.timeouts.fetchMs
      : Infinity;
  }

  #toProspective(): void {
    this.#enter("prospective");
    this.#startElectionTimer();
    this.#granted.add(this.#options.nodeId);
    this.#count();
  }

  #endPreVote(): void {
    const { canReach } = this.#options;
    const leaderId = this.#leaderId;
    if (leaderId >= 0 && canReach(leaderId)) {
      this.#toFollower(this.#epoch, leaderId);
    } else this.#toUnattached(this.#epoch);
  }

  #toCandidate(): void {
    this.#enterEpoch(this.#epoch + 1, -1);
    this.#votedId = this.#options.nodeId;
    this.#votedDirectoryId = this.#options.directoryId;
    this.#stand();
  }

  /** The own vote is given; the others are asked. */
  #stand(): void {
    this.#enter("candidate");
    this.#startElectionTimer();
    this.#granted.add(this.#options.nodeId);
  }

  #count(): void {
    const majority = (this.#options.voters.length >> 1) + 1;
    if (this.#role === "prospective") {
      if (this.#granted.size >= majority) return this.#toCandidate();
      if (this.#refused.size >= majority) this.#endPreVote();
    } else if (this.#role === "candidate") {
      if (this.#granted.size >= majority) this.#toLeader();
    }
  }

  #toLeader(): void {
    this.#grantingVoters = [...this.#granted];
    this.#enterEpoch(this.#epoch, this.#options.nodeId);
    this.#enter("leader");
    this.#deadlineMs = Infinity;
    this.#startEpoch = this.#epoch;
    this.#epochStart = this.#endOffset;
    this.#replicas.begin(this.#nowMs);
  }

  #resign(): void {
    this.#successors = this.#replicas.successors();
    this.#enter("resigned");
    this.#startElectionTimer();
  }

  #fetched(): void {
    this.#hasFetched = true;
    this.#startFetchTimer();
  }

  #snapshotLoaded(): void {
    this.#snapshot = undefined;
    this.#syncedOffset = this.#endOffset;
    this.#highWatermark = Math.max(this.#highWatermark, this.#endOffset);
  }

  #synced(endOffset: number): void {
    const synced = Math.min(endOffset, this.#endOffset);
    this.#syncedOffset = Math.max(this.#syncedOffset, synced);
    this.#commit();
  }

  /** Moves the high watermark as far as it can be told. */
  #commit(): void {
    if (this.#role === "leader") {
      const offset = this.#replicas.majorityOffset(this.#syncedOffset);
      // Equal to the epoch's start would commit older records without one of
      // this epoch above them.
      if (offset <= this.#epochStart) return;
      this.#leaderHighWatermark = Math.max(this.#leaderHighWatermark, offset);
    }
    const durable = Math.min(this.#leaderHighWatermark, this.#syncedOffset);
    this.#highWatermark = Math.max(this.#highWatermark, durable);
  }

  #takeVotes(): RaftMessage[] {
    const messages: RaftMessage[] = [];
    const isPreVote = this.#role === "prospective";
    for (const to of this.#others) {
      if (this.#granted.has(to) || this.#refused.has(to)) continue;
      if (!this.#requests.begin(to, this.#nowMs)) continue;
      messages.push({
        type: "vote",
        to,
        epoch: this.#epoch,
        isPreVote,
        lastEpoch: Math.max(0, this.#options.log.lastEpoch),
        endOffset: this.#endOffset,
      });
    }
    return messages;
  }

  #takeBegins(): RaftMessage[] {
    const messages: RaftMessage[] = [];
    for (const to of this.#others) {
      if (this.#replicas.tellMs(to) > this.#nowMs) continue;
      if (!this.#requests.begin(to, this.#nowMs)) continue;
      this.#replicas.told(to, this.#nowMs);
      messages.push({ type: "beginQuorumEpoch", to, epoch: this.#epoch });
    }
    return messages;
  }

  #takeEnds(): RaftMessage[] {
    const messages: RaftMessage[] = [];
    for (const to of this.#others) {
      if (this.#granted.has(to)) continue;
      if (!this.#requests.begin(to, this.#nowMs)) continue;
      messages.push({
        type: "endQuorumEpoch",
        to,
        epoch: this.#epoch,
        successors: this.#successors,
      });
    }
    return messages;
  }

  /** One fetch at a time, to the leader or to whoever may know it. */
  #takeFetch(): RaftMessage[] {
    if (this.#syncedOffset < this.#endOffset) return [];
    const leaderId = this.#role === "follower" ? this.#leaderId : undefined;
    const to = this.#requests.beginFetch(leaderId, this.#nowMs);
    if (to === undefined) return [];
    const epoch = this.#epoch;
    if (this.#snapshot !== undefined && to === leaderId) {
      const { id, position } = this.#snapshot;
      return [{ type: "fetchSnapshot", to, epoch, id, position }];
    }
    return [{
      type: "fetch",
      to,
      epoch,
      offset: this.#endOffset,
      lastFetchedEpoch: Math.max(0, this.#options.log.lastEpoch),
      highWatermark: this.#highWatermark,
    }];
  }
}
