/**
 * A quorum of raft machines in virtual time: a network that loses, delays and
 * reorders, disks that forget what was not synced, and the judge of what they
 * do. The judge knows no rule of raft but what must hold in the end.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ZERO_UUID } from "../bytes/uuid.ts";
import type { ElectionState } from "./contract.ts";
import type { ReplicaLog } from "./divergence.ts";
import type { FetchVerdict, RaftMessage, RaftMessageOf } from "./messages.ts";
import { Raft } from "./raft.ts";

/** One record, each a batch of its own. */
export interface Rec {
  readonly epoch: number;
  readonly value: string;
}

const TIMEOUTS = { electionMs: 1000, fetchMs: 2000, backoffMaxMs: 1000 };
const REQUEST_TIMEOUT_MS = 2000;
const FETCH_WAIT_MS = 500;
const FETCH_RECORDS_MAX = 3;

/** A log in memory; `start` hides what a snapshot stands for. */
class WorldLog implements ReplicaLog {
  #assigned = -1;
  constructor(public records: Rec[], public start: number) {}

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
  readonly stored: Stored = { state: undefined, records: [], start: 0 };

  constructor(readonly world: World, readonly id: number) {
    this.log = new WorldLog([], 0);
    this.raft = this.#machine();
  }

  #machine(): Raft {
    const { world, id, log, stored } = this;
    return new Raft({
      nodeId: id,
      directoryId: ZERO_UUID,
      voters: world.voters,
      bootstrapServers: 0,
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
    this.log = new WorldLog([...kept], start);
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
        this.#push({ epoch: startEpoch, value: `leader ${this.id}` });
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
    this.log.records.push(record);
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
            candidate: { id: from.id, directoryId: ZERO_UUID },
            voter: { id: this.id, directoryId: ZERO_UUID },
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
              voter: undefined,
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
          raft.fetchSnapshot({ replicaId: from.id, epoch })
        );
        const { newestSnapshot, records } = this.log;
        const isThere = newestSnapshot?.endOffset === message.id.endOffset;
        const answer = this.raft.answer(
          error ?? (isThere ? "NONE" : "SNAPSHOT_NOT_FOUND"),
        );
        return reply({ ...answer, records: records.slice(0, this.log.start) });
      }
    }
  }

  #serveFetch(
    message: RaftMessageOf<"fetch">,
    from: Member,
    reply: (answer: unknown) => void,
  ): void {
    const { offset, lastFetchedEpoch, epoch, highWatermark } = message;
    const replica = { id: from.id, directoryId: ZERO_UUID };
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
    this.log = Object.assign(this.log, {
      records: [...records],
      start: records.length,
    });
    this.stored.records = [...records];
    this.stored.start = records.length;
    this.raft.step({ type: "snapshotLoaded" });
  }
}

/** The members, the network and the judge. */
export class World {
  readonly voters: readonly number[];
  readonly members: Member[];
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

  constructor({ voters, observers = 0, seed }: {
    readonly voters: number;
    readonly observers?: number;
    readonly seed: number;
  }) {
    this.#seed = seed | 0;
    this.voters = Array.from({ length: voters }, (_, id) => id);
    this.members = Array.from(
      { length: voters + observers },
      (_, id) => new Member(this, id),
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
    const to = this.members[message.to]!;
    const { life } = from;
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

  /** What must hold of `member` now. */
  judge(member: Member): void {
    const { raft, log, id } = member;
    if (raft.isActive) {
      const { epoch } = raft;
      assertEquals(this.#leaders.get(epoch) ?? id, id, `leader of ${epoch}`);
      this.#leaders.set(epoch, id);
    }
    const { highWatermark } = raft;
    assert(highWatermark >= member.highWatermark, "high watermarks rise");
    if (highWatermark === member.highWatermark) return;
    member.highWatermark = highWatermark;
    for (let at = 0; at < highWatermark; at++) {
      const known = this.committed[at] ??= log.records[at]!;
      assertEquals(log.records[at], known, `${at} is committed`);
    }
    if (highWatermark === 0) return;
    const holders = this.voters.filter((voter) =>
      this.members[voter]!.stored.records.length >= highWatermark &&
      this.members[voter]!.stored.records[highWatermark - 1]!.epoch ===
        this.committed[highWatermark - 1]!.epoch
    );
    assert(
      holders.length > this.voters.length / 2,
      `${highWatermark} is durable with ${holders} only`,
    );
  }
}
