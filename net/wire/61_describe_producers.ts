/**
 * DescribeProducers (key 61): the idempotent and transactional producers of a
 * partition (KIP-664). Sent by kafka-transactions to the leader.
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

/** Schemas of DescribeProducers. */
export const DESCRIBE_PRODUCERS = api({
  key: 61,
  name: "DescribeProducers",
  request: message({
    name: "DescribeProducersRequest",
    versions: "0",
    flexible: "0+",
  }, {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitionIndexes: array("0+", int32()),
    }),
  }),
  response: message({
    name: "DescribeProducersResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+", default: null }),
        activeProducers: array("0+", {
          producerId: int64("0+"),
          producerEpoch: int32("0+"),
          lastSequence: int32("0+", { default: -1 }),
          lastTimestamp: int64("0+", { default: -1 }),
          coordinatorEpoch: int32("0+"),
          currentTxnStartOffset: int64("0+", { default: -1 }),
        }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeProducersRequest = Decoded<
  typeof DESCRIBE_PRODUCERS.request
>;

/** A response as a broker writes it. */
export type DescribeProducersResponse = Input<
  typeof DESCRIBE_PRODUCERS.response
>;
