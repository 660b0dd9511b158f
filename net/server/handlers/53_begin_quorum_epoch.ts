/**
 * BeginQuorumEpoch: a leader of the quorum tells of its epoch. Owns the
 * binding; the quorum answers.
 *
 * @module
 */
import {
  BEGIN_QUORUM_EPOCH,
  type BeginQuorumEpochRequest,
} from "../../wire/53_begin_quorum_epoch.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of BeginQuorumEpoch. */
export function beginQuorumEpochHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  return handles(
    BEGIN_QUORUM_EPOCH,
    (request: BeginQuorumEpochRequest, { apiVersion }) =>
      services.quorum.service.beginQuorumEpoch(request, apiVersion),
    (_request, errorCode) => ({ errorCode, topics: [] }),
  );
}
