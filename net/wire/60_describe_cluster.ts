/**
 * DescribeCluster (key 60): cluster id, controller and brokers, or the
 * controllers themselves (KIP-919). Sent by admin clients. Version 1 brought
 * the endpoint type, 2 fenced brokers.
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
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of DescribeCluster. */
export const DESCRIBE_CLUSTER = api({
  key: 60,
  name: "DescribeCluster",
  request: message({
    name: "DescribeClusterRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    includeClusterAuthorizedOperations: bool("0+"),
    endpointType: int8("1+", { default: 1 }),
    includeFencedBrokers: bool("2+"),
  }),
  response: message({
    name: "DescribeClusterResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+", default: null }),
    endpointType: int8("1+", { default: 1 }),
    clusterId: string("0+"),
    controllerId: int32("0+", { default: -1 }),
    brokers: array("0+", {
      brokerId: int32("0+", { mapKey: true }),
      host: string("0+"),
      port: int32("0+"),
      rack: string("0+", { nullable: "0+", default: null }),
      isFenced: bool("2+"),
    }),
    clusterAuthorizedOperations: int32("0+", { default: -2147483648 }),
  }),
});

/** A request as a broker reads it. */
export type DescribeClusterRequest = Decoded<typeof DESCRIBE_CLUSTER.request>;

/** A response as a broker writes it. */
export type DescribeClusterResponse = Input<typeof DESCRIBE_CLUSTER.response>;
