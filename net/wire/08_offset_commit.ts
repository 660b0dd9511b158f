/**
 * OffsetCommit (key 8): stores a group's offsets. Sent by group members and
 * tools to the group's coordinator. Version 5 dropped the retention time, 6
 * brought leader epochs, 7 static members, 8 flexible encoding, 9 the KIP-848
 * member epoch, 10 topic ids in place of names.
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of OffsetCommit. */
export const OFFSET_COMMIT = api({
  key: 8,
  name: "OffsetCommit",
  request: message({
    name: "OffsetCommitRequest",
    versions: "2-10",
    flexible: "8+",
  }, {
    groupId: string("0+"),
    generationIdOrMemberEpoch: int32("1+", { default: -1, ignorable: true }),
    memberId: string("1+", { ignorable: true }),
    groupInstanceId: string("7+", { nullable: "7+", default: null }),
    retentionTimeMs: int64("2-4", { default: -1, ignorable: true }),
    topics: array("0+", {
      name: string("0-9", { ignorable: true }),
      topicId: uuid("10+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("6+", { default: -1, ignorable: true }),
        committedMetadata: string("0+", { nullable: "0+" }),
      }),
    }),
  }),
  response: message({
    name: "OffsetCommitResponse",
    versions: "2-10",
    flexible: "8+",
  }, {
    throttleTimeMs: int32("3+", { ignorable: true }),
    topics: array("0+", {
      name: string("0-9", { ignorable: true }),
      topicId: uuid("10+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type OffsetCommitRequest = Decoded<typeof OFFSET_COMMIT.request>;

/** A response as a broker writes it. */
export type OffsetCommitResponse = Input<typeof OFFSET_COMMIT.response>;
