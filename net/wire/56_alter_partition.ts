/**
 * AlterPartition (key 56): a partition's leader asks the active controller for
 * another ISR (KIP-497). Version 3 names the brokers' epochs, so that one that
 * has restarted meanwhile isn't let in (KIP-903).
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
  int8,
  message,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AlterPartition. */
export const ALTER_PARTITION = api({
  key: 56,
  name: "AlterPartition",
  request: message({
    name: "AlterPartitionRequest",
    versions: "2-3",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
    topics: array("0+", {
      topicId: uuid("2+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        leaderEpoch: int32("0+"),
        newIsr: array("0-2", int32()),
        newIsrWithEpochs: array("3+", {
          brokerId: int32("3+"),
          brokerEpoch: int64("3+", { default: -1 }),
        }),
        leaderRecoveryState: int8("1+", { default: 0 }),
        partitionEpoch: int32("0+"),
      }),
    }),
  }),
  response: message({
    name: "AlterPartitionResponse",
    versions: "2-3",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    topics: array("0+", {
      topicId: uuid("2+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
        isr: array("0+", int32()),
        leaderRecoveryState: int8("1+", { default: 0, ignorable: true }),
        partitionEpoch: int32("0+"),
      }),
    }),
  }),
});

/** A request as a controller reads it. */
export type AlterPartitionRequest = Decoded<typeof ALTER_PARTITION.request>;

/** A response as a controller writes it. */
export type AlterPartitionResponse = Input<typeof ALTER_PARTITION.response>;
