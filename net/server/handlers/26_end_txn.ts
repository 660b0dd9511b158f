/**
 * EndTxn: commits or aborts a transaction, and from version 5 on tells the
 * producer its next epoch. Owns the request's shape only.
 *
 * @module
 */
import {
  END_TXN,
  type EndTxnRequest,
  type EndTxnResponse,
} from "../../wire/26_end_txn.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";
import { txnErrorCode } from "../transactions.ts";

/** First version that tells fencing apart from an invalid epoch. */
const FENCED_VERSION = 2;
/** First version of transaction version 2. */
const EPOCHS_VERSION = 5;

/** The handler of EndTxn. */
export function endTxnHandler(
  { transactions }: Pick<Services, "transactions">,
): HandlerEntry {
  async function handle(
    request: EndTxnRequest,
    { apiVersion }: RequestContext,
  ): Promise<EndTxnResponse> {
    const { error, ...producer } = await transactions.ask({
      type: "EndTxn",
      ...request,
      clientVersion: apiVersion >= EPOCHS_VERSION ? 2 : 0,
    });
    const knowsFencing = apiVersion >= FENCED_VERSION;
    return { errorCode: txnErrorCode(error, { knowsFencing }), ...producer };
  }

  return handles(END_TXN, handle, (_request, errorCode) => ({ errorCode }));
}
