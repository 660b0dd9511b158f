/**
 * What members of a quorum ask each other and what they answer, without the
 * wire's shapes: that is for whoever carries it. Types only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { ErrorName } from "../errors.ts";
import type { JoinRequest } from "./joining.ts";
import type { SnapshotId } from "./snapshot.ts";

/** A replica by its id and its directory; `ZERO_UUID`: any directory. */
export interface ReplicaKey {
  readonly id: number;
  readonly directoryId: Uuid;
}

/** What every answer tells of the quorum. */
export interface QuorumAnswer {
  readonly error: ErrorName;
  /** −1: not known. */
  readonly leaderId: number;
  readonly epoch: number;
}

/** Asks for a vote, or with `isPreVote` whether one would be given (KIP-996). */
export interface VoteRequest {
  readonly isPreVote: boolean;
  readonly epoch: number;
  readonly candidate: ReplicaKey;
  /** Whom the candidate means to ask; undefined before version 1. */
  readonly voter: ReplicaKey | undefined;
  readonly lastEpoch: number;
  /** Where the candidate's log ends. */
  readonly endOffset: number;
}

/** Answers a {@linkcode VoteRequest}. */
export interface VoteAnswer extends QuorumAnswer {
  readonly isGranted: boolean;
}

/** A leader tells that its epoch has begun. */
export interface BeginQuorumEpochRequest {
  readonly leaderId: number;
  readonly epoch: number;
  /** Whom the leader means; undefined before version 1. */
  readonly voter: ReplicaKey | undefined;
}

/** A leader tells that it gave up, and who had best follow. */
export interface EndQuorumEpochRequest {
  readonly leaderId: number;
  readonly epoch: number;
  /** Voters, those with the longest logs first. */
  readonly successors: readonly number[];
}

/** A replica asks for what comes after its log; by that it acknowledges it. */
export interface FetchQuery {
  /** Id −1: none that the leader has to know. */
  readonly replica: ReplicaKey;
  readonly epoch: number;
  readonly offset: number;
  /** Epoch of the last record before `offset`; 0 of an empty log. */
  readonly lastFetchedEpoch: number;
}

/** How a leader answers a {@linkcode FetchQuery}. */
export type FetchVerdict =
  | { readonly type: "refused"; readonly error: ErrorName }
  /** The logs part: the largest epoch that both may know, and its end. */
  | {
    readonly type: "diverging";
    readonly epoch: number;
    readonly endOffset: number;
  }
  /** What comes next is only in this snapshot. */
  | { readonly type: "snapshot"; readonly id: SnapshotId }
  | { readonly type: "records" };

/** The part of a fetch's answer that decides what to do. */
export interface FetchAnswer extends QuorumAnswer {
  /** −1: the leader doesn't know it yet. */
  readonly highWatermark: number;
  readonly diverging?: { readonly epoch: number; readonly endOffset: number };
  readonly snapshotId?: SnapshotId;
}

/** What a replica does with a fetch's answer. */
export type FetchedAction =
  | { readonly type: "nothing" }
  | { readonly type: "append" }
  | { readonly type: "truncate"; readonly endOffset: number }
  /** Begin to take in this snapshot: pieces come one after the other. */
  | { readonly type: "snapshot"; readonly id: SnapshotId };

/** A message to be sent; exactly one answer or failure is to be reported. */
export type RaftMessage =
  & {
    /** A node, or below −1 the bootstrap server with that number. */
    readonly to: number;
    readonly epoch: number;
  }
  & (
    | {
      readonly type: "vote";
      readonly isPreVote: boolean;
      readonly lastEpoch: number;
      readonly endOffset: number;
    }
    | { readonly type: "beginQuorumEpoch" }
    | {
      readonly type: "endQuorumEpoch";
      readonly successors: readonly number[];
    }
    | {
      readonly type: "fetch";
      readonly offset: number;
      readonly lastFetchedEpoch: number;
      readonly highWatermark: number;
    }
    | {
      readonly type: "fetchSnapshot";
      readonly id: SnapshotId;
      readonly position: number;
    }
    | JoinRequest
  );

/** One message of a kind. */
export type RaftMessageOf<T extends RaftMessage["type"]> = Extract<
  RaftMessage,
  { readonly type: T }
>;
