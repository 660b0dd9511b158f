/**
 * EndQuorumEpoch (key 54): a leader of the quorum tells the voters that it
 * gave up, and who had best follow (KIP-595). Version 1 brought directories
 * and endpoints (KIP-853).
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

/** Schemas of EndQuorumEpoch. */
export const END_QUORUM_EPOCH = api({
  key: 54,
  name: "EndQuorumEpoch",
  request: message({
    name: "EndQuorumEpochRequest",
    versions: "0-1",
    flexible: "1+",
  }, {
    clusterId: string("0+", { nullable: "0+", default: null }),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
        preferredSuccessors: array("0", int32(), { ignorable: true }),
        preferredCandidates: array("1+", {
          candidateId: int32("1+"),
          candidateDirectoryId: uuid("1+"),
        }, { ignorable: true }),
      }),
    }),
    leaderEndpoints: array("1+", LEADER_ENDPOINT, { ignorable: true }),
  }),
  response: message({
    name: "EndQuorumEpochResponse",
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
export type EndQuorumEpochRequest = Decoded<typeof END_QUORUM_EPOCH.request>;

/** A response as a voter writes it. */
export type EndQuorumEpochResponse = Input<typeof END_QUORUM_EPOCH.response>;
