/**
 * DescribeTransactions (key 65): state, timeout and partitions of
 * transactional ids (KIP-664). Sent by kafka-transactions to the transaction
 * coordinator.
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

/** Schemas of DescribeTransactions. */
export const DESCRIBE_TRANSACTIONS = api({
  key: 65,
  name: "DescribeTransactions",
  request: message({
    name: "DescribeTransactionsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    transactionalIds: array("0+", string()),
  }),
  response: message({
    name: "DescribeTransactionsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    transactionStates: array("0+", {
      errorCode: int16("0+"),
      transactionalId: string("0+"),
      transactionState: string("0+"),
      transactionTimeoutMs: int32("0+"),
      transactionStartTimeMs: int64("0+"),
      producerId: int64("0+"),
      producerEpoch: int16("0+"),
      topics: array("0+", {
        topic: string("0+", { mapKey: true }),
        partitions: array("0+", int32()),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeTransactionsRequest = Decoded<
  typeof DESCRIBE_TRANSACTIONS.request
>;

/** A response as a broker writes it. */
export type DescribeTransactionsResponse = Input<
  typeof DESCRIBE_TRANSACTIONS.response
>;
