/**
 * TxnOffsetCommit (key 28): commits a group's offsets within a transaction.
 * Sent by producers to the group's coordinator. Version 3 is flexible and
 * names the member that consumed, 4 may answer TRANSACTION_ABORTABLE, 5
 * belongs to transaction version 2, 6 has topic ids in place of names.
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

/** Schemas of TxnOffsetCommit. */
export const TXN_OFFSET_COMMIT = api({
  key: 28,
  name: "TxnOffsetCommit",
  request: message({
    name: "TxnOffsetCommitRequest",
    versions: "0-6",
    flexible: "3+",
  }, {
    transactionalId: string("0+"),
    groupId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    generationIdOrMemberEpoch: int32("3+", { default: -1 }),
    memberId: string("3+"),
    groupInstanceId: string("3+", { nullable: "3+", default: null }),
    topics: array("0+", {
      name: string("0-5", { ignorable: true }),
      topicId: uuid("6+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        committedOffset: int64("0+"),
        committedLeaderEpoch: int32("2+", { default: -1, ignorable: true }),
        committedMetadata: string("0+", { nullable: "0+" }),
      }),
    }),
  }),
  response: message({
    name: "TxnOffsetCommitResponse",
    versions: "0-6",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0-5", { ignorable: true }),
      topicId: uuid("6+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type TxnOffsetCommitRequest = Decoded<
  typeof TXN_OFFSET_COMMIT.request
>;

/** A response as a broker writes it. */
export type TxnOffsetCommitResponse = Input<
  typeof TXN_OFFSET_COMMIT.response
>;
