/**
 * Who gets a vote, who has won, and who stands first when a leader gives up.
 * Owns these rules of an election (KIP-595, KIP-996), and no state but the
 * votes of one ballot.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import type { ElectionState, RaftRole } from "./contract.ts";
import type { ReplicaLog } from "./divergence.ts";
import type { ReplicaKey, VoteRequest } from "./messages.ts";

/** Before anything was persisted. */
export const NOTHING: ElectionState = { leaderId: -1, epoch: 0, votedId: -1 };

/** Whom the vote went to; id −1: to nobody. */
export function votedOf(
  { votedId: id, votedDirectoryId: directoryId = ZERO_UUID }: ElectionState,
): ReplicaKey {
  return { id, directoryId };
}

/** Whether both say the same. */
export function isSameElection(a: ElectionState, b: ElectionState): boolean {
  return a.epoch === b.epoch && a.leaderId === b.leaderId &&
    a.votedId === b.votedId &&
    votedOf(a).directoryId === votedOf(b).directoryId;
}

/** What decides whether a member gives its vote. */
export interface VoterState {
  readonly role: RaftRole;
  readonly leaderId: number;
  /** Whether its leader answered it not long ago: who doesn't vote has no timer. */
  readonly hasLeader: boolean;
  /** Whom it voted for in this epoch; id −1: nobody. */
  readonly voted: ReplicaKey;
  readonly log: Pick<ReplicaLog, "logEndOffset" | "lastEpoch">;
}

/** Whether a request for a vote can be meant. */
export function isSane(request: VoteRequest): boolean {
  const { epoch, lastEpoch, isPreVote, candidate, endOffset } = request;
  return candidate.id >= 0 && endOffset >= 0 &&
    (isPreVote ? lastEpoch <= epoch : lastEpoch < epoch);
}

/** Whether the vote, or with a pre-vote the promise of one, is given. */
export function grants(request: VoteRequest, state: VoterState): boolean {
  const { role, leaderId, hasLeader, voted, log } = state;
  if (request.isPreVote) {
    const isContent = role === "leader" || role === "follower" && hasLeader;
    return !isContent && isUpToDate(request, log);
  }
  if (role !== "unattached" && role !== "prospective") return false;
  const { id, directoryId } = request.candidate;
  if (voted.id >= 0) {
    return voted.id === id && (voted.directoryId === ZERO_UUID ||
      voted.directoryId === directoryId);
  }
  return leaderId < 0 && isUpToDate(request, log);
}

function isUpToDate(
  { lastEpoch, endOffset }: VoteRequest,
  log: VoterState["log"],
): boolean {
  return lastEpoch > log.lastEpoch ||
    lastEpoch === log.lastEpoch && endOffset >= log.logEndOffset;
}

/** How long a successor waits: the first not at all, the others by rank. */
export function successorMs(
  successors: readonly number[],
  { id, backoffMaxMs }: {
    readonly id: number;
    readonly backoffMaxMs: number;
  },
): number {
  const position = successors.indexOf(id);
  if (position === 0) return 0;
  if (position < 0) return backoffMaxMs;
  const least = Math.floor(backoffMaxMs / 2 ** (successors.length - 1));
  return Math.min(backoffMaxMs, least * 2 ** (position - 1));
}

/** The answers to one question put to all voters. */
export class Ballot {
  readonly #granted = new Set<number>();
  readonly #refused = new Set<number>();

  /** Nobody has answered. */
  clear(): void {
    this.#granted.clear();
    this.#refused.clear();
  }

  take(id: number, isGranted: boolean): void {
    (isGranted ? this.#granted : this.#refused).add(id);
  }

  has(id: number): boolean {
    return this.#granted.has(id) || this.#refused.has(id);
  }

  get granted(): readonly number[] {
    return [...this.#granted];
  }

  /** What a majority of `voters` says; undefined: nothing yet. */
  outcome(voters: readonly ReplicaKey[]): boolean | undefined {
    const majority = (voters.length >> 1) + 1;
    const count = (ids: ReadonlySet<number>) =>
      voters.filter(({ id }) => ids.has(id)).length;
    if (count(this.#granted) >= majority) return true;
    return count(this.#refused) >= majority ? false : undefined;
  }
}
