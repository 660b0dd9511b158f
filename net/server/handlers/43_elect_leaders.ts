/**
 * ElectLeaders: asks the controller to have the preferred, or any, replica
 * lead, and answers with what came of each partition.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  ELECT_LEADERS,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from "../../wire/43_elect_leaders.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** From this version on an answer has an error of its own. */
const TOP_ERROR_VERSION = 1;

/** The handler of ElectLeaders. */
export function electLeadersHandler(services: Services): HandlerEntry {
  async function handle(
    { electionType, topicPartitions }: ElectLeadersRequest,
    { apiVersion }: RequestContext,
  ): Promise<ElectLeadersResponse> {
    const reply = await services.control({
      type: "electLeaders",
      electionType,
      topicPartitions,
    });
    invariant(reply.type === "electLeaders", "a reply answers its input");
    return {
      ...apiVersion >= TOP_ERROR_VERSION ? { errorCode: 0 } : {},
      replicaElectionResults: reply.topics.map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((each) => ({
          partitionId: each.partitionIndex,
          errorCode: ERRORS[each.error],
          errorMessage: each.message,
        })),
      })),
    };
  }

  return handles(ELECT_LEADERS, handle, (_request, errorCode) => ({
    errorCode,
    replicaElectionResults: [],
  }));
}
