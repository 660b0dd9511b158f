/**
 * Consensus on the metadata log, pull-based (KIP-595), as a pure machine: who
 * leads which epoch, and up to where the log is committed. It must never touch
 * a file or a socket: `ready()` says what to persist, append and sync, and the
 * driver reports back with `step()`.
 *
 * | from       | event                           | to                       |
 * |------------|---------------------------------|--------------------------|
 * | start      | log epoch > persisted epoch     | unattached (log epoch) P |
 * | start      | persisted: I led                | resigned, same epoch     |
 * | start      | persisted: I voted for myself   | candidate, same epoch    |
 * | start      | otherwise                       | unattached               |
 * | any of these | tick                          | candidate, epoch + 1 P   |
 * | candidate  | vote persisted: a majority of 1 | leader P                 |
 * | leader     | resign                          | resigned                 |
 *
 * P: `quorum-state` is persisted before anything else is done.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { invariant } from "../invariant.ts";

/** Roles of a voter. */
export type RaftRole = "unattached" | "candidate" | "leader" | "resigned";

/** What survives a restart; −1 is nobody. */
export interface ElectionState {
  readonly leaderId: number;
  readonly epoch: number;
  readonly votedId: number;
}

/** What a machine is made of. */
export interface RaftOptions {
  readonly nodeId: number;
  /** The content of `quorum-state`; undefined when there is none. */
  readonly persisted: ElectionState | undefined;
  /** Epoch of the last record or snapshot; −1 when there is none. */
  readonly lastEpoch: number;
  /** Where the log ends, all of it durable. */
  readonly endOffset: number;
}

/** What happened outside. */
export type RaftInput =
  /** The state last handed out by `ready()` is durable. */
  | { readonly type: "persisted" }
  /** The log ends here now, maybe not durably. */
  | { readonly type: "appended"; readonly endOffset: number }
  /** The log is durable up to here. */
  | { readonly type: "synced"; readonly endOffset: number }
  | { readonly type: "resign" };

/** What the driver has to do, in this order. */
export interface RaftReady {
  /** To be made durable before anything else. */
  readonly persist: ElectionState | undefined;
  /** Epoch that this node leads from now on: LEADER_CHANGE comes first. */
  readonly startEpoch: number | undefined;
  /** The log must be made durable up to here. */
  readonly syncTo: number | undefined;
  /** Records below are committed; −1: not known yet. */
  readonly highWatermark: number;
}

/**
 * The state of one voter.
 *
 * Invariants:
 * 1. The epoch only grows, and with it at most one vote is given.
 * 2. The high watermark never falls and never passes what is durable.
 * 3. In an epoch that this node leads, nothing is committed before a record
 *    of that epoch is.
 */
export class Raft {
  readonly #nodeId: number;
  #role: RaftRole;
  #leaderId: number;
  #epoch: number;
  #votedId: number;
  #isPersisted = false;
  #startEpoch: number | undefined;
  #epochStart = -1;
  #endOffset: number;
  #syncedOffset: number;
  #highWatermark = -1;

  constructor({ nodeId, persisted, lastEpoch, endOffset }: RaftOptions) {
    const state = persisted ?? { leaderId: -1, epoch: 0, votedId: -1 };
    this.#nodeId = nodeId;
    this.#endOffset = endOffset;
    this.#syncedOffset = endOffset;
    if (lastEpoch > state.epoch) {
      this.#role = "unattached";
      this.#epoch = lastEpoch;
      this.#leaderId = -1;
      this.#votedId = -1;
      return;
    }
    this.#epoch = state.epoch;
    this.#leaderId = state.leaderId;
    this.#votedId = state.votedId;
    this.#role = state.leaderId === nodeId
      ? "resigned"
      : state.votedId === nodeId
      ? "candidate"
      : "unattached";
  }

  get role(): RaftRole {
    return this.#role;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Records below are committed; −1: not known yet. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** Starts an election where one is due: the only voter never waits. */
  tick(): void {
    if (this.#role === "leader") return;
    this.#role = "candidate";
    this.#epoch++;
    this.#votedId = this.#nodeId;
    this.#leaderId = -1;
    this.#isPersisted = false;
  }

  /** Takes in what happened. */
  step(input: RaftInput): void {
    switch (input.type) {
      case "persisted":
        return this.#persisted();
      case "appended":
        return this.#appended(input.endOffset);
      case "synced":
        return this.#synced(input.endOffset);
      case "resign":
        if (this.#role === "leader") this.#role = "resigned";
        return;
    }
  }

  /** What is to be done now. */
  ready(): RaftReady {
    const { leaderId, epoch, votedId } = this.#state();
    const startEpoch = this.#isPersisted ? this.#startEpoch : undefined;
    const isBehind = this.#syncedOffset < this.#endOffset;
    return {
      persist: this.#isPersisted ? undefined : { leaderId, epoch, votedId },
      startEpoch,
      syncTo: isBehind ? this.#endOffset : undefined,
      highWatermark: this.#highWatermark,
    };
  }

  /** Throws `NOT_CONTROLLER` unless this node may append. */
  requireLeader(): void {
    if (this.#role === "leader" && this.#isPersisted) return;
    throw new KafkaError(
      "NOT_CONTROLLER",
      `Node ${this.#nodeId} does not lead the metadata log: it is ${this.#role}`,
    );
  }

  #state(): ElectionState {
    return {
      leaderId: this.#leaderId,
      epoch: this.#epoch,
      votedId: this.#votedId,
    };
  }

  #persisted(): void {
    this.#isPersisted = true;
    if (this.#role !== "candidate") return;
    // The own vote, now durable, is the majority.
    this.#role = "leader";
    this.#leaderId = this.#nodeId;
    this.#isPersisted = false;
    this.#startEpoch = this.#epoch;
    this.#epochStart = this.#endOffset;
    this.#highWatermark = -1;
  }

  #appended(endOffset: number): void {
    invariant(endOffset >= this.#endOffset, "a leader's log only grows");
    this.#endOffset = endOffset;
    if (endOffset > this.#epochStart) this.#startEpoch = undefined;
  }

  #synced(endOffset: number): void {
    invariant(endOffset <= this.#endOffset, "what is durable was appended");
    this.#syncedOffset = Math.max(this.#syncedOffset, endOffset);
    if (this.#role !== "leader") return;
    // Equal to the epoch's start would commit older records without one of
    // this epoch above them.
    if (this.#syncedOffset > this.#epochStart) {
      this.#highWatermark = Math.max(this.#highWatermark, this.#syncedOffset);
    }
  }
}
