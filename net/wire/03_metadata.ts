/**
 * Metadata (key 3): brokers, topics, partitions and their leaders. Every
 * client asks it first and again when it was told that it is wrong. Version 4
 * lets the client forbid topic creation, 8 to 10 carried authorized operations
 * of the cluster, 9 is flexible, 10 brought topic ids, 12 asking by id alone,
 * 13 an error for the whole answer (rebootstrap).
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
  message,
  string,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of Metadata. */
export const METADATA = api({
  key: 3,
  name: "Metadata",
  request: message({
    name: "MetadataRequest",
    versions: "0-13",
    flexible: "9+",
  }, {
    topics: array("0+", {
      topicId: uuid("10+", { ignorable: true }),
      name: string("0+", { nullable: "10+" }),
    }, { nullable: "1+" }),
    allowAutoTopicCreation: bool("4+", { default: true }),
    includeClusterAuthorizedOperations: bool("8-10"),
    includeTopicAuthorizedOperations: bool("8+"),
  }),
  response: message({
    name: "MetadataResponse",
    versions: "0-13",
    flexible: "9+",
  }, {
    throttleTimeMs: int32("3+", { ignorable: true }),
    brokers: array("0+", {
      nodeId: int32("0+", { mapKey: true }),
      host: string("0+"),
      port: int32("0+"),
      rack: string("1+", { nullable: "1+", default: null, ignorable: true }),
    }),
    clusterId: string("2+", { nullable: "2+", default: null, ignorable: true }),
    controllerId: int32("1+", { default: -1, ignorable: true }),
    topics: array("0+", {
      errorCode: int16("0+"),
      name: string("0+", { nullable: "12+", mapKey: true }),
      topicId: uuid("10+", { ignorable: true }),
      isInternal: bool("1+", { ignorable: true }),
      partitions: array("0+", {
        errorCode: int16("0+"),
        partitionIndex: int32("0+"),
        leaderId: int32("0+"),
        leaderEpoch: int32("7+", { default: -1, ignorable: true }),
        replicaNodes: array("0+", int32()),
        isrNodes: array("0+", int32()),
        offlineReplicas: array("5+", int32(), { ignorable: true }),
      }),
      topicAuthorizedOperations: int32("8+", { default: -2147483648 }),
    }),
    clusterAuthorizedOperations: int32("8-10", { default: -2147483648 }),
    errorCode: int16("13+", { ignorable: true }),
  }),
});

/** A request as a broker reads it. */
export type MetadataRequest = Decoded<typeof METADATA.request>;

/** A response as a broker writes it. */
export type MetadataResponse = Input<typeof METADATA.response>;
