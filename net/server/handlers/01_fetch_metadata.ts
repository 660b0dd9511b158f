/**
 * Fetch at a controllers' listener: replicas read the metadata log, and nothing
 * else is read there. Owns the binding; the quorum answers.
 *
 * @module
 */
import { FETCH, type FetchRequest } from "../../wire/01_fetch.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of Fetch where the quorum is served. */
export function fetchMetadataHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  return handles(
    FETCH,
    (request: FetchRequest, { apiVersion }) =>
      services.quorum.service.fetch(request, apiVersion),
    (_request, errorCode) => ({ errorCode, responses: [] }),
  );
}
