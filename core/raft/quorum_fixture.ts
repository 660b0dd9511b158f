/**
 * A quorum of raft machines in virtual time: a network that loses, delays and
 * reorders, disks that forget what was not synced, and the judge of what they
 * do. The judge knows no rule of raft but what must hold in the end.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { type Uuid, ZERO_UUID } from "../bytes/uuid.ts";
import type { ElectionState } from "./contract.ts";
import type { ReplicaLog } from "./divergence.ts";
import type { FetchVerdict, RaftMessage, RaftMessageOf } from "./messages.ts";
import { Raft } from "./raft.ts";
import type { VoterChange } from "./voter_changes.ts";
import { VoterHistory } from "./voter_history.ts";
import {
  isSameNode,
  isSameVoter,
  KRAFT_VERSIONS,
  type QuorumVoters,
  type VoterNode,
  type VoterSet,
  withVoter,
} from "./voter_set.ts";

/** One record, each a batch of its own. */
export interface Rec {
  readonly epoch: number;
  readonly value: string;
  /** Who votes from here on. */
  readonly voters?: VoterSet;
}

const TIMEOUTS = { electionMs: 1000, fetchMs: 2000, backoffMaxMs: 1000 };
const REQUEST_TIMEOUT_MS = 2000;
const FETCH_WAIT_MS = 500;
const FETCH_RECORDS_MAX = 3;

/** A log in memory; `start` hides what a snapshot stands for. */
class WorldLog implements ReplicaLog {
  #assigned = -1;
  #history: VoterHistory;

  constructor(
    public records: Rec[],
    public start: number,
    readonly initial: QuorumVoters,
  ) {
    this.#history = new VoterHistory(initial);
    records.forEach((record, at) => this.#learn(record, at));
  }

  #learn({ voters }: Rec, at: number): void {
    if (voters === undefined) return;
    this.#history.append(at, { kraftVersion: 1, voters });
  }

  get quorum() {
    return this.#history.latest;
  }

  push(record: Rec): void {
    this.records.push(record);
    this.#learn(record, this.records.length - 1);
  }

  /** A snapshot of these records stands for all of them. */
  load(records: readonly Rec[]): void {
    this.records = [...records];
    this.start = records.length;
    const voters = records.findLast((record) => record.voters)?.voters;
    this.#history.restart(
      this.start,
      voters && { kraftVersion: 1, voters },
    );
  }

  get logStartOffset(): number {
    return this.start;
  }
  get logEndOffset(): number {
    return this.records.length;
  }
  get lastEpoch(): number {
    return Math.max(this.#assigned, this.records.at(-1)?.epoch ?? -1);
  }
  get newestSnapshot() {
    if (this.start === 0) return undefined;
    const epoch = this.records[this.start - 1]!.epoch;
    return { endOffset: this.start, epoch };
  }
  get oldestSnapshot() {
    return this.newestSnapshot;
  }

  endOffsetForEpoch(epoch: number) {
    const { records, start } = this;
    const latest = records.length > start ? records.at(-1)!.epoch : -1;
    if (latest < 0 || epoch > latest) return { epoch: -1, endOffset: -1 };
    const next = records.findIndex((each, at) =>
      at >= start && each.epoch > epoch
    );
    const endOffset = next < 0 ? records.length : next;
    const found = endOffset > start ? records[endOffset - 1]!.epoch : epoch;
    return { epoch: found, endOffset };
  }

  assign(epoch: number): void {
    this.#assigned = epoch;
  }

  truncate(end: number): void {
    this.records.length = end;
    this.#history.truncate(end);
    this.#assigned = -1;
  }
}

/** What a disk keeps when the power goes. */
interface Stored {
  state: ElectionState | undefined;
  records: Rec[];
  start: number;
}

interface Parked {
  readonly isDue: () => boolean;
  readonly answer: () => void;
}

/** One member: the machine and the least driver for it. */
export class Member {
  raft: Raft;
  log: WorldLog;
  parked: Parked[] = [];
  isUp = true;
  /** Counts starts: what was meant for an earlier one is lost. */
  life = 0;
  isSyncing = false;
  highWatermark = -1;
  stored: Stored = { state: undefined, records: [], start: 0 };
  own: VoterNode;
  #initial: QuorumVoters;

  constructor(
    readonly world: World,
    { own, initial }: {
      readonly own: VoterNode;
      readonly initial: QuorumVoters;
    },
  ) {
    this.own = own;
    this.#initial = initial;
    this.log = new WorldLog([], 0, initial);
    this.raft = this.#machine();
  }

  get id(): number {
    return this.own.id;
  }

  #machine(): Raft {
    const { world, own, log, stored } = this;
    return new Raft({
      own,
      isJoining: world.isJoining,
      bootstrapServers: world.isDynamic ? world.count : 0,
      persisted: stored.state,
      log,
      random: { u32: () => world.random() * 0x100000000 >>> 0 },
      timeouts: TIMEOUTS,
      nowMs: world.nowMs,
      canReach: () => true,
    });
  }

  crash(): void {
    this.isUp = false;
    this.life++;
    this.parked = [];
    const { records, start } = this.stored;
    // A part of what was not synced may be there all the same.
    const unsynced = this.log.records.slice(records.length);
    const isLonger = records.every((each, at) => each === this.log.records[at]);
    const lucky = Math.floor(this.world.random() * (unsynced.length + 1));
    const kept = isLonger ? [...records, ...unsynced.slice(0, lucky)] : records;
    this.log = new WorldLog([...kept], start, this.#initial);
  }

  /** Its disk is replaced by an empty one. */
  format(directoryId: Uuid): void {
    if (this.isUp) this.crash();
    this.stored = { state: undefined, records: [], start: 0 };
    this.own = { ...this.own, directoryId };
    this.#initial = { kraftVersion: 0, voters: [] };
    this.log = new WorldLog([], 0, this.#initial);
  }

  /** From its next start on it is reached elsewhere. */
  move(port: number): void {
    const endpoints = [{ name: "C", host: "h", port }];
    this.own = { ...this.own, endpoints };
  }

  restart(): void {
    this.isUp = true;
    this.isSyncing = false;
    this.highWatermark = -1;
    this.stored.records = [...this.log.records];
    this.raft = this.#machine();
    this.run();
  }

  /** Runs `fn` on the machine, then all that it wants. */
  act<T>(fn: (raft: Raft) => T): T {
    this.raft.tick(this.world.nowMs);
    const result = fn(this.raft);
    this.run();
    return result;
  }

  /** Appends as the leader. */
  append(value: string): boolean {
    if (!this.isUp || !this.raft.isActive) return false;
    this.#push({ epoch: this.raft.epoch, value });
    this.run();
    return true;
  }

  /** Changes the voters as the leader; the error, if any. */
  change(change: VoterChange): string | undefined {
    if (!this.isUp || !this.raft.isActive) return "NOT_LEADER_OR_FOLLOWER";
    const verdict = this.raft.changes.decide(change);
    if ("error" in verdict) return verdict.error;
    const { voters } = verdict;
    if (voters === undefined) return undefined;
    const { epoch } = this.raft;
    this.world.changed(this, voters);
    this.#push({ epoch, value: JSON.stringify(voters), voters });
    this.run();
    return undefined;
  }

  /** Who votes in an epoch that it begins, if that is to be said. */
  #firstVoters(): { readonly voters?: VoterSet } {
    const { kraftVersion, offset, voters } = this.log.quorum;
    if (kraftVersion === 0) return {};
    const known = voters.find((voter) => isSameVoter(voter, this.own));
    const isKnown = known === undefined || isSameNode(known, this.own);
    if (offset >= 0 && isKnown) return {};
    return { voters: isKnown ? voters : withVoter(voters, this.own) };
  }

  /** Lets a snapshot stand for what is committed. */
  compact(): void {
    if (!this.isUp || this.raft.highWatermark < 1) return;
    this.log.start = Math.max(this.log.start, this.raft.highWatermark);
    this.stored.start = this.log.start;
  }

  run(): void {
    const { raft, log, world } = this;
    for (;;) {
      const { persist, startEpoch, syncTo } = raft.ready();
      if (persist !== undefined) {
        this.stored.state = persist;
        raft.step({ type: "persisted" });
      } else if (startEpoch !== undefined) {
        log.assign(startEpoch);
        const value = `leader ${this.id}`;
        this.#push({ epoch: startEpoch, value, ...this.#firstVoters() });
      } else {
        if (syncTo !== undefined) this.#sync(syncTo);
        break;
      }
    }
    world.judge(this);
    for (const message of raft.takeMessages()) world.send(this, message);
    const due = this.parked.filter(({ isDue }) => isDue());
    this.parked = this.parked.filter((each) => !due.includes(each));
    for (const { answer } of due) answer();
    world.wake(this);
  }

  #push(record: Rec): void {
    this.log.push(record);
    this.world.appended(this);
    this.raft.step({ type: "appended" });
  }

  #sync(syncTo: number): void {
    if (this.isSyncing) return;
    this.isSyncing = true;
    const life = this.life;
    this.world.after(this.world.random() * 10, () => {
      if (this.life !== life) return;
      this.isSyncing = false;
      this.stored.records = this.log.records.slice(0, syncTo);
      this.act((raft) => raft.step({ type: "synced", endOffset: syncTo }));
    });
  }

  /** Answers a request; a fetch may have to wait. */
  serve(message: RaftMessage, from: Member, reply: (answer: unknown) => void) {
    const { epoch } = message;
    switch (message.type) {
      case "vote": {
        const { isPreVote, lastEpoch, endOffset } = message;
        const answer = this.act((raft) =>
          raft.vote({
            isPreVote,
            epoch,
            candidate: from.own,
            voter: from.voterKey(this.id),
            lastEpoch,
            endOffset,
          })
        );
        if (answer.isGranted && !isPreVote) {
          this.world.voted(this, { epoch, candidate: from.id });
        }
        return reply(answer);
      }
      case "beginQuorumEpoch":
        return reply(
          this.act((raft) =>
            raft.beginQuorumEpoch({
              leaderId: from.id,
              epoch,
              voter: from.voterKey(this.id),
            })
          ),
        );
      case "endQuorumEpoch": {
        const { successors } = message;
        return reply(
          this.act((raft) =>
            raft.endQuorumEpoch({ leaderId: from.id, epoch, successors })
          ),
        );
      }
      case "fetch":
        return this.#serveFetch(message, from, reply);
      case "fetchSnapshot": {
        const error = this.act((raft) =>
          raft.fetchSnapshot({ replica: from.own, epoch })
        );
        const { newestSnapshot, records } = this.log;
        const isThere = newestSnapshot?.endOffset === message.id.endOffset;
        const answer = this.raft.answer(
          error ?? (isThere ? "NONE" : "SNAPSHOT_NOT_FOUND"),
        );
        return reply({ ...answer, records: records.slice(0, this.log.start) });
      }
      case "addVoter":
      case "updateVoter":
      case "removeVoter": {
        const type = message.type.slice(0, -"Voter".length);
        const voter = message.type === "removeVoter" ? message.voter : from.own;
        const error =
          this.change({ type, voter, isReachable: true } as VoterChange) ??
            "NONE";
        return reply({ ...this.raft.answer("NONE"), error });
      }
    }
  }

  /** How it names a voter that it asks. */
  voterKey(id: number) {
    return this.log.quorum.voters.find((voter) => voter.id === id);
  }

  #serveFetch(
    message: RaftMessageOf<"fetch">,
    from: Member,
    reply: (answer: unknown) => void,
  ): void {
    const { offset, lastFetchedEpoch, epoch, highWatermark } = message;
    const replica = from.own;
    const verdict = this.act((raft) =>
      raft.fetch({ replica, epoch, offset, lastFetchedEpoch })
    );
    const answer = () => reply(this.#fetched(verdict, offset));
    const untilMs = this.world.nowMs + FETCH_WAIT_MS;
    const isDue = () =>
      verdict.type !== "records" || !this.raft.isActive ||
      this.log.logEndOffset > offset ||
      this.raft.leaderHighWatermark > highWatermark ||
      this.world.nowMs >= untilMs;
    if (isDue()) return answer();
    const { life } = this;
    this.parked.push({ isDue, answer });
    this.world.after(FETCH_WAIT_MS, () => {
      if (this.life === life) this.run();
    });
  }

  #fetched(verdict: FetchVerdict, offset: number): unknown {
    const { raft, log } = this;
    const isOld = verdict.type !== "refused" && !raft.isActive;
    const error = verdict.type === "refused"
      ? verdict.error
      : isOld
      ? "NOT_LEADER_OR_FOLLOWER"
      : "NONE";
    const { leaderHighWatermark } = raft;
    const answer = {
      ...raft.answer(error),
      highWatermark: leaderHighWatermark,
    };
    if (error !== "NONE") return answer;
    if (verdict.type === "diverging") return { ...answer, diverging: verdict };
    if (verdict.type === "snapshot") {
      return { ...answer, snapshotId: verdict.id };
    }
    const records = log.records.slice(offset, offset + FETCH_RECORDS_MAX);
    return { ...answer, records };
  }

  /** Takes in an answer. */
  // deno-lint-ignore no-explicit-any
  answered(message: RaftMessage, answer: any): void {
    this.act((raft) => {
      switch (message.type) {
        case "vote":
          return raft.voteAnswered(message, answer);
        case "beginQuorumEpoch":
        case "endQuorumEpoch":
          return raft.toldAnswered(message, answer);
        case "fetchSnapshot":
          return this.#takeSnapshot(message, answer);
        case "fetch":
          return this.#take(message, answer);
        default:
          return raft.joinAnswered(message, answer);
      }
    });
  }

  // deno-lint-ignore no-explicit-any
  #take(message: RaftMessageOf<"fetch">, answer: any): void {
    const action = this.raft.fetchAnswered(message, answer);
    if (action.type === "truncate") {
      this.log.truncate(action.endOffset);
      this.raft.step({ type: "truncated" });
    }
    if (action.type !== "append") return;
    for (const record of answer.records) this.#push(record);
  }

  // deno-lint-ignore no-explicit-any
  #takeSnapshot(message: RaftMessageOf<"fetchSnapshot">, answer: any): void {
    const { records } = answer;
    if (!this.raft.snapshotAnswered(message, { ...answer, bytes: 1 })) return;
    this.log.load(records);
    this.stored.records = [...records];
    this.stored.start = records.length;
    this.raft.step({ type: "snapshotLoaded" });
  }
}

/** The members, the network and the judge. */
export class World {
  readonly count: number;
  readonly members: Member[];
  /** Whether voters may change (kraft.version 1). */
  readonly isDynamic: boolean;
  /** Whether observers ask to vote by themselves. */
  readonly isJoining: boolean;
  /** Directories that are gone, and voted, with what they held durably. */
  readonly gone = new Map<Uuid, readonly Rec[]>();
  nowMs = 0;
  /** Share of messages that get lost. */
  lossRate = 0;
  /** Members that can talk have the same number here. */
  readonly sides = new Map<number, number>();
  /** What was committed, for good. */
  readonly committed: Rec[] = [];
  readonly #events: { atMs: number; order: number; fn: () => void }[] = [];
  #order = 0;
  #seed: number;
  readonly #leaders = new Map<number, number>();
  readonly #votes = new Map<string, number>();
  readonly #written = new Map<string, string>();
  readonly #wakes = new Map<Member, number>();

  constructor(options: {
    readonly voters: number;
    readonly observers?: number;
    readonly isDynamic?: boolean;
    readonly isJoining?: boolean;
    readonly seed: number;
  }) {
    const { voters, observers = 0, isDynamic = false, seed } = options;
    this.#seed = seed | 0;
    this.count = voters + observers;
    this.isDynamic = isDynamic;
    this.isJoining = options.isJoining ?? false;
    const nodes = Array.from({ length: this.count }, (_, id): VoterNode => ({
      id,
      directoryId: isDynamic ? `${id}` : ZERO_UUID,
      endpoints: [{ name: "C", host: "h", port: id }],
      kraftVersions: KRAFT_VERSIONS,
    }));
    const initial = {
      kraftVersion: isDynamic ? 1 : 0,
      voters: nodes.slice(0, voters),
    };
    // Who is to join is not told who votes.
    const unknown = { kraftVersion: 0, voters: [] };
    this.members = nodes.map((own, id) =>
      new Member(this, {
        own,
        initial: id < voters || !isDynamic ? initial : unknown,
      })
    );
    for (const member of this.members) member.run();
  }

  /** mulberry32: small, and good enough for delays. */
  random(): number {
    this.#seed = this.#seed + 0x6d2b79f5 | 0;
    let t = Math.imul(this.#seed ^ this.#seed >>> 15, 1 | this.#seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 0x100000000;
  }

  get leader(): Member | undefined {
    return this.members.filter(({ isUp, raft }) => isUp && raft.isActive)
      .sort((a, b) => b.raft.epoch - a.raft.epoch)[0];
  }

  after(ms: number, fn: () => void): void {
    this.#events.push({ atMs: this.nowMs + ms, order: this.#order++, fn });
  }

  /** Lets `ms` pass, or less when `isDone` says so. */
  pass(ms: number, isDone: () => boolean = () => false): boolean {
    const untilMs = this.nowMs + ms;
    while (!isDone()) {
      let next = -1;
      this.#events.forEach(({ atMs, order }, at) => {
        const best = this.#events[next];
        const isBetter = best === undefined || atMs < best.atMs ||
          atMs === best.atMs && order < best.order;
        if (isBetter) next = at;
      });
      const event = this.#events[next];
      if (event === undefined || event.atMs > untilMs) {
        this.nowMs = untilMs;
        return isDone();
      }
      this.#events.splice(next, 1);
      this.nowMs = event.atMs;
      event.fn();
    }
    return true;
  }

  /** Ticks the member when its machine wants to. */
  wake(member: Member): void {
    const atMs = member.raft.nextTickMs;
    if (atMs === Infinity || (this.#wakes.get(member) ?? Infinity) <= atMs) {
      return;
    }
    this.#wakes.set(member, atMs);
    const { life } = member;
    this.after(Math.max(0, atMs - this.nowMs), () => {
      this.#wakes.delete(member);
      if (member.isUp && member.life === life) member.act(() => {});
      else if (member.isUp) this.wake(member);
    });
  }

  send(from: Member, message: RaftMessage): void {
    const { life } = from;
    const to = this.members[message.to < 0 ? -2 - message.to : message.to]!;
    let isSettled = false;
    const settle = (fn: () => void) => {
      if (isSettled || from.life !== life) return;
      isSettled = true;
      fn();
    };
    this.after(
      REQUEST_TIMEOUT_MS,
      () =>
        settle(() =>
          from.act((raft) => raft.step({ type: "failed", message }))
        ),
    );
    this.#carry([from, to], () => {
      if (!to.isUp) return;
      to.serve(message, from, (answer) => {
        this.#carry(
          [to, from],
          () => settle(() => from.answered(message, answer)),
        );
      });
    });
  }

  #carry([from, to]: readonly [Member, Member], fn: () => void): void {
    const side = (member: Member) => this.sides.get(member.id) ?? 0;
    if (side(from) !== side(to) || this.random() < this.lossRate) return;
    const isLate = this.random() < this.lossRate / 2;
    this.after(1 + this.random() * (isLate ? 5000 : 10), fn);
  }

  /** A record was appended: the same place and epoch hold the same record. */
  appended({ id, log }: Member): void {
    const at = log.records.length - 1;
    const { epoch, value } = log.records[at]!;
    const before = log.records[at - 1]?.epoch ?? -1;
    assert(before <= epoch, `epochs in the log of ${id} rise`);
    const key = `${at}:${epoch}`;
    const what = `${value} after ${before}`;
    assertEquals(this.#written.get(key) ?? what, what, `record ${key}`);
    this.#written.set(key, what);
  }

  voted(
    voter: Member,
    { epoch, candidate }: {
      readonly epoch: number;
      readonly candidate: number;
    },
  ): void {
    const key = `${epoch}:${voter.id}`;
    assertEquals(this.#votes.get(key) ?? candidate, candidate, `vote ${key}`);
    this.#votes.set(key, candidate);
    assertEquals(voter.stored.state?.epoch, epoch);
    assertEquals(voter.stored.state?.votedId, candidate);
  }

  /** Whether a voter's directory is gone in anybody's eyes. */
  get isCrippled(): boolean {
    return this.members.some(({ log }) =>
      log.quorum.voters.some(({ directoryId }) => this.gone.has(directoryId))
    );
  }

  /** A leader names other voters: one of them changes, after the last change. */
  changed({ log, raft }: Member, voters: VoterSet): void {
    const { offset, voters: before } = log.quorum;
    const added = voters.filter((voter) =>
      !before.some((each) => isSameNode(each, voter))
    );
    const removed = before.filter(({ id }) =>
      !voters.some((voter) => voter.id === id)
    );
    assertEquals(added.length + removed.length, 1, "one voter at a time");
    assert(offset < this.committed.length, "one change at a time");
    assert(
      this.committed.some((record) => record.epoch === raft.epoch),
      "its leader has committed something",
    );
  }

  /** What must hold of `member` now. */
  judge(member: Member): void {
    const { raft, log, id } = member;
    if (raft.isActive) {
      const { epoch } = raft;
      assertEquals(this.#leaders.get(epoch) ?? id, id, `leader of ${epoch}`);
      this.#leaders.set(epoch, id);
    }
    const { highWatermark } = raft;
    const named = log.records.findLast(({ voters }) => voters)?.voters;
    assertEquals(log.quorum.voters, named ?? log.initial.voters, "who votes");
    assert(highWatermark >= member.highWatermark, "high watermarks rise");
    if (highWatermark === member.highWatermark) return;
    member.highWatermark = highWatermark;
    const isNews = highWatermark > this.committed.length;
    for (let at = 0; at < highWatermark; at++) {
      const known = this.committed[at] ??= log.records[at]!;
      assertEquals(log.records[at], known, `${at} is committed`);
    }
    if (!isNews) return;
    const { voters } = log.quorum;
    const holders = voters.filter((voter) => {
      const { own, stored } = this.members[voter.id]!;
      // A disk that is lost may have been, between its answer and now.
      const records = isSameVoter(voter, own)
        ? stored.records
        : this.gone.get(voter.directoryId) ?? [];
      return records[highWatermark - 1]?.epoch ===
        this.committed[highWatermark - 1]!.epoch;
    });
    assert(
      holders.length > voters.length / 2,
      `${highWatermark} is durable with ${holders.map(({ id }) => id)} only`,
    );
  }
}
