/**
 * RemoveRaftVoter: a voter is to vote no more on the metadata. Owns the
 * answer's shape; the quorum decides.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  REMOVE_RAFT_VOTER,
  type RemoveRaftVoterRequest,
  type RemoveRaftVoterResponse,
} from "../../wire/81_remove_raft_voter.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of RemoveRaftVoter. */
export function removeRaftVoterHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  async function handle(
    { clusterId, voterId, voterDirectoryId }: RemoveRaftVoterRequest,
  ): Promise<RemoveRaftVoterResponse> {
    const { error, message } = await services.quorum.admin.remove({
      clusterId,
      id: voterId,
      directoryId: voterDirectoryId,
    });
    return { errorCode: ERRORS[error], errorMessage: message };
  }

  return handles(REMOVE_RAFT_VOTER, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
