/**
 * RemoveRaftVoter (key 81): a voter is to vote no more on the metadata
 * (KIP-853).
 *
 * @module
 */
import {
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of RemoveRaftVoter. */
export const REMOVE_RAFT_VOTER = api({
  key: 81,
  name: "RemoveRaftVoter",
  request: message({
    name: "RemoveRaftVoterRequest",
    versions: "0",
    flexible: "0+",
  }, {
    clusterId: string("0+", { nullable: "0+" }),
    voterId: int32("0+"),
    voterDirectoryId: uuid("0+"),
  }),
  response: message({
    name: "RemoveRaftVoterResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", ignorable: true }),
  }),
});

/** A request as a controller reads it. */
export type RemoveRaftVoterRequest = Decoded<typeof REMOVE_RAFT_VOTER.request>;

/** A response as a controller writes it. */
export type RemoveRaftVoterResponse = Input<typeof REMOVE_RAFT_VOTER.response>;
