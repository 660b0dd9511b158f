/**
 * ConsumerGroupHeartbeat (key 68): joins, keeps alive, reconciles and leaves a
 * group whose partitions the broker divides (KIP-848). Sent by members to the
 * group's coordinator. In version 1 the member makes its own id and may
 * subscribe by a pattern.
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
  struct,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

const TOPIC_PARTITIONS = {
  topicId: uuid("0+"),
  partitions: array("0+", int32()),
};

/** Schemas of ConsumerGroupHeartbeat. */
export const CONSUMER_GROUP_HEARTBEAT = api({
  key: 68,
  name: "ConsumerGroupHeartbeat",
  request: message({
    name: "ConsumerGroupHeartbeatRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    groupId: string("0+"),
    memberId: string("0+"),
    memberEpoch: int32("0+"),
    instanceId: string("0+", { nullable: "0+", default: null }),
    rackId: string("0+", { nullable: "0+", default: null }),
    rebalanceTimeoutMs: int32("0+", { default: -1 }),
    subscribedTopicNames: array("0+", string(), {
      nullable: "0+",
      default: null,
    }),
    subscribedTopicRegex: string("1+", { nullable: "1+", default: null }),
    serverAssignor: string("0+", { nullable: "0+", default: null }),
    topicPartitions: array("0+", TOPIC_PARTITIONS, {
      nullable: "0+",
      default: null,
    }),
  }),
  response: message({
    name: "ConsumerGroupHeartbeatResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    memberId: string("0+", { nullable: "0+", default: null }),
    memberEpoch: int32("0+"),
    heartbeatIntervalMs: int32("0+"),
    assignment: struct("0+", {
      topicPartitions: array("0+", TOPIC_PARTITIONS),
    }, { nullable: "0+", default: null }),
  }),
});

/** A request as a broker reads it. */
export type ConsumerGroupHeartbeatRequest = Decoded<
  typeof CONSUMER_GROUP_HEARTBEAT.request
>;

/** A response as a broker writes it. */
export type ConsumerGroupHeartbeatResponse = Input<
  typeof CONSUMER_GROUP_HEARTBEAT.response
>;
