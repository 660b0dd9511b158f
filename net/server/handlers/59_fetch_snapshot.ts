/**
 * FetchSnapshot: a replica of the metadata log reads a snapshot. Owns the
 * binding; the quorum answers.
 *
 * @module
 */
import {
  FETCH_SNAPSHOT,
  type FetchSnapshotRequest,
} from "../../wire/59_fetch_snapshot.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of FetchSnapshot. */
export function fetchSnapshotHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  return handles(
    FETCH_SNAPSHOT,
    (request: FetchSnapshotRequest, { apiVersion }) =>
      services.quorum.service.fetchSnapshot(request, apiVersion),
    (_request, errorCode) => ({ errorCode, topics: [] }),
  );
}
