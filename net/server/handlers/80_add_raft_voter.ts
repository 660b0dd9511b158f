/**
 * AddRaftVoter: a node is to vote on the metadata. Owns the answer's shape; the
 * quorum decides.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  ADD_RAFT_VOTER,
  type AddRaftVoterRequest,
  type AddRaftVoterResponse,
} from "../../wire/80_add_raft_voter.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AddRaftVoter. */
export function addRaftVoterHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  async function handle(
    request: AddRaftVoterRequest,
  ): Promise<AddRaftVoterResponse> {
    const { error, message } = await services.quorum.admin.add({
      clusterId: request.clusterId,
      id: request.voterId,
      directoryId: request.voterDirectoryId,
      endpoints: request.listeners,
    }, { isWaiting: request.ackWhenCommitted });
    return { errorCode: ERRORS[error], errorMessage: message };
  }

  return handles(ADD_RAFT_VOTER, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
