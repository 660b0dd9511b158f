/**
 * AssignReplicasToDirs (key 73): a broker tells the active controller in which
 * of its log directories replicas are (KIP-858).
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AssignReplicasToDirs. */
export const ASSIGN_REPLICAS_TO_DIRS = api({
  key: 73,
  name: "AssignReplicasToDirs",
  request: message({
    name: "AssignReplicasToDirsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
    directories: array("0+", {
      id: uuid("0+"),
      topics: array("0+", {
        topicId: uuid("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
        }),
      }),
    }),
  }),
  response: message({
    name: "AssignReplicasToDirsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    directories: array("0+", {
      id: uuid("0+"),
      topics: array("0+", {
        topicId: uuid("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
          errorCode: int16("0+"),
        }),
      }),
    }),
  }),
});

/** A request as a controller reads it. */
export type AssignReplicasToDirsRequest = Decoded<
  typeof ASSIGN_REPLICAS_TO_DIRS.request
>;

/** A response as a controller writes it. */
export type AssignReplicasToDirsResponse = Input<
  typeof ASSIGN_REPLICAS_TO_DIRS.response
>;
