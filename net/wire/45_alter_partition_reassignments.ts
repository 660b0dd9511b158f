/**
 * AlterPartitionReassignments (key 45): moves partitions to other replicas, or
 * cancels such a move (KIP-455). Sent by kafka-reassign-partitions. Version 1 may refuse
 * a change of the replication factor (KIP-860).
 *
 * @module
 */
import {
  array,
  bool,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AlterPartitionReassignments. */
export const ALTER_PARTITION_REASSIGNMENTS = api({
  key: 45,
  name: "AlterPartitionReassignments",
  request: message({
    name: "AlterPartitionReassignmentsRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    timeoutMs: int32("0+", { default: 60000 }),
    allowReplicationFactorChange: bool("1+", { default: true }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        replicas: array("0+", int32(), { nullable: "0+", default: null }),
      }),
    }),
  }),
  response: message({
    name: "AlterPartitionReassignmentsResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    allowReplicationFactorChange: bool("1+", {
      default: true,
      ignorable: true,
    }),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    responses: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("0+", { nullable: "0+" }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type AlterPartitionReassignmentsRequest = Decoded<
  typeof ALTER_PARTITION_REASSIGNMENTS.request
>;

/** A response as a broker writes it. */
export type AlterPartitionReassignmentsResponse = Input<
  typeof ALTER_PARTITION_REASSIGNMENTS.response
>;
