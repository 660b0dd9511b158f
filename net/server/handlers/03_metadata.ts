/**
 * Metadata: brokers, topics and who leads what; creates unknown topics when
 * both sides allow it. Owns the answer's shape; a created topic is answered
 * once it can be written to, so that no client has to ask twice.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { type ErrorName, ERRORS, KafkaError } from "../../../core/errors.ts";
import type {
  MetadataImage,
  TopicImage,
} from "../../../core/metadata/image.ts";
import {
  METADATA,
  type MetadataRequest,
  type MetadataResponse,
} from "../../wire/03_metadata.ts";
import { createMissing } from "../auto_create.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import {
  isInternalTopic,
  offlineReplicas,
  type Services,
  TOPIC_OPERATIONS,
} from "../services.ts";

type Topic = NonNullable<MetadataResponse["topics"]>[number];
type AskedTopic = NonNullable<MetadataRequest["topics"]>[number];

/** Operations on the cluster, as bits, that anyone may do without ACLs. */
const CLUSTER_OPERATIONS = 0b1_1111_1010_0000;
/** First version in which no topics means none instead of all. */
const EMPTY_MEANS_NONE_VERSION = 1;
/** First version that may ask by id: earlier answers can't do without a name. */
const TOPIC_ID_VERSION = 12;

function describe(
  topic: TopicImage,
  request: MetadataRequest,
  { image }: { readonly image: MetadataImage },
): Topic {
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition, partitionIndex) => ({
      errorCode: partition.leader === -1 ? ERRORS.LEADER_NOT_AVAILABLE : 0,
      partitionIndex,
      leaderId: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      replicaNodes: partition.replicas,
      isrNodes: partition.isr,
      offlineReplicas: offlineReplicas(partition, image),
    })),
    ...(request.includeTopicAuthorizedOperations
      ? { topicAuthorizedOperations: TOPIC_OPERATIONS }
      : {}),
  };
}

function missing({ name, topicId }: AskedTopic, error: ErrorName): Topic {
  return {
    errorCode: ERRORS[error],
    name: topicId === ZERO_UUID ? name : null,
    topicId,
    isInternal: name !== null && isInternalTopic(name),
    partitions: [],
  };
}

function response(
  request: MetadataRequest,
  topics: Topic[],
  { local, services }: {
    readonly local: RequestContext["local"];
    readonly services: Services;
  },
): MetadataResponse {
  const { image } = services;
  const live = [...image.brokers.values()].filter(({ isFenced }) => !isFenced);
  return {
    brokers: live.flatMap(({ id, rack }) => {
      const endpoint = services.endpointOf(id, local);
      return endpoint ? [{ nodeId: id, ...endpoint, rack }] : [];
    }),
    clusterId: services.clusterId,
    controllerId: services.nodeId,
    topics,
    ...(request.includeClusterAuthorizedOperations
      ? { clusterAuthorizedOperations: CLUSTER_OPERATIONS }
      : {}),
  };
}

function answerOne(
  request: MetadataRequest,
  asked: AskedTopic,
  { image, refusals }: {
    readonly image: MetadataImage;
    readonly refusals: ReadonlyMap<string, ErrorName>;
  },
): Topic {
  const { name, topicId } = asked;
  if (topicId !== ZERO_UUID) {
    const topic = image.topicById(topicId);
    return topic === undefined
      ? missing(asked, "UNKNOWN_TOPIC_ID")
      : describe(topic, request, { image });
  }
  if (name === null) return missing(asked, "INVALID_REQUEST");
  const topic = image.topic(name);
  if (topic !== undefined) return describe(topic, request, { image });
  return missing(asked, refusals.get(name) ?? "UNKNOWN_TOPIC_OR_PARTITION");
}

function refuseIds(asked: readonly AskedTopic[]): void {
  for (const { name, topicId } of asked) {
    if (name !== null && topicId === ZERO_UUID) continue;
    throw new KafkaError(
      "INVALID_REQUEST",
      `Cannot tell of a topic by its id before version ${TOPIC_ID_VERSION}`,
    );
  }
}

/** The handler of Metadata. */
export function metadataHandler(services: Services): HandlerEntry {
  const { image } = services;

  function handle(
    request: MetadataRequest,
    context: RequestContext,
  ): MetadataResponse | Promise<MetadataResponse> {
    const asked = request.topics;
    const { local } = context;
    const wantsAll = asked === null ||
      (asked.length === 0 && context.apiVersion < EMPTY_MEANS_NONE_VERSION);
    if (wantsAll) {
      const all = Array.from(
        image.topics.values(),
        (topic) => describe(topic, request, { image }),
      );
      return response(request, all, { local, services });
    }
    if (context.apiVersion < TOPIC_ID_VERSION) refuseIds(asked);
    const answer = (refusals: ReadonlyMap<string, ErrorName>) =>
      response(
        request,
        asked.map((topic) => answerOne(request, topic, { image, refusals })),
        { local, services },
      );
    const unknown = asked.flatMap(({ name, topicId }) =>
      topicId === ZERO_UUID && name !== null && image.topic(name) === undefined
        ? [name]
        : []
    );
    if (unknown.length === 0) return answer(new Map());
    return createMissing(services, unknown, {
      isAllowed: request.allowAutoTopicCreation,
    }).then(answer);
  }

  return handles(METADATA, handle, (request, errorCode) => ({
    topics: (request.topics ?? []).map(({ name, topicId }) => ({
      errorCode,
      name: name ?? "",
      topicId,
    })),
    errorCode,
  }));
}
