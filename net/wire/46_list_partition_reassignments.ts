/**
 * ListPartitionReassignments (key 46): the reassignments that are going on (KIP-455).
 * Sent by kafka-topics --describe and kafka-reassign-partitions.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ListPartitionReassignments. */
export const LIST_PARTITION_REASSIGNMENTS = api({
  key: 46,
  name: "ListPartitionReassignments",
  request: message({
    name: "ListPartitionReassignmentsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    timeoutMs: int32("0+", { default: 60000 }),
    topics: array("0+", {
      name: string("0+"),
      partitionIndexes: array("0+", int32()),
    }, { nullable: "0+", default: null }),
  }),
  response: message({
    name: "ListPartitionReassignmentsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        replicas: array("0+", int32()),
        addingReplicas: array("0+", int32()),
        removingReplicas: array("0+", int32()),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ListPartitionReassignmentsRequest = Decoded<
  typeof LIST_PARTITION_REASSIGNMENTS.request
>;

/** A response as a broker writes it. */
export type ListPartitionReassignmentsResponse = Input<
  typeof LIST_PARTITION_REASSIGNMENTS.response
>;
