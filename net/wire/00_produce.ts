/**
 * Produce (key 0): appends record batches to partitions. Sent by producers to
 * partition leaders; with acks=0 nothing is answered. Version 7 brought zstd,
 * 8 errors per record, 9 flexible encoding, 10 the current leader on
 * NOT_LEADER_OR_FOLLOWER, 13 topic ids in place of names. Versions 0 to 2 are
 * announced and refused: old librdkafka turns compression off when they are
 * missing.
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
  records,
  string,
  struct,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of Produce. */
export const PRODUCE = api({
  key: 0,
  name: "Produce",
  advertiseMin: 0,
  request: message(
    { name: "ProduceRequest", versions: "3-13", flexible: "9+" },
    {
      transactionalId: string("3+", { nullable: "3+", default: null }),
      acks: int16("0+"),
      timeoutMs: int32("0+"),
      topicData: array("0+", {
        name: string("0-12", { ignorable: true, mapKey: true }),
        topicId: uuid("13+", { ignorable: true, mapKey: true }),
        partitionData: array("0+", {
          index: int32("0+"),
          records: records("0+", { nullable: "0+" }),
        }),
      }),
    },
  ),
  response: message({
    name: "ProduceResponse",
    versions: "3-13",
    flexible: "9+",
  }, {
    responses: array("0+", {
      name: string("0-12", { ignorable: true, mapKey: true }),
      topicId: uuid("13+", { ignorable: true, mapKey: true }),
      partitionResponses: array("0+", {
        index: int32("0+"),
        errorCode: int16("0+"),
        baseOffset: int64("0+"),
        logAppendTimeMs: int64("2+", { default: -1, ignorable: true }),
        logStartOffset: int64("5+", { default: -1, ignorable: true }),
        recordErrors: array("8+", {
          batchIndex: int32("8+"),
          batchIndexErrorMessage: string("8+", {
            nullable: "8+",
            default: null,
          }),
        }, { ignorable: true }),
        errorMessage: string("8+", {
          nullable: "8+",
          default: null,
          ignorable: true,
        }),
        currentLeader: struct("10+", {
          leaderId: int32("10+", { default: -1 }),
          leaderEpoch: int32("10+", { default: -1 }),
        }, { tag: 0 }),
      }),
    }),
    throttleTimeMs: int32("1+", { ignorable: true }),
    nodeEndpoints: array("10+", {
      nodeId: int32("10+", { mapKey: true }),
      host: string("10+"),
      port: int32("10+"),
      rack: string("10+", { nullable: "10+", default: null }),
    }, { tag: 0 }),
  }),
});

/** A request as a broker reads it. */
export type ProduceRequest = Decoded<typeof PRODUCE.request>;

/** A response as a broker writes it. */
export type ProduceResponse = Input<typeof PRODUCE.response>;
