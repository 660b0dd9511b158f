/**
 * Changes of who votes, as the leader carries them out (KIP-853): asks a new
 * voter what it supports, has the change appended, answers when it is
 * committed. Owns the one change that is under way; the rules are
 * {@linkcode VoterChanges}'.
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { Cancel, Clock } from "../../core/env/env.ts";
import { type ErrorName, messageOf } from "../../core/errors.ts";
import type { Raft } from "../../core/raft/raft.ts";
import type {
  ChangeRefusal,
  GrantedChange,
} from "../../core/raft/voter_changes.ts";
import {
  type ControlInput,
  kraftVersionRecord,
  type VoterEndpoint,
  type VoterNode,
  votersRecord,
} from "../../core/raft/voter_set.ts";
import type { Address } from "../tcp/transport.ts";

/** What {@linkcode VoterAdmin} is made of. */
export interface VoterAdminOptions {
  readonly clock: Pick<Clock, "timer">;
  readonly clusterId: Uuid;
  /** Name of the listener at which members reach each other. */
  readonly listenerName: string;
  readonly raft: Raft;
  /** How long each step of a change may take. */
  readonly requestMs: number;
  /** Whether this node leads, and nothing of it has failed. */
  isActive(): boolean;
  /** Appends the records as one batch and returns its last offset. */
  append(records: readonly ControlInput[]): number;
  /** Levels of kraft.version of who is reached there. */
  kraftVersionsAt(address: Address): Promise<VoterNode["kraftVersions"]>;
}

/** What came of a change. */
export interface ChangeAnswer {
  readonly error: ErrorName;
  readonly message: string | null;
}

/** A voter as a request names it. */
export interface VoterAsked {
  /** Null: whichever cluster this is. */
  readonly clusterId: string | null;
  readonly id: number;
  readonly directoryId: Uuid;
}

/** A voter as a request describes it. */
export interface NodeAsked extends VoterAsked {
  readonly endpoints: readonly VoterEndpoint[];
}

interface Pending {
  readonly epoch: number;
  /** Undefined: not appended yet. */
  readonly offset: number | undefined;
  /** When nobody waits for it any more. */
  readonly cancel: Cancel;
  readonly answer: (answer: ChangeAnswer) => void;
}

const DONE: ChangeAnswer = { error: "NONE", message: null };
const NOT_LEADER: ChangeAnswer = {
  error: "NOT_LEADER_OR_FOLLOWER",
  message: "This node does not lead the quorum",
};
const BUSY: ChangeAnswer = {
  error: "REQUEST_TIMED_OUT",
  message: "The quorum still waits for another change of voters",
};
const LATE: ChangeAnswer = {
  error: "REQUEST_TIMED_OUT",
  message: "The change of voters isn't committed in time; it may be later",
};

/**
 * The changes of one member.
 *
 * Invariants:
 * 1. One change is under way at a time.
 */
export class VoterAdmin {
  readonly #options: VoterAdminOptions;
  #pending: Pending | undefined;

  constructor(options: VoterAdminOptions) {
    this.#options = options;
  }

  /** Answers what is committed by now, or won't be by this leader. */
  settle(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    const { raft, isActive } = this.#options;
    const { offset, epoch } = pending;
    const isDone = offset !== undefined && raft.epoch === epoch &&
      raft.leaderHighWatermark > offset;
    if (isDone) this.#end(DONE);
    else if (!isActive() || raft.epoch !== epoch) this.#end(NOT_LEADER);
  }

  /** Nothing will be committed any more. */
  close(): void {
    if (this.#pending !== undefined) this.#end(NOT_LEADER);
  }

  /** A node is to vote; `isWaiting`: answered when that is committed. */
  async add(
    asked: NodeAsked,
    { isWaiting }: { readonly isWaiting: boolean },
  ): Promise<ChangeAnswer> {
    const { raft, listenerName, kraftVersionsAt } = this.#options;
    const { id, directoryId, endpoints } = asked;
    const early = this.#refusal(asked);
    if (early !== undefined) return early;
    const address = endpoints.find(({ name }) => name === listenerName);
    if (address === undefined) {
      return invalid(`name its endpoint for the listener ${listenerName}`);
    }
    if (this.#pending !== undefined) return BUSY;
    const refused = raft.changes.refuseAdding({ id, directoryId });
    if (refused !== undefined) return refused;
    const { promise, isCurrent } = this.#begin();
    let kraftVersions: VoterNode["kraftVersions"];
    try {
      kraftVersions = await kraftVersionsAt(address);
    } catch (cause) {
      const why = messageOf(cause);
      const message = `Node ${id} can't be asked what it supports: ${why}`;
      if (isCurrent()) this.#end({ error: "REQUEST_TIMED_OUT", message });
      return await promise;
    }
    this.settle();
    if (!isCurrent()) return await promise;
    const voter = { id, directoryId, endpoints, kraftVersions };
    const granted = raft.changes.decide({ type: "add", voter });
    this.#carryOut(granted, { isWaiting });
    return await promise;
  }

  /** A node is to vote no more. */
  async remove(asked: VoterAsked): Promise<ChangeAnswer> {
    const { id, directoryId } = asked;
    const early = this.#refusal(asked);
    if (early !== undefined) return early;
    if (this.#pending !== undefined) return BUSY;
    const voter = { id, directoryId };
    const granted = this.#options.raft.changes
      .decide({ type: "remove", voter });
    if ("error" in granted) return granted;
    const { promise } = this.#begin();
    this.#carryOut(granted, { isWaiting: true });
    return await promise;
  }

  /** A voter tells of itself; answered before that is committed. */
  update(
    asked: NodeAsked & {
      readonly epoch: number;
      readonly kraftVersions: VoterNode["kraftVersions"];
    },
  ): ChangeAnswer {
    const { raft, listenerName } = this.#options;
    const { id, directoryId, endpoints, kraftVersions, epoch } = asked;
    const early = this.#refusal(asked, epoch);
    if (early !== undefined) return early;
    if (this.#pending !== undefined) return BUSY;
    const isReachable = endpoints.some(({ name }) => name === listenerName);
    const voter = { id, directoryId, endpoints, kraftVersions };
    const granted = raft.changes
      .decide({ type: "update", voter, isReachable });
    if ("error" in granted) return granted;
    if (granted.voters !== undefined) {
      this.#options.append([votersRecord(granted.voters)]);
    }
    return DONE;
  }

  /** Finalizes kraft.version, or only says whether it could be. */
  async upgrade(
    level: number,
    { isDryRun }: { readonly isDryRun: boolean },
  ): Promise<ChangeAnswer> {
    if (!this.#options.isActive()) return NOT_LEADER;
    if (this.#pending !== undefined) return BUSY;
    const granted = this.#options.raft.changes.upgrade(level);
    if ("error" in granted) return granted;
    if (isDryRun || granted.voters === undefined) return DONE;
    const { promise } = this.#begin();
    this.#carryOut(granted, { isWaiting: true, level });
    return await promise;
  }

  #begin() {
    const { raft, clock, requestMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<ChangeAnswer>();
    const pending: Pending = {
      epoch: raft.epoch,
      offset: undefined,
      cancel: clock.timer(requestMs, () => {
        if (this.#pending?.answer === resolve) this.#end(LATE);
      }),
      answer: resolve,
    };
    this.#pending = pending;
    return { promise, isCurrent: () => this.#pending === pending };
  }

  #end(answer: ChangeAnswer): void {
    const pending = this.#pending!;
    this.#pending = undefined;
    pending.cancel();
    pending.answer(answer);
  }

  #carryOut(
    granted: GrantedChange | ChangeRefusal,
    { isWaiting, level }: {
      readonly isWaiting: boolean;
      readonly level?: number;
    },
  ): void {
    if ("error" in granted) return this.#end(granted);
    if (granted.voters === undefined) return this.#end(DONE);
    const { append } = this.#options;
    const records = [
      ...level === undefined ? [] : [kraftVersionRecord(level)],
      votersRecord(granted.voters),
    ];
    // Alone, it may be committed before the offset is known here.
    const pending = this.#pending!;
    let offset: number;
    try {
      offset = append(records);
    } catch (cause) {
      const message = messageOf(cause);
      if (this.#pending !== pending) return;
      return this.#end({ error: "KAFKA_STORAGE_ERROR", message });
    }
    if (this.#pending !== pending) return;
    this.#pending = { ...pending, offset };
    if (!isWaiting) pending.answer(DONE);
    this.settle();
  }

  /** Why nobody here can decide, or what is asked means nothing. */
  #refusal(
    { clusterId, id, directoryId }: VoterAsked,
    epoch?: number,
  ): ChangeAnswer | undefined {
    const { raft, isActive } = this.#options;
    if (clusterId !== null && clusterId !== this.#options.clusterId) {
      return {
        error: "INCONSISTENT_CLUSTER_ID",
        message: `This is cluster ${this.#options.clusterId}`,
      };
    }
    if (epoch !== undefined && epoch < raft.epoch) {
      return { error: "FENCED_LEADER_EPOCH", message: null };
    }
    if (epoch !== undefined && epoch > raft.epoch) {
      return { error: "UNKNOWN_LEADER_EPOCH", message: null };
    }
    if (!isActive()) return NOT_LEADER;
    return id < 0 || directoryId === ZERO_UUID
      ? invalid("name a voter by its id and its directory")
      : undefined;
  }
}

function invalid(what: string): ChangeAnswer {
  return {
    error: "INVALID_REQUEST",
    message: `Cannot change the voters: ${what}`,
  };
}
