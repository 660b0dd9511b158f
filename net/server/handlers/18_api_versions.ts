/**
 * ApiVersions: what is served, and the cluster's features. It must announce
 * nothing without a handler: clients switch behaviour on presence.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { FEATURES, KRAFT_VERSION } from "../../../core/metadata/features.ts";
import {
  API_VERSIONS,
  type ApiVersionsRequest,
  type ApiVersionsResponse,
} from "../../wire/18_api_versions.ts";
import type { Api } from "../../wire/api_keys.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version whose clients understand features with minimum 0. */
const ZERO_MINIMUM_VERSION = 4;
/** First version that names the broker that the client meant to reach. */
const TARGET_VERSION = 5;
/** First version whose requests name the client's software. */
const SOFTWARE_VERSION = 3;
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

/** Why a request is refused, if it is. */
function problemOf(
  request: ApiVersionsRequest,
  { apiVersion }: RequestContext,
  { clusterId, nodeId }: Services,
): number {
  if (apiVersion >= SOFTWARE_VERSION) {
    const { clientSoftwareName, clientSoftwareVersion } = request;
    const isNamed = SOFTWARE_NAME.test(clientSoftwareName) &&
      SOFTWARE_NAME.test(clientSoftwareVersion);
    if (!isNamed) return ERRORS.INVALID_REQUEST;
  }
  if (apiVersion >= TARGET_VERSION) {
    const isElsewhere =
      (request.clusterId !== null && request.clusterId !== clusterId) ||
      (request.nodeId !== -1 && request.nodeId !== nodeId);
    if (isElsewhere) return ERRORS.REBOOTSTRAP_REQUIRED;
  }
  return ERRORS.NONE;
}

/** What the controller finalized, and what the quorum did. */
function finalizedFeatures(
  { image: { features }, quorum: { kraftVersion } }: Services,
): ReadonlyMap<string, number> {
  if (kraftVersion === 0) return features;
  return new Map([...features, [KRAFT_VERSION, kraftVersion]]);
}

/** The handler of ApiVersions; `served` lists what dispatch has. */
export function apiVersionsHandler(
  services: Services,
  served: () => readonly Api[],
): HandlerEntry {
  function handle(
    request: ApiVersionsRequest,
    context: RequestContext,
  ): ApiVersionsResponse {
    const errorCode = problemOf(request, context, services);
    if (errorCode !== ERRORS.NONE) return { errorCode };
    const leastMin = context.apiVersion < ZERO_MINIMUM_VERSION ? 1 : 0;
    return {
      errorCode,
      apiKeys: served().map(({ key, advertised }) => ({
        apiKey: key,
        minVersion: advertised.min,
        maxVersion: advertised.max,
      })),
      supportedFeatures: Object.entries(FEATURES)
        .filter(([, { min }]) => min >= leastMin)
        .map(([name, { min, max }]) => ({
          name,
          minVersion: min,
          maxVersion: max,
        })),
      finalizedFeaturesEpoch: services.metadataOffset,
      finalizedFeatures: Array.from(
        finalizedFeatures(services),
        ([name, level]) => ({
          name,
          maxVersionLevel: level,
          minVersionLevel: level,
        }),
      ),
    };
  }

  return handles(API_VERSIONS, handle);
}
