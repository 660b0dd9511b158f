/**
 * DescribeQuorum: who votes on the metadata and how far they are. Owns the
 * answer's shape; the numbers are the quorum's.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { VoterNode } from "../../../core/raft/voter_set.ts";
import type { ReplicaState } from "../../raft/describe_quorum.ts";
import { METADATA_TOPIC } from "../../raft/voters.ts";
import {
  DESCRIBE_QUORUM,
  type DescribeQuorumRequest,
  type DescribeQuorumResponse,
} from "../../wire/55_describe_quorum.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** From this version on the voters' addresses are told. */
const NODES_VERSION = 2;

function replicaState(state: ReplicaState) {
  return {
    replicaId: state.id,
    replicaDirectoryId: state.directoryId,
    logEndOffset: state.logEndOffset,
    lastFetchTimestamp: state.fetchedMs,
    lastCaughtUpTimestamp: state.caughtUpMs,
  };
}

/** A node that votes alone has no address for others. */
function nodeOf({ id, endpoints }: VoterNode) {
  return { nodeId: id, listeners: [...endpoints] };
}

/** The handler of DescribeQuorum. */
export function describeQuorumHandler(services: Services): HandlerEntry {
  function known(partitionIndex: number) {
    const { quorum } = services;
    const described = quorum.describe();
    const { leaderId, epoch, leaderHighWatermark } = quorum;
    return {
      partitionIndex,
      errorCode: ERRORS[described ? "NONE" : "NOT_LEADER_OR_FOLLOWER"],
      errorMessage: described ? null : "This node does not lead the quorum",
      leaderId,
      leaderEpoch: epoch,
      highWatermark: leaderHighWatermark,
      currentVoters: described?.voters.map(replicaState) ?? [],
      observers: described?.observers.map(replicaState) ?? [],
    };
  }

  function unknown(partitionIndex: number) {
    return {
      partitionIndex,
      errorCode: ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
      errorMessage: `Only ${METADATA_TOPIC}-0 has a quorum`,
      currentVoters: [],
      observers: [],
    };
  }

  function handle(
    { topics }: DescribeQuorumRequest,
    { apiVersion }: RequestContext,
  ): DescribeQuorumResponse {
    return {
      errorCode: 0,
      errorMessage: null,
      topics: topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) =>
          topicName === METADATA_TOPIC && partitionIndex === 0
            ? known(partitionIndex)
            : unknown(partitionIndex)
        ),
      })),
      ...apiVersion >= NODES_VERSION
        ? {
          nodes: services.quorum.voters.map(nodeOf),
        }
        : {},
    };
  }

  return handles(DESCRIBE_QUORUM, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
    topics: [],
  }));
}
