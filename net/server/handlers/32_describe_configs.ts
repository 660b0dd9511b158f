/**
 * DescribeConfigs: configs of topics, brokers and groups with where each value comes
 * from. Owns which resources may be asked for here.
 *
 * @module
 */
import { type ErrorName, ERRORS } from "../../../core/errors.ts";
import { RESOURCE_TYPE } from "../../../core/metadata/image.ts";
import {
  DESCRIBE_CONFIGS,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
} from "../../wire/32_describe_configs.ts";
import {
  brokerEntries,
  type ConfigEntry,
  defaultBrokerEntries,
  groupEntries,
  topicEntries,
} from "../config_entries.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

type Resource = DescribeConfigsRequest["resources"][number];

/** All entries of a resource, or why there are none. */
function entriesOf(
  { resourceType, resourceName }: Resource,
  { image, config, nodeId }: Services,
): readonly ConfigEntry[] | [ErrorName, string] {
  if (resourceType === RESOURCE_TYPE.TOPIC) {
    if (image.topic(resourceName) === undefined) {
      return [
        "UNKNOWN_TOPIC_OR_PARTITION",
        `There is no topic "${resourceName}"`,
      ];
    }
    return topicEntries(image.configs(resourceType, resourceName), config);
  }
  if (resourceType === RESOURCE_TYPE.BROKER) {
    if (resourceName === "") {
      return defaultBrokerEntries(image.configs(resourceType, ""));
    }
    if (resourceName === String(nodeId)) return brokerEntries(config);
    return [
      "INVALID_REQUEST",
      `This is broker ${nodeId}: ask broker "${resourceName}" for its configs`,
    ];
  }
  if (resourceType === RESOURCE_TYPE.GROUP && resourceName !== "") {
    return groupEntries(image.configs(resourceType, resourceName), config);
  }
  return [
    "INVALID_REQUEST",
    `Resource type ${resourceType} has no configs here`,
  ];
}

function isError(
  entries: readonly ConfigEntry[] | [ErrorName, string],
): entries is [ErrorName, string] {
  return typeof entries[0] === "string";
}

/** The handler of DescribeConfigs. */
export function describeConfigsHandler(services: Services): HandlerEntry {
  function describe(resource: Resource, request: DescribeConfigsRequest) {
    const { resourceType, resourceName, configurationKeys } = resource;
    const named = { resourceType, resourceName };
    const entries = entriesOf(resource, services);
    if (isError(entries)) {
      const [error, errorMessage] = entries;
      return { ...named, errorCode: ERRORS[error], errorMessage, configs: [] };
    }
    const wanted = configurationKeys === null
      ? undefined
      : new Set(configurationKeys);
    return {
      ...named,
      errorCode: 0,
      errorMessage: null,
      configs: entries
        .filter(({ name }) => wanted === undefined || wanted.has(name))
        .map((entry) => ({
          ...entry,
          synonyms: request.includeSynonyms ? entry.synonyms : [],
          documentation: request.includeDocumentation
            ? entry.documentation
            : null,
        })),
    };
  }

  function handle(request: DescribeConfigsRequest): DescribeConfigsResponse {
    return {
      results: request.resources.map((resource) => describe(resource, request)),
    };
  }

  return handles(DESCRIBE_CONFIGS, handle, (request, errorCode) => ({
    results: request.resources.map(({ resourceType, resourceName }) => ({
      errorCode,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: [],
    })),
  }));
}
