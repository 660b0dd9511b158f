/**
 * OffsetForLeaderEpoch (key 23): where a leader epoch ended in the leader's
 * log, by which consumers and followers find the point where logs diverge
 * (KIP-101, KIP-320). Version 3 brought the replica id, 4 flexible encoding.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of OffsetForLeaderEpoch. */
export const OFFSET_FOR_LEADER_EPOCH = api({
  key: 23,
  name: "OffsetForLeaderEpoch",
  request: message({
    name: "OffsetForLeaderEpochRequest",
    versions: "2-4",
    flexible: "4+",
  }, {
    replicaId: int32("3+", { default: -2, ignorable: true }),
    topics: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("2+", { default: -1, ignorable: true }),
        leaderEpoch: int32("0+"),
      }),
    }),
  }),
  response: message({
    name: "OffsetForLeaderEpochResponse",
    versions: "2-4",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      topic: string("0+", { mapKey: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partition: int32("0+"),
        leaderEpoch: int32("1+", { default: -1, ignorable: true }),
        endOffset: int64("0+", { default: -1 }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type OffsetForLeaderEpochRequest = Decoded<
  typeof OFFSET_FOR_LEADER_EPOCH.request
>;

/** A response as a broker writes it. */
export type OffsetForLeaderEpochResponse = Input<
  typeof OFFSET_FOR_LEADER_EPOCH.response
>;
