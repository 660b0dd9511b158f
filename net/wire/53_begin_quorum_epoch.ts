/**
 * BeginQuorumEpoch (key 53): a new leader of the quorum tells the voters
 * (KIP-595). Version 1 brought directories and endpoints (KIP-853).
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";
import { LEADER_ENDPOINT, NODE_ENDPOINT } from "./quorum_shapes.ts";

/** Schemas of BeginQuorumEpoch. */
export const BEGIN_QUORUM_EPOCH = api({
  key: 53,
  name: "BeginQuorumEpoch",
  request: message({
    name: "BeginQuorumEpochRequest",
    versions: "0-1",
    flexible: "1+",
  }, {
    clusterId: string("0+", { nullable: "0+", default: null }),
    voterId: int32("1+", { default: -1, ignorable: true }),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        voterDirectoryId: uuid("1+", { ignorable: true }),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
      }),
    }),
    leaderEndpoints: array("1+", LEADER_ENDPOINT, { ignorable: true }),
  }),
  response: message({
    name: "BeginQuorumEpochResponse",
    versions: "0-1",
    flexible: "1+",
  }, {
    errorCode: int16("0+"),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
      }),
    }),
    nodeEndpoints: array("1+", NODE_ENDPOINT, { tag: 0 }),
  }),
});

/** A request as a voter reads it. */
export type BeginQuorumEpochRequest = Decoded<
  typeof BEGIN_QUORUM_EPOCH.request
>;

/** A response as a voter writes it. */
export type BeginQuorumEpochResponse = Input<
  typeof BEGIN_QUORUM_EPOCH.response
>;
