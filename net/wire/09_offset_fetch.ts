/**
 * OffsetFetch (key 9): reads a group's committed offsets. Sent by group
 * members and tools to the group's coordinator. Version 2 can ask for all
 * topics, 6 is flexible, 7 asks for stable offsets only, 8 takes several
 * groups at once, 9 brought the KIP-848 member epoch, 10 topic ids in place of
 * names.
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

/** Schemas of OffsetFetch. */
export const OFFSET_FETCH = api({
  key: 9,
  name: "OffsetFetch",
  request: message({
    name: "OffsetFetchRequest",
    versions: "1-10",
    flexible: "6+",
  }, {
    groupId: string("0-7"),
    topics: array("0-7", {
      name: string("0-7"),
      partitionIndexes: array("0-7", int32()),
    }, { nullable: "2-7" }),
    groups: array("8+", {
      groupId: string("8+"),
      memberId: string("9+", {
        nullable: "9+",
        default: null,
        ignorable: true,
      }),
      memberEpoch: int32("9+", { default: -1, ignorable: true }),
      topics: array("8+", {
        name: string("8-9", { ignorable: true }),
        topicId: uuid("10+", { ignorable: true }),
        partitionIndexes: array("8+", int32()),
      }, { nullable: "8+" }),
    }),
    requireStable: bool("7+"),
  }),
  response: message({
    name: "OffsetFetchResponse",
    versions: "1-10",
    flexible: "6+",
  }, {
    throttleTimeMs: int32("3+", { ignorable: true }),
    topics: array("0-7", {
      name: string("0-7"),
      partitions: array("0-7", {
        partitionIndex: int32("0-7"),
        committedOffset: int64("0-7"),
        committedLeaderEpoch: int32("5-7", { default: -1, ignorable: true }),
        metadata: string("0-7", { nullable: "0-7" }),
        errorCode: int16("0-7"),
      }),
    }),
    errorCode: int16("2-7", { ignorable: true }),
    groups: array("8+", {
      groupId: string("8+"),
      topics: array("8+", {
        name: string("8-9", { ignorable: true }),
        topicId: uuid("10+", { ignorable: true }),
        partitions: array("8+", {
          partitionIndex: int32("8+"),
          committedOffset: int64("8+"),
          committedLeaderEpoch: int32("8+", { default: -1, ignorable: true }),
          metadata: string("8+", { nullable: "8+" }),
          errorCode: int16("8+"),
        }),
      }),
      errorCode: int16("8+"),
    }),
  }),
});

/** A request as a broker reads it. */
export type OffsetFetchRequest = Decoded<typeof OFFSET_FETCH.request>;

/** A response as a broker writes it. */
export type OffsetFetchResponse = Input<typeof OFFSET_FETCH.response>;
