/**
 * How far the replicas of the metadata log are, as its leader sees them. Owns
 * the view; it decides nothing.
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { Clock } from "../../core/env/env.ts";
import type { ReplicaProgress } from "../../core/raft/replicas.ts";
import {
  isSameVoter,
  type QuorumVoters,
  type VoterNode,
} from "../../core/raft/voter_set.ts";

/** How far one replica of the metadata log is. Times are wall ms. */
export interface ReplicaState {
  readonly id: number;
  readonly directoryId: Uuid;
  /** −1: not heard of. */
  readonly logEndOffset: number;
  readonly fetchedMs: number;
  readonly caughtUpMs: number;
}

/** How far all replicas are. */
export interface QuorumDescription {
  readonly voters: readonly ReplicaState[];
  readonly observers: readonly ReplicaState[];
}

/** All of them: who votes, in the order of ids, and who doesn't. */
export function describeQuorum(
  { clock, own, quorum: { kraftVersion, voters }, logEndOffset, replicas }: {
    readonly clock: Pick<Clock, "wallMs" | "monoMs">;
    readonly own: VoterNode;
    readonly quorum: QuorumVoters;
    readonly logEndOffset: number;
    readonly replicas: Iterable<ReplicaProgress>;
  },
): QuorumDescription {
  const wallMs = clock.wallMs();
  const sinceMs = wallMs - clock.monoMs();
  const timeOf = (ms: number) => Math.round(ms > -Infinity ? ms + sinceMs : -1);
  const { id, directoryId } = own;
  const all = [
    { id, directoryId, logEndOffset, fetchedMs: wallMs, caughtUpMs: wallMs },
    ...Array.from(replicas, (replica) => ({
      ...replica.key,
      logEndOffset: replica.endOffset,
      fetchedMs: timeOf(replica.fetchedMs),
      caughtUpMs: timeOf(replica.caughtUpMs),
    })),
  ];
  const voting = voters.map((voter) =>
    all.find((replica) => isSameVoter(voter, replica))!
  );
  return {
    // Nobody has to know directories before kraft.version 1.
    voters: voting.map((state) =>
      kraftVersion === 0 ? { ...state, directoryId: ZERO_UUID } : state
    ),
    observers: all.filter((replica) => !voting.includes(replica)),
  };
}
