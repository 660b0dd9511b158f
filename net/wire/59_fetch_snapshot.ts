/**
 * FetchSnapshot (key 59): a replica of the metadata log reads a snapshot, a
 * piece at a time (KIP-630). Version 1 brought directories and endpoints
 * (KIP-853).
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
import { NODE_ENDPOINT } from "./quorum_shapes.ts";

const SNAPSHOT_ID = {
  endOffset: int64("0+"),
  epoch: int32("0+"),
};

/** Schemas of FetchSnapshot. */
export const FETCH_SNAPSHOT = api({
  key: 59,
  name: "FetchSnapshot",
  request: message({
    name: "FetchSnapshotRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    clusterId: string("0+", { nullable: "0+", default: null, tag: 0 }),
    replicaId: int32("0+", { default: -1 }),
    maxBytes: int32("0+", { default: 0x7fffffff }),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partition: int32("0+"),
        currentLeaderEpoch: int32("0+"),
        snapshotId: struct("0+", SNAPSHOT_ID),
        position: int64("0+"),
        replicaDirectoryId: uuid("1+", { tag: 0, ignorable: true }),
      }),
    }),
  }),
  response: message({
    name: "FetchSnapshotResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+", { ignorable: true }),
    errorCode: int16("0+"),
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        index: int32("0+"),
        errorCode: int16("0+"),
        snapshotId: struct("0+", SNAPSHOT_ID),
        currentLeader: struct("0+", {
          leaderId: int32("0+"),
          leaderEpoch: int32("0+"),
        }, { tag: 0 }),
        size: int64("0+"),
        position: int64("0+"),
        unalignedRecords: records("0+"),
      }),
    }),
    nodeEndpoints: array("1+", NODE_ENDPOINT, { tag: 0 }),
  }),
});

/** A request as a voter reads it. */
export type FetchSnapshotRequest = Decoded<typeof FETCH_SNAPSHOT.request>;

/** A response as a voter writes it. */
export type FetchSnapshotResponse = Input<typeof FETCH_SNAPSHOT.response>;
