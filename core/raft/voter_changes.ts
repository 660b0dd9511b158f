/**
 * Whether the voters may change, and to what (KIP-853): the leader's answers
 * to who wants to vote, to vote no more, or to be reached elsewhere. Owns the
 * rules and what voters told of themselves while no record may hold it; what
 * it grants is for others to append.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import type { ErrorName } from "../errors.ts";
import type { ReplicaKey } from "./messages.ts";
import type { QuorumEntry } from "./voter_history.ts";
import {
  hasVoter,
  isSameNode,
  isSameVoter,
  KRAFT_VERSIONS,
  type VoterNode,
  type VoterSet,
  withVoter,
} from "./voter_set.ts";

/** What is asked of the leader. */
export type VoterChange =
  | { readonly type: "add"; readonly voter: VoterNode }
  | { readonly type: "remove"; readonly voter: ReplicaKey }
  | {
    readonly type: "update";
    readonly voter: VoterNode;
    /** Whether it has an endpoint for the voters' listener. */
    readonly isReachable: boolean;
  };

type VoterUpdate = Extract<VoterChange, { readonly type: "update" }>;

/** Why a change is refused. */
export interface ChangeRefusal {
  readonly error: ErrorName;
  readonly message: string;
}

/** The voters to be appended; none: there is nothing to write. */
export interface GrantedChange {
  readonly voters: VoterSet | undefined;
}

/** What the leader knows. */
export interface LeaderView {
  readonly quorum: QuorumEntry;
  /** What this leader committed in its own epoch; −1: nothing yet. */
  readonly highWatermark: number;
  /** Whether the replica has had all there was, not long ago. */
  isCaughtUp(key: ReplicaKey): boolean;
}

/** The rules for one leader. */
export class VoterChanges {
  readonly #own: VoterNode;
  readonly #view: () => LeaderView;
  /** What voters told of themselves under kraft.version 0. */
  readonly #told = new Map<number, VoterNode>();

  constructor(own: VoterNode, view: () => LeaderView) {
    this.#own = own;
    this.#view = view;
  }

  /** A new epoch of this leader begins: nobody has told it anything. */
  begin(): void {
    this.#told.clear();
  }

  /** What is to become of the voters; the checks come in Kafka's order. */
  decide(change: VoterChange): GrantedChange | ChangeRefusal {
    const { quorum } = this.#view();
    const isStatic = quorum.kraftVersion === 0;
    if (change.type === "update" && isStatic) return this.#tell(change);
    const early = this.#refusal(change.type);
    if (early !== undefined) return early;
    switch (change.type) {
      case "add":
        return this.#add(change.voter, quorum);
      case "remove":
        return remove(change.voter, quorum);
      case "update":
        return update(change, quorum);
    }
  }

  /** Why a voter can't be asked to join, before anything is asked of it. */
  refuseAdding(key: ReplicaKey): ChangeRefusal | undefined {
    return this.#refusal("add") ?? duplicate(key, this.#view().quorum);
  }

  /** The voters with which kraft.version `level` begins. */
  upgrade(level: number): GrantedChange | ChangeRefusal {
    const { quorum: { kraftVersion, voters }, highWatermark } = this.#view();
    const refuse = (why: string): ChangeRefusal => ({
      error: "INVALID_UPDATE_VERSION",
      message: `Cannot set kraft.version to ${level}: ${why}`,
    });
    if (level === kraftVersion) return { voters: undefined };
    const { min, max } = KRAFT_VERSIONS;
    if (level < min || level > max) {
      return refuse(`the controller supports levels ${min} to ${max}`);
    }
    if (level < kraftVersion) {
      return refuse(`it is ${kraftVersion} and can't be lowered`);
    }
    if (highWatermark < 0) return notYet("its leader to commit something");
    const known: VoterNode[] = [];
    for (const { id } of voters) {
      const voter = id === this.#own.id ? this.#own : this.#told.get(id);
      if (voter === undefined) {
        return refuse(
          `voter ${id} has not yet told the leader its directory and endpoints`,
        );
      }
      if (voter.kraftVersions.max < level || voter.kraftVersions.min > level) {
        return refuse(`voter ${id} does not support it`);
      }
      if (voter.endpoints.length === 0) {
        return refuse(`voter ${id} has no listener for controllers`);
      }
      known.push(voter);
    }
    return { voters: known };
  }

  /** Why nothing may change now. */
  #refusal(type: VoterChange["type"]): ChangeRefusal | undefined {
    const { quorum: { kraftVersion, offset }, highWatermark } = this.#view();
    if (highWatermark < 0) return notYet("its leader to commit something");
    if (kraftVersion === 0) {
      return {
        error: "UNSUPPORTED_VERSION",
        message: `Cannot ${type} a voter: kraft.version is 0, so voters are ` +
          "those of controller.quorum.voters",
      };
    }
    return offset < highWatermark
      ? undefined
      : notYet(`the change of voters at offset ${offset} to be committed`);
  }

  #add(
    voter: VoterNode,
    { voters, kraftVersion }: QuorumEntry,
  ): GrantedChange | ChangeRefusal {
    const twice = duplicate(voter, this.#view().quorum);
    if (twice !== undefined) return twice;
    const unfit = unsupported(voter, kraftVersion);
    if (unfit !== undefined) return unfit;
    if (!this.#view().isCaughtUp(voter)) {
      return {
        error: "REQUEST_TIMED_OUT",
        message: `Cannot add voter ${voter.id}: it lags behind, or doesn't ` +
          "follow the metadata log",
      };
    }
    return { voters: withVoter(voters, voter) };
  }

  /** Under kraft.version 0 it is only remembered. */
  #tell(told: VoterUpdate): GrantedChange | ChangeRefusal {
    const { quorum, highWatermark } = this.#view();
    if (highWatermark < 0) return notYet("its leader to commit something");
    const { voter } = told;
    const unfit = unfitUpdate(told, quorum);
    if (unfit !== undefined) return unfit;
    if (!hasVoter(quorum.voters, voter)) return unknown(voter);
    this.#told.set(voter.id, voter);
    return { voters: undefined };
  }
}

function remove(
  key: ReplicaKey,
  { voters }: QuorumEntry,
): GrantedChange | ChangeRefusal {
  const rest = voters.filter((voter) => !isSameVoter(voter, key));
  if (rest.length === voters.length) return unknown(key);
  if (rest.length > 0) return { voters: rest };
  return {
    error: "INVALID_REQUEST",
    message: `Cannot remove voter ${key.id}: it is the only one`,
  };
}

function update(
  told: VoterUpdate,
  quorum: QuorumEntry,
): GrantedChange | ChangeRefusal {
  const { voter } = told;
  const { voters } = quorum;
  const unfit = unfitUpdate(told, quorum);
  if (unfit !== undefined) return unfit;
  if (!hasVoter(voters, voter)) return unknown(voter);
  const isKnown = voters.some((known) => isSameNode(known, voter));
  return { voters: isKnown ? undefined : withVoter(voters, voter) };
}

function unfitUpdate(
  { voter, isReachable }: VoterUpdate,
  { kraftVersion }: QuorumEntry,
): ChangeRefusal | undefined {
  const unfit = unsupported(voter, kraftVersion);
  if (unfit !== undefined || isReachable) return unfit;
  return {
    error: "INVALID_REQUEST",
    message: `Voter ${voter.id} names no endpoint for the voters' listener`,
  };
}

function unsupported(
  { id, kraftVersions: { min, max } }: VoterNode,
  kraftVersion: number,
): ChangeRefusal | undefined {
  if (min >= 0 && min <= kraftVersion && kraftVersion <= max) return undefined;
  return {
    error: "INVALID_REQUEST",
    message: `Voter ${id} supports kraft.version ${min} to ${max}, ` +
      `not ${kraftVersion}`,
  };
}

function duplicate(
  key: ReplicaKey,
  { voters }: QuorumEntry,
): ChangeRefusal | undefined {
  if (!voters.some(({ id }) => id === key.id)) return undefined;
  return {
    error: "DUPLICATE_VOTER",
    message: `Cannot add voter ${key.id}: one with this id votes already`,
  };
}

function unknown({ id, directoryId }: ReplicaKey): ChangeRefusal {
  const where = directoryId === ZERO_UUID
    ? ""
    : ` with directory ${directoryId}`;
  return {
    error: "VOTER_NOT_FOUND",
    message: `Node ${id}${where} is not among the voters`,
  };
}

function notYet(what: string): ChangeRefusal {
  return {
    error: "REQUEST_TIMED_OUT",
    message: `The quorum still waits for ${what}`,
  };
}
