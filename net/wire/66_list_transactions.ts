/**
 * ListTransactions (key 66): the transactional ids that a broker coordinates
 * (KIP-664). Sent by kafka-transactions to every broker. Version 1 filters by
 * duration, 2 by a pattern of transactional ids.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ListTransactions. */
export const LIST_TRANSACTIONS = api({
  key: 66,
  name: "ListTransactions",
  request: message({
    name: "ListTransactionsRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    stateFilters: array("0+", string()),
    producerIdFilters: array("0+", int64()),
    durationFilter: int64("1+", { default: -1 }),
    transactionalIdPattern: string("2+", { nullable: "2+", default: null }),
  }),
  response: message({
    name: "ListTransactionsResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    unknownStateFilters: array("0+", string()),
    transactionStates: array("0+", {
      transactionalId: string("0+"),
      producerId: int64("0+"),
      transactionState: string("0+"),
    }),
  }),
});

/** A request as a broker reads it. */
export type ListTransactionsRequest = Decoded<
  typeof LIST_TRANSACTIONS.request
>;

/** A response as a broker writes it. */
export type ListTransactionsResponse = Input<
  typeof LIST_TRANSACTIONS.response
>;
