/**
 * ListOffsets (key 2): the offset for a timestamp, or for one of the negative
 * timestamps that stand for earliest, latest and the like. Sent by consumers
 * and by tools. Version 4 brought leader epochs, 6 flexible encoding, 7 the
 * largest timestamp, 8 and 9 tiered storage, 10 a time limit.
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
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ListOffsets. */
export const LIST_OFFSETS = api({
  key: 2,
  name: "ListOffsets",
  request: message({
    name: "ListOffsetsRequest",
    versions: "1-11",
    flexible: "6+",
  }, {
    replicaId: int32("0+"),
    isolationLevel: int8("2+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        currentLeaderEpoch: int32("4+", { default: -1, ignorable: true }),
        timestamp: int64("0+"),
      }),
    }),
    timeoutMs: int32("10+", { ignorable: true }),
  }),
  response: message({
    name: "ListOffsetsResponse",
    versions: "1-11",
    flexible: "6+",
  }, {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        timestamp: int64("1+", { default: -1 }),
        offset: int64("1+", { default: -1 }),
        leaderEpoch: int32("4+", { default: -1 }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ListOffsetsRequest = Decoded<typeof LIST_OFFSETS.request>;

/** A response as a broker writes it. */
export type ListOffsetsResponse = Input<typeof LIST_OFFSETS.response>;
