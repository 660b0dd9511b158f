/**
 * AddRaftVoter (key 80): a node is to vote on the metadata (KIP-853).
 * Version 1 may be answered before that is committed (KIP-1186).
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";
import { VOTER_ENDPOINT } from "./quorum_shapes.ts";

/** Schemas of AddRaftVoter. */
export const ADD_RAFT_VOTER = api({
  key: 80,
  name: "AddRaftVoter",
  request: message({
    name: "AddRaftVoterRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    clusterId: string("0+", { nullable: "0+" }),
    timeoutMs: int32("0+"),
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
    listeners: array("0+", VOTER_ENDPOINT),
    ackWhenCommitted: bool("1+", { default: true }),
  }),
  response: message({
    name: "AddRaftVoterResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", ignorable: true }),
  }),
});

/** A request as a controller reads it. */
export type AddRaftVoterRequest = Decoded<typeof ADD_RAFT_VOTER.request>;

/** A response as a controller writes it. */
export type AddRaftVoterResponse = Input<typeof ADD_RAFT_VOTER.response>;
