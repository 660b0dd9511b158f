/**
 * DescribeQuorum (key 55): the state of the metadata quorum (KIP-595). Sent by
 * kafka-metadata-quorum. Version 1 brought the times (KIP-836), 2 directories, nodes
 * and messages (KIP-853).
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
  uint16,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

const REPLICA_STATE = {
  replicaId: int32("0+"),
  replicaDirectoryId: uuid("2+"),
  logEndOffset: int64("0+"),
  lastFetchTimestamp: int64("1+", { default: -1, ignorable: true }),
  lastCaughtUpTimestamp: int64("1+", { default: -1, ignorable: true }),
};

/** Schemas of DescribeQuorum. */
export const DESCRIBE_QUORUM = api({
  key: 55,
  name: "DescribeQuorum",
  request: message({
    name: "DescribeQuorumRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
      }),
    }),
  }),
  response: message({
    name: "DescribeQuorumResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    errorCode: int16("0+"),
    errorMessage: string("2+", { nullable: "2+", ignorable: true }),
    topics: array("0+", {
      topicName: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        errorCode: int16("0+"),
        errorMessage: string("2+", { nullable: "2+", ignorable: true }),
        leaderId: int32("0+"),
        leaderEpoch: int32("0+"),
        highWatermark: int64("0+"),
        currentVoters: array("0+", REPLICA_STATE),
        observers: array("0+", REPLICA_STATE),
      }),
    }),
    nodes: array("2+", {
      nodeId: int32("2+", { mapKey: true }),
      listeners: array("2+", {
        name: string("2+", { mapKey: true }),
        host: string("2+"),
        port: uint16("2+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeQuorumRequest = Decoded<typeof DESCRIBE_QUORUM.request>;

/** A response as a broker writes it. */
export type DescribeQuorumResponse = Input<typeof DESCRIBE_QUORUM.response>;
