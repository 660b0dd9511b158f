/**
 * UpdateRaftVoter (key 82): a voter tells the leader where it is reached and
 * what it supports (KIP-853).
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
import { VOTER_ENDPOINT } from "./quorum_shapes.ts";

/** Schemas of UpdateRaftVoter. */
export const UPDATE_RAFT_VOTER = api({
  key: 82,
  name: "UpdateRaftVoter",
  request: message({
    name: "UpdateRaftVoterRequest",
    versions: "0",
    flexible: "0+",
  }, {
    clusterId: string("0+", { nullable: "0+" }),
    currentLeaderEpoch: int32("0+"),
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
    listeners: array("0+", VOTER_ENDPOINT),
    kRaftVersionFeature: struct("0+", {
      minSupportedVersion: int16("0+"),
      maxSupportedVersion: int16("0+"),
    }),
  }),
  response: message({
    name: "UpdateRaftVoterResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    currentLeader: struct("0+", {
      leaderId: int32("0+", { default: -1 }),
      leaderEpoch: int32("0+", { default: -1 }),
      host: string("0+"),
      port: int32("0+"),
    }, { tag: 0 }),
  }),
});

/** A request as a controller reads it. */
export type UpdateRaftVoterRequest = Decoded<typeof UPDATE_RAFT_VOTER.request>;

/** A response as a controller writes it. */
export type UpdateRaftVoterResponse = Input<typeof UPDATE_RAFT_VOTER.response>;
