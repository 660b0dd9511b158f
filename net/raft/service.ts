/**
 * Answers what the other members ask: the quorum's messages in Kafka's shapes.
 * Owns the checks of cluster and partition, and fetches that wait; what is
 * right to answer is the machine's to decide.
 *
 * @module
 */
import { METADATA_TOPIC_ID, type Uuid } from "../../core/bytes/uuid.ts";
import type { Cancel, Clock } from "../../core/env/env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import type {
  FetchQuery,
  FetchVerdict,
  QuorumAnswer,
} from "../../core/raft/messages.ts";
import type { Raft } from "../../core/raft/raft.ts";
import type { SnapshotId } from "../../core/raft/snapshot.ts";
import type { Address } from "../tcp/transport.ts";
import type { FetchRequest, FetchResponse } from "../wire/01_fetch.ts";
import type { VoteRequest, VoteResponse } from "../wire/52_vote.ts";
import type {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from "../wire/53_begin_quorum_epoch.ts";
import type {
  EndQuorumEpochRequest,
  EndQuorumEpochResponse,
} from "../wire/54_end_quorum_epoch.ts";
import type {
  FetchSnapshotRequest,
  FetchSnapshotResponse,
} from "../wire/59_fetch_snapshot.ts";
import { METADATA_TOPIC } from "./voters.ts";

/** What {@linkcode QuorumService} uses of its member. */
export interface Member {
  readonly clock: Pick<Clock, "timer">;
  readonly clusterId: Uuid;
  readonly raft: Raft;
  readonly log: {
    readonly logStartOffset: number;
    readonly logEndOffset: number;
  };
  /** Whether this node leads, and nothing of it has failed. */
  isActive(): boolean;
  /** Runs `fn` on the machine; what it wants is durable when this returns. */
  act<T>(fn: (raft: Raft) => T): T;
  addressOf(id: number): Address | undefined;
  learn(endpoint: {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }): void;
  readRecords(offset: number, maxBytes: number): Uint8Array;
  readSnapshot(
    id: SnapshotId,
    options: { readonly position: number; readonly maxBytes: number },
  ): { readonly bytes: Uint8Array; readonly size: number } | undefined;
}

interface Waiting {
  readonly isDue: () => boolean;
  readonly answer: () => void;
}

/** Versions from which on the leader's address is told. */
const ENDPOINTS_VERSION = 1;
const FETCH_ENDPOINTS_VERSION = 16;
const FETCH_TOPIC_ID_VERSION = 13;
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

/** The quorum's side of a controller listener. */
export class QuorumService {
  readonly #member: Member;
  #waiting: Waiting[] = [];

  constructor(member: Member) {
    this.#member = member;
  }

  /** Answers the fetches that need not wait any more. */
  answerDue(): void {
    const due = this.#waiting.filter(({ isDue }) => isDue());
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((each) => !due.includes(each));
    for (const { answer } of due) answer();
  }

  /** Answers all fetches. */
  answerAll(): void {
    for (const { answer } of this.#waiting.splice(0)) answer();
  }

  vote(request: VoteRequest, version: number): VoteResponse {
    const { topics, voterId, clusterId } = request;
    const asked = only(topics, isMetadata);
    const error = this.#refusal(clusterId, asked);
    if (asked === undefined || error !== undefined) return refused(error);
    const answer = this.#member.act((raft) =>
      raft.vote({
        isPreVote: asked.preVote,
        epoch: asked.replicaEpoch,
        candidate: {
          id: asked.replicaId,
          directoryId: asked.replicaDirectoryId,
        },
        voter: keyOf(voterId, asked.voterDirectoryId),
        lastEpoch: asked.lastOffsetEpoch,
        endOffset: asked.lastOffset,
      })
    );
    const partition = { ...leading(answer), voteGranted: answer.isGranted };
    return this.#told(partition, version);
  }

  beginQuorumEpoch(
    request: BeginQuorumEpochRequest,
    version: number,
  ): BeginQuorumEpochResponse {
    const { topics, voterId, clusterId } = request;
    const asked = only(topics, isMetadata);
    const error = this.#refusal(clusterId, asked);
    if (asked === undefined || error !== undefined) return refused(error);
    const { leaderId, leaderEpoch: epoch, voterDirectoryId } = asked;
    this.#learnFrom(leaderId, request.leaderEndpoints);
    const voter = keyOf(voterId, voterDirectoryId);
    const answer = this.#member.act((raft) =>
      raft.beginQuorumEpoch({ leaderId, epoch, voter })
    );
    return this.#told(leading(answer), version);
  }

  endQuorumEpoch(
    request: EndQuorumEpochRequest,
    version: number,
  ): EndQuorumEpochResponse {
    const { topics, clusterId } = request;
    const asked = only(topics, isMetadata);
    const error = this.#refusal(clusterId, asked);
    if (asked === undefined || error !== undefined) return refused(error);
    const { leaderId, leaderEpoch: epoch, preferredCandidates } = asked;
    this.#learnFrom(leaderId, request.leaderEndpoints);
    const successors = version >= ENDPOINTS_VERSION
      ? preferredCandidates.map(({ candidateId }) => candidateId)
      : asked.preferredSuccessors;
    const answer = this.#member.act((raft) =>
      raft.endQuorumEpoch({ leaderId, epoch, successors })
    );
    return this.#told(leading(answer), version);
  }

  /** Answers at once, or when there is something to tell or the time is up. */
  fetch(request: FetchRequest, version: number): Promise<FetchResponse> {
    const { topics, clusterId, maxWaitMs } = request;
    const asked = only(
      topics,
      ({ topic, topicId }) =>
        version >= FETCH_TOPIC_ID_VERSION
          ? topicId === METADATA_TOPIC_ID
          : topic === METADATA_TOPIC,
    );
    const error = this.#refusal(clusterId, asked);
    if (asked === undefined || error !== undefined) {
      return Promise.resolve({
        errorCode: ERRORS[error ?? "INVALID_REQUEST"],
        responses: [],
      });
    }
    const { raft, act, clock, isActive } = this.#member;
    const query = queryOf(request, asked);
    const verdict = act((raft) => raft.fetch(query));
    const maxBytes = Math.min(
      request.maxBytes,
      asked.partitionMaxBytes,
      FETCH_BYTES_MAX,
    );
    const answer = () => this.#fetched({ verdict, query, maxBytes, version });
    // Who doesn't tell what it knows hears of what is committed from now on.
    const known = Math.min(asked.highWatermark, raft.leaderHighWatermark);
    const isDue = () =>
      verdict.type !== "records" || !isActive() ||
      raft.epoch !== query.epoch ||
      this.#member.log.logEndOffset > query.offset ||
      raft.leaderHighWatermark > known;
    if (maxWaitMs <= 0 || isDue()) return Promise.resolve(answer());
    return this.#park(isDue, {
      answer,
      timer: (fn) => clock.timer(maxWaitMs, fn),
    });
  }

  fetchSnapshot(
    request: FetchSnapshotRequest,
    version: number,
  ): FetchSnapshotResponse {
    const { topics, clusterId, replicaId: id, maxBytes } = request;
    const asked = only(topics, ({ name }) => name === METADATA_TOPIC);
    const refusal = this.#refusal(clusterId, asked);
    if (asked === undefined || refusal !== undefined) return refused(refusal);
    const { snapshotId, position, currentLeaderEpoch: epoch } = asked;
    const { act, raft, readSnapshot } = this.#member;
    const replica = { id, directoryId: asked.replicaDirectoryId };
    let error = act((raft) => raft.fetchSnapshot({ replica, epoch }));
    const piece = error === undefined
      ? readSnapshot(snapshotId, {
        position,
        maxBytes: Math.min(maxBytes, FETCH_BYTES_MAX),
      })
      : undefined;
    if (error === undefined && piece === undefined) {
      error = "SNAPSHOT_NOT_FOUND";
    } else if (piece && (position < 0 || position >= piece.size)) {
      error = "POSITION_OUT_OF_RANGE";
    }
    const { leaderId, epoch: leaderEpoch } = raft;
    return {
      errorCode: 0,
      topics: [{
        name: METADATA_TOPIC,
        partitions: [{
          index: 0,
          errorCode: ERRORS[error ?? "NONE"],
          snapshotId,
          currentLeader: { leaderId, leaderEpoch },
          size: piece?.size ?? 0,
          position,
          unalignedRecords: error === undefined ? piece!.bytes : EMPTY,
        }],
      }],
      ...this.#endpoints(version >= ENDPOINTS_VERSION),
    };
  }

  #park(
    isDue: () => boolean,
    { answer, timer }: {
      readonly answer: () => FetchResponse;
      readonly timer: (fn: () => void) => Cancel;
    },
  ): Promise<FetchResponse> {
    const { promise, resolve } = Promise.withResolvers<FetchResponse>();
    const waiting = {
      isDue,
      answer: () => {
        cancel();
        resolve(answer());
      },
    };
    const cancel = timer(() => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
      resolve(answer());
    });
    this.#waiting.push(waiting);
    return promise;
  }

  #fetched(
    { verdict, query, maxBytes, version }: {
      readonly verdict: FetchVerdict;
      readonly query: FetchQuery;
      readonly maxBytes: number;
      readonly version: number;
    },
  ): FetchResponse {
    const { raft, log, readRecords, isActive } = this.#member;
    const { leaderId, epoch: leaderEpoch, leaderHighWatermark } = raft;
    let error: ErrorName = "NONE";
    if (verdict.type === "refused") error = verdict.error;
    else if (query.epoch !== leaderEpoch) error = "FENCED_LEADER_EPOCH";
    else if (!isActive()) error = "NOT_LEADER_OR_FOLLOWER";
    const isServed = error === "NONE";
    const hasRecords = isServed && verdict.type === "records" &&
      log.logEndOffset > query.offset;
    const partition = {
      partitionIndex: 0,
      errorCode: ERRORS[error],
      highWatermark: isServed ? leaderHighWatermark : -1,
      lastStableOffset: isServed ? leaderHighWatermark : -1,
      logStartOffset: isServed ? log.logStartOffset : -1,
      currentLeader: { leaderId, leaderEpoch },
      ...isServed && verdict.type === "diverging"
        ? {
          divergingEpoch: {
            epoch: verdict.epoch,
            endOffset: verdict.endOffset,
          },
        }
        : {},
      ...isServed && verdict.type === "snapshot"
        ? { snapshotId: verdict.id }
        : {},
      abortedTransactions: null,
      records: hasRecords ? readRecords(query.offset, maxBytes) : EMPTY,
    };
    const name = version >= FETCH_TOPIC_ID_VERSION
      ? { topicId: METADATA_TOPIC_ID }
      : { topic: METADATA_TOPIC };
    return {
      errorCode: 0,
      responses: [{ ...name, partitions: [partition] }],
      ...this.#endpoints(version >= FETCH_ENDPOINTS_VERSION),
    };
  }

  #refusal(
    clusterId: string | null,
    asked: object | undefined,
  ): ErrorName | undefined {
    if (clusterId !== null && clusterId !== this.#member.clusterId) {
      return "INCONSISTENT_CLUSTER_ID";
    }
    return asked === undefined ? "INVALID_REQUEST" : undefined;
  }

  #learnFrom(
    nodeId: number,
    [endpoint]: readonly { readonly host: string; readonly port: number }[],
  ): void {
    if (endpoint === undefined) return;
    const { host, port } = endpoint;
    this.#member.learn({ nodeId, host, port });
  }

  #told<P extends object>(partition: P, version: number) {
    return {
      errorCode: 0,
      topics: [{ topicName: METADATA_TOPIC, partitions: [partition] }],
      ...this.#endpoints(version >= ENDPOINTS_VERSION),
    };
  }

  /** Where the leader is reached, for those who ask in a version that tells. */
  #endpoints(isTold: boolean) {
    const { leaderId } = this.#member.raft;
    const address = isTold && leaderId >= 0
      ? this.#member.addressOf(leaderId)
      : undefined;
    if (address === undefined) return {};
    const { host, port } = address;
    return { nodeEndpoints: [{ nodeId: leaderId, host, port }] };
  }
}

interface PartitionAsked {
  readonly partitionIndex?: number;
  readonly partition?: number;
}

/** The one partition that is asked for, if it is the metadata log's. */
function only<T extends { readonly partitions: readonly PartitionAsked[] }>(
  topics: readonly T[],
  isMetadata: (topic: T) => boolean,
): T["partitions"][number] | undefined {
  const [topic] = topics;
  const [asked] = topic?.partitions ?? [];
  const isOne = topics.length === 1 && topic!.partitions.length === 1 &&
    isMetadata(topic!) && (asked!.partitionIndex ?? asked!.partition) === 0;
  return isOne ? asked : undefined;
}

function isMetadata({ topicName }: { readonly topicName: string }): boolean {
  return topicName === METADATA_TOPIC;
}

function keyOf(id: number, directoryId: Uuid) {
  return id < 0 ? undefined : { id, directoryId };
}

function queryOf(
  { replicaId, replicaState }: FetchRequest,
  asked: FetchRequest["topics"][number]["partitions"][number],
): FetchQuery {
  return {
    replica: {
      id: Math.max(replicaId, replicaState.replicaId),
      directoryId: asked.replicaDirectoryId,
    },
    epoch: asked.currentLeaderEpoch,
    offset: asked.fetchOffset,
    lastFetchedEpoch: asked.lastFetchedEpoch,
  };
}

function leading({ error, leaderId, epoch }: QuorumAnswer) {
  return {
    partitionIndex: 0,
    errorCode: ERRORS[error],
    leaderId,
    leaderEpoch: epoch,
  };
}

function refused(error: ErrorName = "INVALID_REQUEST") {
  return { errorCode: ERRORS[error], topics: [] };
}
