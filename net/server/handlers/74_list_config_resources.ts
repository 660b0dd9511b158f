/**
 * ListConfigResources: the names of topics, brokers and groups that can have,
 * or have, configs. Owns the answer's shape; it reads the image.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import { RESOURCE_TYPE } from "../../../core/metadata/image.ts";
import {
  LIST_CONFIG_RESOURCES,
  type ListConfigResourcesRequest,
  type ListConfigResourcesResponse,
} from "../../wire/74_list_config_resources.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

const { TOPIC, BROKER, GROUP } = RESOURCE_TYPE;
/** Of Kafka's: nothing here keeps configs of client metrics (KIP-714). */
const CLIENT_METRICS = 16;
/** From this version on a request names the types; before, client metrics. */
const TYPES_VERSION = 1;

/** The handler of ListConfigResources. */
export function listConfigResourcesHandler({ image }: Services): HandlerEntry {
  function namesOf(type: number): string[] {
    switch (type) {
      case TOPIC:
        return [...image.topics.keys()];
      case BROKER:
        return Array.from(image.brokers.keys(), String);
      case GROUP:
        return [...image.configResources()].filter((each) =>
          each.type === GROUP
        ).map(({ name }) => name);
      default:
        return [];
    }
  }

  function handle(
    { resourceTypes }: ListConfigResourcesRequest,
    { apiVersion }: RequestContext,
  ): ListConfigResourcesResponse {
    if (apiVersion < TYPES_VERSION) {
      return { errorCode: 0, configResources: [] };
    }
    const supported: readonly number[] = [TOPIC, BROKER, CLIENT_METRICS, GROUP];
    const types = resourceTypes.length === 0
      ? supported
      : [...new Set(resourceTypes)];
    if (types.some((type) => !supported.includes(type))) {
      return failed(ERRORS.UNSUPPORTED_VERSION);
    }
    return {
      errorCode: 0,
      configResources: types.flatMap((resourceType) =>
        namesOf(resourceType).map((resourceName) => ({
          resourceName,
          resourceType,
        }))
      ),
    };
  }

  return handles(
    LIST_CONFIG_RESOURCES,
    handle,
    (_request, errorCode) => failed(errorCode),
  );
}

function failed(errorCode: number): ListConfigResourcesResponse {
  return { errorCode, configResources: [] };
}
