/**
 * DescribeQuorum: who votes on the metadata and how far they are. Owns the
 * answer's shape; the numbers are the quorum's.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS } from "../../../core/errors.ts";
import {
  DESCRIBE_QUORUM,
  type DescribeQuorumRequest,
  type DescribeQuorumResponse,
} from "../../wire/55_describe_quorum.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** From this version on the voters' addresses are told. */
const NODES_VERSION = 2;
const METADATA_TOPIC = "__cluster_metadata";

/** The handler of DescribeQuorum. */
export function describeQuorumHandler(services: Services): HandlerEntry {
  function known(partitionIndex: number, nowMs: number) {
    const { nodeId, quorum } = services;
    const { epoch, highWatermark, logEndOffset } = quorum;
    return {
      partitionIndex,
      errorCode: 0,
      errorMessage: null,
      leaderId: nodeId,
      leaderEpoch: epoch,
      highWatermark,
      currentVoters: [{
        replicaId: nodeId,
        // Voters have directories from kraft.version 1 on (KIP-853).
        replicaDirectoryId: ZERO_UUID,
        logEndOffset,
        lastFetchTimestamp: nowMs,
        lastCaughtUpTimestamp: nowMs,
      }],
      observers: [],
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
    { nowMs, apiVersion }: RequestContext,
  ): DescribeQuorumResponse {
    return {
      errorCode: 0,
      errorMessage: null,
      topics: topics.map(({ topicName, partitions }) => ({
        topicName,
        partitions: partitions.map(({ partitionIndex }) =>
          topicName === METADATA_TOPIC && partitionIndex === 0
            ? known(partitionIndex, nowMs)
            : unknown(partitionIndex)
        ),
      })),
      ...apiVersion >= NODES_VERSION
        ? { nodes: [{ nodeId: services.nodeId, listeners: [] }] }
        : {},
    };
  }

  return handles(DESCRIBE_QUORUM, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
    topics: [],
  }));
}
