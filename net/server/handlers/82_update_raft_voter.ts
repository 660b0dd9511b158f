/**
 * UpdateRaftVoter: a voter tells the leader where it is reached and what it
 * supports. Owns the answer's shape; the quorum decides.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  UPDATE_RAFT_VOTER,
  type UpdateRaftVoterRequest,
  type UpdateRaftVoterResponse,
} from "../../wire/82_update_raft_voter.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of UpdateRaftVoter. */
export function updateRaftVoterHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  function handle(request: UpdateRaftVoterRequest): UpdateRaftVoterResponse {
    const { quorum } = services;
    const { minSupportedVersion, maxSupportedVersion } =
      request.kRaftVersionFeature;
    const { error } = quorum.admin.update({
      clusterId: request.clusterId,
      epoch: request.currentLeaderEpoch,
      id: request.voterId,
      directoryId: request.voterDirectoryId,
      endpoints: request.listeners,
      kraftVersions: { min: minSupportedVersion, max: maxSupportedVersion },
    });
    const { leaderId, epoch: leaderEpoch } = quorum;
    const { host = "", port = 0 } = quorum.addressOf(leaderId) ?? {};
    return {
      errorCode: ERRORS[error],
      currentLeader: { leaderId, leaderEpoch, host, port },
    };
  }

  return handles(UPDATE_RAFT_VOTER, handle, (_request, errorCode) => ({
    errorCode,
  }));
}
