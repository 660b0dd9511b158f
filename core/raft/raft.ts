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
 * | leader      | no majority fetches, or told to resign,   | resigned        |
 * |             | or that it votes no more is committed     |                 |
 * | resigned    | election timer                            | unattached, +1 P|
 *
 * P: `quorum-state` is persisted before anything is sent. The voters are those
 * that the log names last, committed or not (KIP-853). Who is no voter is only
 * ever unattached or follower, without timers; but until its removal is known
 * to be committed it stands, without its own vote: it may have the longest log.
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
import { Joining, type JoinRequest } from "./joining.ts";
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
import type { SnapshotId } from "./snapshot.ts";
import { VoterChanges } from "./voter_changes.ts";
import { hasVoter, type VoterNode, type VoterSet } from "./voter_set.ts";
import {
  Ballot,
  grants,
  isSameElection,
  isSane,
  NOTHING,
  successorMs,
  votedOf,
} from "./voting.ts";

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
  readonly #own: VoterNode;
  #voters: VoterSet = [];
  #isVoter = false;
  #others: readonly number[] = [];
  readonly #replicas: Replicas;
  readonly #joining: Joining;
  /** What the leader grants to who wants to vote, or vote no more. */
  readonly changes: VoterChanges;
  readonly #requests: Requests;
  #nowMs: number;
  #role: RaftRole = "unattached";
  #epoch: number;
  #leaderId: number;
  /** The directory is not persisted while kraft.version is 0. */
  #voted: ReplicaKey;
  #persisted: ElectionState | undefined;
  /** When the role's timer ends. */
  #deadlineMs = Infinity;
  readonly #ballot = new Ballot();
  #grantingVoters: readonly number[] = [];
  /** When the leader that it follows answered last. */
  #fetchedMs = -Infinity;
  #isLeaving = false;
  #successors: readonly number[] = [];
  #snapshot: { readonly id: SnapshotId; position: number } | undefined;
  #startEpoch: number | undefined;
  #epochStart = -1;
  #syncedOffset: number;
  /** What the leader of this epoch, maybe this node, knows it to be. */
  #leaderHighWatermark = -1;
  #highWatermark = -1;

  constructor(options: RaftOptions) {
    const { own, persisted, log, timeouts: { fetchMs } } = options;
    this.#options = options;
    this.#nowMs = options.nowMs;
    this.#own = own;
    this.#replicas = new Replicas({ own, fetchMs });
    this.#requests = new Requests(options);
    this.#joining = new Joining({ ...options, fetchMs });
    this.changes = new VoterChanges(own, () => ({
      quorum: log.quorum,
      highWatermark: this.#leaderHighWatermark,
      isCaughtUp: (key) => this.#replicas.isCaughtUp(key, this.#nowMs),
    }));
    this.#syncedOffset = log.logEndOffset;
    this.#persisted = persisted;
    const isBehind = log.lastEpoch > (persisted?.epoch ?? 0);
    const state = isBehind || persisted === undefined ? NOTHING : persisted;
    this.#epoch = isBehind ? log.lastEpoch : state.epoch;
    this.#leaderId = state.leaderId;
    this.#voted = votedOf(state);
    this.#heedVoters();
    this.#begin();
  }

  #begin(): void {
    const { own: { id: nodeId }, canReach } = this.#options;
    const isOnly = this.#isVoter && this.#voters.length === 1;
    if (isOnly) return this.#toProspective();
    if (this.#leaderId === nodeId) {
      this.#role = "resigned";
      this.#deadlineMs = this.#nowMs + this.#electionMs();
    } else if (this.#leaderId >= 0) {
      if (canReach(this.#leaderId)) {
        this.#toFollower(this.#epoch, this.#leaderId);
      } else this.#startElectionTimer();
    } else if (this.#stands && this.#voted.id === nodeId) {
      this.#stand();
    } else this.#startElectionTimer();
  }

  /** The log may name other voters than before. */
  #heedVoters(): void {
    const { voters } = this.#options.log.quorum;
    if (voters === this.#voters) return;
    this.#voters = voters;
    this.#isVoter = hasVoter(voters, this.#own);
    this.#others = voters.map(({ id }) => id)
      .filter((id) => id !== this.#own.id);
    this.#requests.setVoters(this.#others);
    if (this.#role === "leader") {
      this.#replicas.setVoters(voters, this.#nowMs);
      this.#commit();
    } else if (this.#role === "follower") this.#startFetchTimer();
  }

  /** Who doesn't vote, or leaves, never stands. */
  get #stands(): boolean {
    const { offset, previous } = this.#options.log.quorum;
    const isVoter = this.#isVoter ||
      offset >= this.#highWatermark && hasVoter(previous, this.#own);
    return isVoter && !this.#isLeaving;
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
        return this.#heedVoters();
      case "truncated":
        this.#syncedOffset = Math.min(this.#syncedOffset, this.#endOffset);
        return this.#heedVoters();
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
    throw new KafkaError(
      "NOT_CONTROLLER",
      `Node ${this.#own.id} does not lead the metadata log: it is ${this.#role}`,
    );
  }

  /** Somebody asks for this node's vote; answer when `ready()` is persisted. */
  vote(request: VoteRequest): VoteAnswer {
    const { epoch, isPreVote, voter, candidate } = request;
    const refuse = (error: ErrorName) => ({
      ...this.answer(error),
      isGranted: false,
    });
    if (!isSane(request)) return refuse("INVALID_REQUEST");
    if (epoch < this.#epoch) return refuse("FENCED_LEADER_EPOCH");
    if (epoch > this.#epoch) this.#toUnattached(epoch);
    if (!this.#isMeant(voter)) return refuse("INVALID_VOTER_KEY");
    const { log, timeouts } = this.#options;
    const isGranted = grants(request, {
      role: this.#role,
      leaderId: this.#leaderId,
      hasLeader: this.#nowMs - this.#fetchedMs < timeouts.fetchMs,
      voted: this.#voted,
      log,
    });
    if (isGranted && !isPreVote && this.#voted.id < 0) {
      this.#voted = candidate;
      this.#startElectionTimer();
    }
    return { ...this.answer("NONE"), isGranted };
  }

  /** A leader tells of its epoch; answer when `ready()` is persisted. */
  beginQuorumEpoch(request: BeginQuorumEpochRequest): QuorumAnswer {
    const { leaderId, epoch, voter } = request;
    if (leaderId < 0) return this.answer("INVALID_REQUEST");
    if (epoch < this.#epoch) return this.answer("FENCED_LEADER_EPOCH");
    this.#learn(leaderId, epoch);
    return this.answer(this.#isMeant(voter) ? "NONE" : "INVALID_VOTER_KEY");
  }

  /** A leader gave up; answer when `ready()` is persisted. */
  endQuorumEpoch(request: EndQuorumEpochRequest): QuorumAnswer {
    const { leaderId, epoch, successors } = request;
    if (leaderId < 0) return this.answer("INVALID_REQUEST");
    if (epoch < this.#epoch) return this.answer("FENCED_LEADER_EPOCH");
    this.#learn(leaderId, epoch);
    if (this.#role === "follower") {
      const { own: { id }, timeouts: { backoffMaxMs } } = this.#options;
      this.#startTimer(successorMs(successors, { id, backoffMaxMs }));
    }
    return this.answer("NONE");
  }

  /** A replica fetches: what to answer, and what that says of its log. */
  fetch(query: FetchQuery): FetchVerdict {
    const { replica, offset, lastFetchedEpoch } = query;
    const error = this.#refusal(query.epoch);
    if (error !== undefined) return { type: "refused", error };
    const isSane = offset >= 0 && lastFetchedEpoch >= 0 &&
      lastFetchedEpoch <= this.#epoch;
    if (!isSane) return { type: "refused", error: "INVALID_REQUEST" };
    const { log } = this.#options;
    const verdict = follows(log, { offset, epoch: lastFetchedEpoch });
    const isReplica = replica.id >= 0 && replica.id !== this.#own.id;
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
    { replica, epoch }: {
      readonly replica: ReplicaKey;
      readonly epoch: number;
    },
  ): ErrorName | undefined {
    const error = this.#refusal(epoch);
    if (error === undefined) this.#replicas.contacted(replica, this.#nowMs);
    return error;
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
    this.#ballot.take(message.to, answer.isGranted);
    this.#count();
  }

  /** The answer to a message that only tells something. */
  toldAnswered(
    message: RaftMessageOf<"beginQuorumEpoch" | "endQuorumEpoch">,
    answer: QuorumAnswer,
  ): void {
    this.#requests.answered(message.to);
    if (!this.#heed(message, answer)) return;
    if (message.type === "endQuorumEpoch") this.#ballot.take(message.to, true);
  }

  /** The answer to what was told or asked of the leader about this node. */
  joinAnswered(
    message: RaftMessageOf<JoinRequest["type"]>,
    answer: QuorumAnswer,
  ): void {
    this.#requests.answered(message.to);
    const { error, leaderId, epoch } = answer;
    if (epoch >= this.#epoch) this.#learn(leaderId, epoch);
    if (error === "NONE" && epoch === this.#epoch) this.#joining.told();
  }

  /** What to do with a fetch's answer; then the next fetch may go. */
  fetchAnswered(
    message: RaftMessageOf<"fetch">,
    answer: FetchAnswer,
  ): FetchedAction {
    const isLatest = this.#requests.answered(message.to);
    if (!this.#isServed(message, answer)) return { type: "nothing" };
    // The leader may have been asked as a bootstrap server before, too.
    if (!isLatest) return { type: "nothing" };
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
    return isSameElection(this.#state(), this.#persisted ?? NOTHING);
  }

  #state(): ElectionState {
    const { id: votedId, directoryId: votedDirectoryId } = this.#voted;
    return {
      leaderId: this.#leaderId,
      epoch: this.#epoch,
      votedId,
      ...votedDirectoryId === ZERO_UUID ? {} : { votedDirectoryId },
    };
  }

  /** What every answer carries. */
  answer(error: ErrorName): QuorumAnswer {
    return { error, leaderId: this.#leaderId, epoch: this.#epoch };
  }

  #isMeant(voter: ReplicaKey | undefined): boolean {
    if (voter === undefined) return true;
    const { id, directoryId } = this.#own;
    return voter.id === id &&
      (voter.directoryId === ZERO_UUID || voter.directoryId === directoryId);
  }

  /** Why this node does not serve who believes in its epoch. */
  #refusal(epoch: number): ErrorName | undefined {
    if (epoch < this.#epoch) return "FENCED_LEADER_EPOCH";
    if (epoch > this.#epoch) return "UNKNOWN_LEADER_EPOCH";
    return this.isActive ? undefined : "NOT_LEADER_OR_FOLLOWER";
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
    if (isServed) {
      this.#fetchedMs = this.#nowMs;
      this.#startFetchTimer();
    } else this.#requests.failed(message.to, this.#nowMs);
    return isServed;
  }

  /** Somebody says that `leaderId` (−1: nobody yet) leads `epoch`. */
  #learn(leaderId: number, epoch: number): void {
    const { own: { id: nodeId }, canReach } = this.#options;
    const isNewer = epoch > this.#epoch;
    const isKnown = leaderId >= 0 && leaderId !== nodeId && canReach(leaderId);
    if (isNewer) {
      // One that lost its disk votes no more, and may hear of what it led.
      invariant(
        leaderId !== nodeId || !this.#isVoter,
        `node ${nodeId} knows each epoch that it led, not so epoch ${epoch}`,
      );
      if (isKnown) this.#toFollower(epoch, leaderId);
      else this.#toUnattached(epoch);
      return;
    }
    if (leaderId < 0 || epoch < this.#epoch) return;
    const isOne = this.#leaderId < 0
      ? leaderId !== nodeId || !this.#isVoter
      : leaderId === this.#leaderId;
    invariant(
      isOne,
      `epoch ${epoch} has one leader, not ${this.#leaderId} and ${leaderId}`,
    );
    const isNews = this.#leaderId < 0 || this.#role === "unattached";
    if (isKnown && isNews) this.#toFollower(epoch, leaderId);
  }

  #startElectionTimer(): void {
    this.#startTimer(this.#stands ? this.#electionMs() : 0);
  }

  #startFetchTimer(): void {
    this.#startTimer(this.#options.timeouts.fetchMs);
  }

  #startTimer(ms: number): void {
    this.#deadlineMs = this.#stands ? this.#nowMs + ms : Infinity;
  }

  #electionMs(): number {
    const { random, timeouts: { electionMs } } = this.#options;
    return electionMs + random.u32() % Math.max(1, electionMs);
  }

  #enter(role: RaftRole): void {
    this.#role = role;
    this.#ballot.clear();
    this.#snapshot = undefined;
    this.#startEpoch = undefined;
    this.#requests.newRole();
  }

  #enterEpoch(epoch: number, leaderId: number): void {
    invariant(epoch >= this.#epoch, "epochs grow");
    if (epoch > this.#epoch) this.#voted = votedOf(NOTHING);
    if (epoch > this.#epoch || leaderId !== this.#leaderId) {
      this.#leaderHighWatermark = -1;
    }
    this.#epoch = epoch;
    this.#leaderId = leaderId;
  }

  #toUnattached(epoch: number): void {
    // An election that is near stays near: who keeps raising the epoch must
    // not keep the others from standing.
    const keepsTimer = this.#stands && this.#role !== "leader" &&
      this.#role !== "follower" && this.#deadlineMs > this.#nowMs;
    this.#enterEpoch(epoch, epoch > this.#epoch ? -1 : this.#leaderId);
    this.#enter("unattached");
    if (!keepsTimer) this.#startElectionTimer();
  }

  #toFollower(epoch: number, leaderId: number): void {
    this.#enterEpoch(epoch, leaderId);
    this.#enter("follower");
    this.#fetchedMs = -Infinity;
    this.#joining.begin(this.#nowMs);
    this.#startFetchTimer();
  }

  #toProspective(): void {
    if (!this.#stands) return this.#toUnattached(this.#epoch);
    this.#enter("prospective");
    this.#startElectionTimer();
    this.#ballot.take(this.#own.id, true);
    this.#count();
  }

  #endPreVote(): void {
    const { canReach } = this.#options;
    if (this.#leaderId >= 0 && canReach(this.#leaderId)) {
      this.#toFollower(this.#epoch, this.#leaderId);
    } else this.#toUnattached(this.#epoch);
  }

  #toCandidate(): void {
    this.#enterEpoch(this.#epoch + 1, -1);
    const { id, directoryId } = this.#own;
    this.#voted = { id, directoryId };
    this.#stand();
  }

  /** The own vote is given; the others are asked. */
  #stand(): void {
    this.#enter("candidate");
    this.#startElectionTimer();
    this.#ballot.take(this.#own.id, true);
  }

  #count(): void {
    const isWon = this.#ballot.outcome(this.#voters);
    if (this.#role === "prospective") {
      if (isWon === true) return this.#toCandidate();
      if (isWon === false) this.#endPreVote();
    } else if (this.#role === "candidate" && isWon === true) this.#toLeader();
  }

  #toLeader(): void {
    this.#grantingVoters = this.#ballot.granted;
    this.#enterEpoch(this.#epoch, this.#own.id);
    this.#enter("leader");
    this.#deadlineMs = Infinity;
    this.#startEpoch = this.#epoch;
    this.#epochStart = this.#endOffset;
    this.#replicas.begin(this.#voters, this.#nowMs);
    this.changes.begin();
  }

  #resign(): void {
    this.#successors = this.#replicas.successors();
    this.#enter("resigned");
    // Who votes no more leaves the epoch, too: it has another leader to find.
    this.#deadlineMs = this.#isLeaving
      ? Infinity
      : this.#nowMs + this.#electionMs();
  }

  #snapshotLoaded(): void {
    this.#snapshot = undefined;
    this.#syncedOffset = this.#endOffset;
    this.#highWatermark = Math.max(this.#highWatermark, this.#endOffset);
    this.#heedVoters();
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
    const isRemoved = this.#role === "leader" && !this.#isVoter &&
      this.#options.log.quorum.offset < this.#leaderHighWatermark;
    if (isRemoved) this.#resign();
  }

  /** A message to each of the other voters that may have one now. */
  #toOthers<T>(
    isWanted: (to: number) => boolean,
    message: (to: number) => T,
  ): (T & { readonly to: number; readonly epoch: number })[] {
    return this.#others
      .filter((to) => isWanted(to) && this.#requests.begin(to, this.#nowMs))
      .map((to) => ({ ...message(to), to, epoch: this.#epoch }));
  }

  #takeVotes(): RaftMessage[] {
    return this.#toOthers((to) => !this.#ballot.has(to), () => ({
      type: "vote",
      isPreVote: this.#role === "prospective",
      lastEpoch: Math.max(0, this.#options.log.lastEpoch),
      endOffset: this.#endOffset,
    }));
  }

  #takeBegins(): RaftMessage[] {
    const isDue = (to: number) => this.#replicas.tellMs(to) <= this.#nowMs;
    return this.#toOthers(isDue, (to) => {
      this.#replicas.told(to, this.#nowMs);
      return { type: "beginQuorumEpoch" };
    });
  }

  #takeEnds(): RaftMessage[] {
    return this.#toOthers((to) => !this.#ballot.has(to), () => ({
      type: "endQuorumEpoch",
      successors: this.#successors,
    }));
  }

  /** One fetch at a time, to the leader or to whoever may know it. */
  #takeFetch(): RaftMessage[] {
    if (this.#syncedOffset < this.#endOffset) return [];
    const leaderId = this.#role === "follower" ? this.#leaderId : undefined;
    const joining = this.#takeJoining(leaderId);
    if (joining !== undefined) return [joining];
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

  /** What the leader is to know of this node, once in a while. */
  #takeJoining(leaderId: number | undefined): RaftMessage | undefined {
    if (leaderId === undefined || !this.#joining.isDue(this.#nowMs)) return;
    const isFree = this.#requests.beginInsteadOfFetch(leaderId, this.#nowMs);
    if (!isFree) return undefined;
    const { quorum } = this.#options.log;
    const request = this.#joining.take(quorum, this.#nowMs);
    if (request !== undefined) {
      return { ...request, to: leaderId, epoch: this.#epoch };
    }
    this.#requests.answered(leaderId);
    return undefined;
  }
}
