/**
 * DescribeCluster: the cluster's id and its brokers, for admin clients.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  DESCRIBE_CLUSTER,
  type DescribeClusterRequest,
  type DescribeClusterResponse,
} from "../../wire/60_describe_cluster.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

const BROKERS = 1;
const CONTROLLERS = 2;
/** Operations on the cluster, as bits, that anyone may do without ACLs. */
const CLUSTER_OPERATIONS = 0b1_1111_1010_0000;

/** The handler of DescribeCluster. */
export function describeClusterHandler(services: Services): HandlerEntry {
  function handle(
    request: DescribeClusterRequest,
    { local }: RequestContext,
  ): DescribeClusterResponse {
    const { endpointType, includeFencedBrokers } = request;
    const { clusterId, nodeId, image } = services;
    if (endpointType !== BROKERS) {
      const error = endpointType === CONTROLLERS
        ? "MISMATCHED_ENDPOINT_TYPE"
        : "UNSUPPORTED_ENDPOINT_TYPE";
      return {
        errorCode: ERRORS[error],
        errorMessage: "This listener describes brokers only",
        endpointType,
        clusterId,
      };
    }
    const brokers = [...image.brokers.values()]
      .filter(({ isFenced }) => includeFencedBrokers || !isFenced)
      .flatMap(({ id, rack, isFenced }) => {
        const endpoint = services.endpointOf(id, local);
        return endpoint ? [{ brokerId: id, ...endpoint, rack, isFenced }] : [];
      });
    return {
      errorCode: 0,
      endpointType,
      clusterId,
      controllerId: nodeId,
      brokers,
      ...(request.includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
        : {}),
    };
  }

  return handles(DESCRIBE_CLUSTER, handle);
}
