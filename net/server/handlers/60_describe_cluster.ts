/**
 * DescribeCluster: the cluster's id and its brokers, or, at a controllers'
 * listener, its controllers, for admin clients.
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
    if (endpointType !== BROKERS) return refused(endpointType, services);
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

/** The handler of DescribeCluster at a controllers' listener (KIP-919). */
export function describeControllersHandler(services: Services): HandlerEntry {
  function handle(
    { endpointType, includeClusterAuthorizedOperations }:
      DescribeClusterRequest,
    { local }: RequestContext,
  ): DescribeClusterResponse {
    const { clusterId, image, quorum } = services;
    if (endpointType !== CONTROLLERS) return refused(endpointType, services);
    const brokers = [...image.controllers.values()].flatMap((controller) => {
      const { controllerId: brokerId, endPoints } = controller;
      const found = endPoints.find(({ name }) => name === local.listener);
      return found
        ? [{ brokerId, host: found.host, port: found.port, isFenced: false }]
        : [];
    });
    return {
      errorCode: 0,
      endpointType,
      clusterId,
      controllerId: quorum.leaderId,
      brokers,
      ...includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
        : {},
    };
  }

  return handles(DESCRIBE_CLUSTER, handle);
}

function refused(
  endpointType: number,
  { clusterId }: Services,
): DescribeClusterResponse {
  const isKnown = endpointType === BROKERS || endpointType === CONTROLLERS;
  return {
    errorCode: ERRORS[
      isKnown ? "MISMATCHED_ENDPOINT_TYPE" : "UNSUPPORTED_ENDPOINT_TYPE"
    ],
    errorMessage: endpointType === CONTROLLERS
      ? "This listener describes brokers only"
      : "This listener describes controllers only",
    endpointType,
    clusterId,
  };
}
