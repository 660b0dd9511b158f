/**
 * Vote: a member of the quorum asks for this one's vote. Owns the binding; the
 * quorum answers.
 *
 * @module
 */
import { VOTE, type VoteRequest } from "../../wire/52_vote.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of Vote. */
export function voteHandler(
  services: Pick<Services, "quorum">,
): HandlerEntry {
  return handles(
    VOTE,
    (request: VoteRequest, { apiVersion }) =>
      services.quorum.service.vote(request, apiVersion),
    (_request, errorCode) => ({ errorCode, topics: [] }),
  );
}
