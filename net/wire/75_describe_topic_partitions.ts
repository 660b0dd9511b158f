/**
 * DescribeTopicPartitions (key 75): topics with their partitions, page by page (KIP-966).
 * Sent by Java's admin client.
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
  struct,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

const CURSOR = {
  topicName: string("0+"),
  partitionIndex: int32("0+"),
};

/** Schemas of DescribeTopicPartitions. */
export const DESCRIBE_TOPIC_PARTITIONS = api({
  key: 75,
  name: "DescribeTopicPartitions",
  request: message({
    name: "DescribeTopicPartitionsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    topics: array("0+", {
      name: string("0+"),
    }),
    responsePartitionLimit: int32("0+", { default: 2000 }),
    cursor: struct("0+", CURSOR, { nullable: "0+", default: null }),
  }),
  response: message({
    name: "DescribeTopicPartitionsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+", { ignorable: true }),
    topics: array("0+", {
      errorCode: int16("0+"),
      name: string("0+", { nullable: "0+", mapKey: true }),
      topicId: uuid("0+", { ignorable: true }),
      isInternal: bool("0+", { default: false, ignorable: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+", { default: -1, ignorable: true }),
        replicaNodes: array("0+", int32()),
        isrNodes: array("0+", int32()),
        eligibleLeaderReplicas: array("0+", int32(), {
          nullable: "0+",
          default: null,
        }),
        lastKnownElr: array("0+", int32(), { nullable: "0+", default: null }),
        offlineReplicas: array("0+", int32(), { ignorable: true }),
      }),
      topicAuthorizedOperations: int32("0+", { default: -2147483648 }),
    }),
    nextCursor: struct("0+", CURSOR, { nullable: "0+", default: null }),
  }),
});

/** A request as a broker reads it. */
export type DescribeTopicPartitionsRequest = Decoded<
  typeof DESCRIBE_TOPIC_PARTITIONS.request
>;

/** A response as a broker writes it. */
export type DescribeTopicPartitionsResponse = Input<
  typeof DESCRIBE_TOPIC_PARTITIONS.response
>;
