/**
 * Fetch (key 1): reads record batches from partitions, waiting for `minBytes`.
 * Sent by consumers and by following replicas alike. Version 7 brought
 * incremental sessions (KIP-227), 11 the nearest replica (KIP-392), 12
 * flexible encoding and divergence by epoch, 13 topic ids, 15 the replica's
 * epoch, 16 leaders' endpoints, 18 the follower's high watermark.
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
  records,
  string,
  struct,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of Fetch. */
export const FETCH = api({
  key: 1,
  name: "Fetch",
  request: message(
    { name: "FetchRequest", versions: "4-18", flexible: "12+" },
    {
      clusterId: string("12+", {
        nullable: "12+",
        default: null,
        tag: 0,
        ignorable: true,
      }),
      replicaId: int32("0-14", { default: -1 }),
      replicaState: struct("15+", {
        replicaId: int32("15+", { default: -1 }),
        replicaEpoch: int64("15+", { default: -1 }),
      }, { tag: 1 }),
      maxWaitMs: int32("0+"),
      minBytes: int32("0+"),
      maxBytes: int32("3+", { default: 0x7fffffff, ignorable: true }),
      isolationLevel: int8("4+", { ignorable: true }),
      sessionId: int32("7+", { ignorable: true }),
      sessionEpoch: int32("7+", { default: -1, ignorable: true }),
      topics: array("0+", {
        topic: string("0-12", { ignorable: true }),
        topicId: uuid("13+", { ignorable: true }),
        partitions: array("0+", {
          partition: int32("0+"),
          currentLeaderEpoch: int32("9+", { default: -1, ignorable: true }),
          fetchOffset: int64("0+"),
          lastFetchedEpoch: int32("12+", { default: -1 }),
          logStartOffset: int64("5+", { default: -1, ignorable: true }),
          partitionMaxBytes: int32("0+"),
          replicaDirectoryId: uuid("17+", { tag: 0, ignorable: true }),
          highWatermark: int64("18+", {
            default: Infinity,
            tag: 1,
            ignorable: true,
          }),
        }),
      }),
      forgottenTopicsData: array("7+", {
        topic: string("7-12", { ignorable: true }),
        topicId: uuid("13+", { ignorable: true }),
        partitions: array("7+", int32()),
      }),
      rackId: string("11+", { ignorable: true }),
    },
  ),
  response: message({
    name: "FetchResponse",
    versions: "4-18",
    flexible: "12+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("7+", { ignorable: true }),
    sessionId: int32("7+"),
    responses: array("0+", {
      topic: string("0-12", { ignorable: true }),
      topicId: uuid("13+", { ignorable: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        highWatermark: int64("0+"),
        lastStableOffset: int64("4+", { default: -1, ignorable: true }),
        logStartOffset: int64("5+", { default: -1, ignorable: true }),
        divergingEpoch: struct("12+", {
          epoch: int32("12+", { default: -1 }),
          endOffset: int64("12+", { default: -1 }),
        }, { tag: 0 }),
        currentLeader: struct("12+", {
          leaderId: int32("12+", { default: -1 }),
          leaderEpoch: int32("12+", { default: -1 }),
        }, { tag: 1 }),
        snapshotId: struct("12+", {
          endOffset: int64("0+", { default: -1 }),
          epoch: int32("0+", { default: -1 }),
        }, { tag: 2 }),
        abortedTransactions: array("4+", {
          producerId: int64("4+"),
          firstOffset: int64("4+"),
        }, { nullable: "4+", ignorable: true }),
        preferredReadReplica: int32("11+", { default: -1 }),
        records: records("0+", { nullable: "0+" }),
      }),
    }),
    nodeEndpoints: array("16+", {
      nodeId: int32("16+", { mapKey: true }),
      host: string("16+"),
      port: int32("16+"),
      rack: string("16+", { nullable: "16+", default: null }),
    }, { tag: 0 }),
  }),
});

/** A request as a broker reads it. */
export type FetchRequest = Decoded<typeof FETCH.request>;

/** A response as a broker writes it. */
export type FetchResponse = Input<typeof FETCH.response>;
