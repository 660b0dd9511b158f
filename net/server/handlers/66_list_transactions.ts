/**
 * ListTransactions: the transactional ids that this broker coordinates. Owns
 * the request's shape, and which filters name a state that there is not.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { STATES } from "../../../core/txn/transaction.ts";
import {
  LIST_TRANSACTIONS,
  type ListTransactionsRequest,
  type ListTransactionsResponse,
} from "../../wire/66_list_transactions.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

const STATE_NAMES: ReadonlySet<string> = new Set(STATES);

/** The handler of ListTransactions. */
export function listTransactionsHandler(
  { transactions }: Pick<Services, "transactions">,
): HandlerEntry {
  async function handle(
    request: ListTransactionsRequest,
  ): Promise<ListTransactionsResponse> {
    const { stateFilters } = request;
    const listed = await transactions.list({
      type: "ListTransactions",
      states: stateFilters,
      producerIds: request.producerIdFilters,
      longerThanMs: request.durationFilter,
      pattern: request.transactionalIdPattern ?? "",
    });
    return {
      errorCode: ERRORS.NONE,
      unknownStateFilters: stateFilters.filter((name) =>
        !STATE_NAMES.has(name)
      ),
      transactionStates: listed.map((each) => ({
        transactionalId: each.transactionalId,
        producerId: each.producerId,
        transactionState: each.state,
      })),
    };
  }

  return handles(
    LIST_TRANSACTIONS,
    handle,
    (_request, errorCode) => ({ errorCode }),
  );
}
