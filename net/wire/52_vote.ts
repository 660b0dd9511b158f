/**
 * Vote (key 52): a member of the quorum asks for votes (KIP-595). Version 1
 * brought directories and endpoints (KIP-853), 2 pre-votes (KIP-996).
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
  int64,
  message,
  string,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";
import { NODE_ENDPOINT } from "./quorum_shapes.ts";

/** Schemas of Vote. */
export const VOTE = api({
  key: 52,
  name: "Vote",
  request: message({
    name: "VoteRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    clusterId: string("0+", { nullable: "0+", default: null }),
    voterId: int32("1+", { default: -1, ignorable: true }),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        replicaEpoch: int32("0+"),
        replicaId: int32("0+"),
        replicaDirectoryId: uuid("1+", { ignorable: true }),
        voterDirectoryId: uuid("1+", { ignorable: true }),
        lastOffsetEpoch: int32("0+"),
        lastOffset: int64("0+"),
        preVote: bool("2+"),
      }),
    }),
  }),
  response: message({
    name: "VoteResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    errorCode: int16("0+"),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
        voteGranted: bool("0+"),
      }),
    }),
    nodeEndpoints: array("1+", NODE_ENDPOINT, { tag: 0 }),
  }),
});

/** A request as a voter reads it. */
export type VoteRequest = Decoded<typeof VOTE.request>;

/** A response as a voter writes it. */
export type VoteResponse = Input<typeof VOTE.response>;
