/**
 * ElectLeaders: asks for the preferred, or any, replica to lead. With one
 * replica a partition is led by it or can't be led at all, so that the image
 * alone answers; nothing is changed here.
 *
 * @module
 */
import { type ErrorName, ERRORS } from "../../../core/errors.ts";
import type { PartitionImage } from "../../../core/metadata/image.ts";
import {
  ELECT_LEADERS,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from "../../wire/43_elect_leaders.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

const PREFERRED = 0;
const UNCLEAN = 1;
/** From this version on an answer has an error of its own. */
const TOP_ERROR_VERSION = 1;

function outcomeOf(
  partition: PartitionImage | undefined,
  electionType: number,
): ErrorName {
  if (partition === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
  const { leader, replicas } = partition;
  if (leader === -1) {
    return electionType === PREFERRED
      ? "PREFERRED_LEADER_NOT_AVAILABLE"
      : "ELIGIBLE_LEADERS_NOT_AVAILABLE";
  }
  if (electionType === UNCLEAN || leader === replicas[0]) {
    return "ELECTION_NOT_NEEDED";
  }
  return "PREFERRED_LEADER_NOT_AVAILABLE";
}

const MESSAGES: Partial<Record<ErrorName, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: "There is no such partition",
  ELECTION_NOT_NEEDED: "Its leader is the one that would be elected",
  PREFERRED_LEADER_NOT_AVAILABLE: "Its preferred replica is not available",
  ELIGIBLE_LEADERS_NOT_AVAILABLE: "None of its replicas is available",
};

/** The handler of ElectLeaders. */
export function electLeadersHandler({ image }: Services): HandlerEntry {
  /** Every topic, with the partitions of which there is something to say. */
  function everything(electionType: number) {
    return Array.from(image.topics.values(), ({ name, partitions }) => ({
      topic: name,
      partitions: [...partitions.keys()].filter((index) =>
        outcomeOf(partitions[index], electionType) !== "ELECTION_NOT_NEEDED"
      ),
    }));
  }

  function handle(
    { electionType, topicPartitions }: ElectLeadersRequest,
    { apiVersion }: RequestContext,
  ): ElectLeadersResponse {
    if (electionType !== PREFERRED && electionType !== UNCLEAN) {
      return failed(ERRORS.INVALID_REQUEST);
    }
    const asked = topicPartitions ?? everything(electionType);
    return {
      ...apiVersion >= TOP_ERROR_VERSION ? { errorCode: 0 } : {},
      replicaElectionResults: asked.map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((partitionId) => {
          const error = outcomeOf(
            image.partition(topic, partitionId),
            electionType,
          );
          return {
            partitionId,
            errorCode: ERRORS[error],
            errorMessage: MESSAGES[error] ?? null,
          };
        }),
      })),
    };
  }

  return handles(ELECT_LEADERS, handle, (_request, code) => failed(code));
}

function failed(errorCode: number): ElectLeadersResponse {
  return { errorCode, replicaElectionResults: [] };
}
