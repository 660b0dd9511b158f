/**
 * What a follower tells its leader of itself: where it is reached, or that it
 * wants to vote (KIP-853, KIP-1186). Owns when and which; the leader decides.
 *
 * @module
 */
import type { ReplicaKey } from "./messages.ts";
import type { QuorumEntry } from "./voter_history.ts";
import {
  hasVoter,
  isSameNode,
  isSameVoter,
  type VoterNode,
} from "./voter_set.ts";

/** It looks once in so many fetch timeouts whether there is something to tell. */
const PERIOD_FACTOR = 2;

/** What a follower asks of its leader. */
export type JoinRequest =
  | { readonly type: "updateVoter" }
  | { readonly type: "addVoter" }
  /** It voted from another directory, which is gone. */
  | { readonly type: "removeVoter"; readonly voter: ReplicaKey };

/** What this node has to tell. */
export class Joining {
  readonly #own: VoterNode;
  readonly #isJoining: boolean;
  readonly #periodMs: number;
  #dueMs = Infinity;
  #hasTold = false;

  constructor({ own, isJoining, fetchMs }: {
    readonly own: VoterNode;
    /** Whether it becomes a voter by itself. */
    readonly isJoining: boolean;
    readonly fetchMs: number;
  }) {
    this.#own = own;
    this.#isJoining = isJoining;
    this.#periodMs = PERIOD_FACTOR * fetchMs;
  }

  /** It follows another leader, or in another epoch. */
  begin(nowMs: number): void {
    this.#dueMs = nowMs + this.#periodMs;
    this.#hasTold = false;
  }

  /** The leader took what it was told. */
  told(): void {
    this.#hasTold = true;
  }

  /** Whether it is time to look. */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  /** What to ask now instead of fetching, if anything. */
  take(
    { kraftVersion, voters }: QuorumEntry,
    nowMs: number,
  ): JoinRequest | undefined {
    this.#dueMs = nowMs + this.#periodMs;
    const own = this.#own;
    const named = voters.find(({ id }) => id === own.id);
    if (kraftVersion === 0) {
      const tells = named !== undefined && !this.#hasTold;
      return tells ? { type: "updateVoter" } : undefined;
    }
    if (named !== undefined && isSameVoter(named, own)) {
      return isSameNode(named, own) ? undefined : { type: "updateVoter" };
    }
    const { endpoints } = own;
    if (!this.#isJoining || endpoints.length === 0) return undefined;
    return named === undefined || hasVoter(voters, own)
      ? { type: "addVoter" }
      : { type: "removeVoter", voter: named };
  }
}
