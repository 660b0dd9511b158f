/**
 * AlterPartitionReassignments: hands the moves of partitions to the controller
 * and answers with what came of each.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  ALTER_PARTITION_REASSIGNMENTS,
  type AlterPartitionReassignmentsRequest,
  type AlterPartitionReassignmentsResponse,
} from "../../wire/45_alter_partition_reassignments.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AlterPartitionReassignments. */
export function alterPartitionReassignmentsHandler(
  services: Services,
): HandlerEntry {
  async function handle(
    { topics, allowReplicationFactorChange }:
      AlterPartitionReassignmentsRequest,
  ): Promise<AlterPartitionReassignmentsResponse> {
    const reply = await services.control({
      type: "alterPartitionReassignments",
      topics,
      allowReplicationFactorChange,
    });
    const reassigned = reply.type === "alterPartitionReassignments"
      ? reply.topics
      : [];
    return {
      allowReplicationFactorChange,
      errorCode: 0,
      errorMessage: null,
      responses: reassigned.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, error, message }) => ({
          partitionIndex,
          errorCode: ERRORS[error],
          errorMessage: message,
        })),
      })),
    };
  }

  return handles(
    ALTER_PARTITION_REASSIGNMENTS,
    handle,
    (_request, errorCode) => ({
      errorCode,
      errorMessage: null,
      responses: [],
    }),
  );
}
