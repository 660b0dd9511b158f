/**
 * ConsumerGroupDescribe (key 69): epochs, assignor and members of groups whose
 * partitions the broker divides (KIP-848). Sent by tools to the coordinator.
 * Version 1 tells members of the classic protocol apart.
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
  int8,
  message,
  string,
  struct,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

const ASSIGNMENT = {
  topicPartitions: array("0+", {
    topicId: uuid("0+"),
    topicName: string("0+"),
    partitions: array("0+", int32()),
  }),
};

/** Schemas of ConsumerGroupDescribe. */
export const CONSUMER_GROUP_DESCRIBE = api({
  key: 69,
  name: "ConsumerGroupDescribe",
  request: message({
    name: "ConsumerGroupDescribeRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    groupIds: array("0+", string()),
    includeAuthorizedOperations: bool("0+"),
  }),
  response: message({
    name: "ConsumerGroupDescribeResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    groups: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+", default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      groupEpoch: int32("0+"),
      assignmentEpoch: int32("0+"),
      assignorName: string("0+"),
      members: array("0+", {
        memberId: string("0+"),
        instanceId: string("0+", { nullable: "0+", default: null }),
        rackId: string("0+", { nullable: "0+", default: null }),
        memberEpoch: int32("0+"),
        clientId: string("0+"),
        clientHost: string("0+"),
        subscribedTopicNames: array("0+", string()),
        subscribedTopicRegex: string("0+", { nullable: "0+", default: null }),
        assignment: struct("0+", ASSIGNMENT),
        targetAssignment: struct("0+", ASSIGNMENT),
        memberType: int8("1+", { default: -1, ignorable: true }),
      }),
      authorizedOperations: int32("0+", { default: -2147483648 }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ConsumerGroupDescribeRequest = Decoded<
  typeof CONSUMER_GROUP_DESCRIBE.request
>;

/** A response as a broker writes it. */
export type ConsumerGroupDescribeResponse = Input<
  typeof CONSUMER_GROUP_DESCRIBE.response
>;
