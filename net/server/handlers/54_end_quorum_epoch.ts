/**
 * EndQuorumEpoch: a leader of the quorum has given up. Owns the binding; the
 * quorum answers.
 *
 * @module
 */
import {
  END_QUORUM_EPOCH,
  type EndQuorumEpochRequest,
} from "../../wire/54_end_quorum_epoch.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of EndQuorumEpoch. */
export function endQuorumEpochHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  return handles(
    END_QUORUM_EPOCH,
    (request: EndQuorumEpochRequest, { apiVersion }) =>
      services.quorum.service.endQuorumEpoch(request, apiVersion),
    (_request, errorCode) => ({ errorCode, topics: [] }),
  );
}
