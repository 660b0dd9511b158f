/**
 * AssignReplicasToDirs: hands to the controller where a broker says that its
 * replicas are, and answers for each of them.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { invariant } from "../../../core/invariant.ts";
import {
  ASSIGN_REPLICAS_TO_DIRS,
  type AssignReplicasToDirsRequest,
  type AssignReplicasToDirsResponse,
} from "../../wire/73_assign_replicas_to_dirs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AssignReplicasToDirs. */
export function assignReplicasToDirsHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    request: AssignReplicasToDirsRequest,
  ): Promise<AssignReplicasToDirsResponse> {
    const reply = await services.control({
      type: "assignReplicasToDirs",
      ...request,
    });
    invariant(
      reply.type === "assignReplicasToDirs",
      "a reply answers its input",
    );
    return {
      errorCode: 0,
      directories: reply.directories.map(({ id, topics }) => ({
        id,
        topics: topics.map(({ topicId, partitions }) => ({
          topicId,
          partitions: partitions.map(({ partitionIndex, error }) => ({
            partitionIndex,
            errorCode: ERRORS[error],
          })),
        })),
      })),
    };
  }

  return handles(ASSIGN_REPLICAS_TO_DIRS, handle, (_request, errorCode) => ({
    errorCode,
    directories: [],
  }));
}
