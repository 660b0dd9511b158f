/**
 * What passes between raft and who drives it: what a machine is made of, what
 * it is told, what it wants done. Types only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { Random } from "../env/env.ts";
import type { ReplicaLog } from "./divergence.ts";
import type { RaftMessage } from "./messages.ts";
import type { VoterNode } from "./voter_set.ts";

/** What a member of a quorum is at the moment. */
export type RaftRole =
  | "unattached"
  | "prospective"
  | "candidate"
  | "leader"
  | "follower"
  | "resigned";

/** What survives a restart; −1 is nobody. */
export interface ElectionState {
  readonly leaderId: number;
  readonly epoch: number;
  readonly votedId: number;
  /** Not known while kraft.version is 0. */
  readonly votedDirectoryId?: Uuid;
}

/** How long raft waits, in milliseconds. */
export interface RaftTimeouts {
  /** Without a leader for this long, up to twice of it: an election. */
  readonly electionMs: number;
  /** Without a fetch's answer for this long: an election. */
  readonly fetchMs: number;
  /** The least favoured successor of a resigned leader waits this long. */
  readonly backoffMaxMs: number;
}

/** What a machine is made of. */
export interface RaftOptions {
  /** This node, as a voter; without endpoints it can't become one. */
  readonly own: VoterNode;
  /** Whether it asks to vote by itself (KIP-1186). */
  readonly isJoining: boolean;
  /** Bootstrap servers are called −2, −3, …; how many there are. */
  readonly bootstrapServers: number;
  /** The content of `quorum-state`; undefined when there is none. */
  readonly persisted: ElectionState | undefined;
  /**
   * The log, which says who votes; all of it is durable at the start. Without
   * this node among the voters it is an observer.
   */
  readonly log: ReplicaLog;
  readonly random: Pick<Random, "u32">;
  readonly timeouts: RaftTimeouts;
  readonly nowMs: number;
  /** Whether an address of the node is known. */
  readonly canReach: (nodeId: number) => boolean;
}

/** What happened to the log or what the node was told. */
export type RaftInput =
  /** The state last handed out by `ready()` is durable. */
  | { readonly type: "persisted" }
  /** The log ends elsewhere now, maybe not durably. */
  | { readonly type: "appended" }
  | { readonly type: "truncated" }
  /** A whole snapshot took the place of the log. */
  | { readonly type: "snapshotLoaded" }
  /** The snapshot is not there any more. */
  | { readonly type: "snapshotLost" }
  /** The log is durable up to here. */
  | { readonly type: "synced"; readonly endOffset: number }
  | { readonly type: "resign" }
  /** The node stops: it resigns, and stands no more; it still votes. */
  | { readonly type: "leave" }
  /** No answer will come to a message. */
  | { readonly type: "failed"; readonly message: RaftMessage };

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
