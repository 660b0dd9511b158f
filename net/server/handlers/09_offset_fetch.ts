/**
 * OffsetFetch: the committed offsets of one group, or of several. Owns the two
 * shapes that the request had over time.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import type {
  CommittedOffset,
  FetchOffsetsInput,
} from "../../../core/group/inputs.ts";
import {
  OFFSET_FETCH,
  type OffsetFetchRequest,
  type OffsetFetchResponse,
} from "../../wire/09_offset_fetch.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version that asks for several groups. */
const GROUPS_VERSION = 8;
/** First version that names topics by id. */
const TOPIC_ID_VERSION = 10;
/** First version with an error for the whole group. */
const GROUP_ERROR_VERSION = 2;

type GroupRequest = OffsetFetchRequest["groups"][number];
type GroupAnswer = NonNullable<OffsetFetchResponse["groups"]>[number];

/** The handler of OffsetFetch. */
export function offsetFetchHandler(
  { image }: Pick<Services, "image">,
  groups: Groups,
): HandlerEntry {
  async function handle(
    request: OffsetFetchRequest,
    { apiVersion }: RequestContext,
  ): Promise<OffsetFetchResponse> {
    if (apiVersion >= GROUPS_VERSION) {
      return {
        groups: await Promise.all(
          request.groups.map((group) =>
            fetchGroup({ image, groups, apiVersion }, {
              ...group,
              requireStable: request.requireStable,
            })
          ),
        ),
      };
    }
    const topics = request.topics?.map(({ name, partitionIndexes }) => ({
      topic: name,
      partitions: partitionIndexes,
    })) ?? null;
    try {
      const { groupId, requireStable } = request;
      return {
        topics: await fetchByName({ image, groups }, {
          groupId,
          memberId: null,
          memberEpoch: -1,
          requireStable,
          topics,
        }),
      };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return refusal(request, error.code, apiVersion);
    }
  }

  return handles(OFFSET_FETCH, handle);
}

interface Sources {
  readonly image: Services["image"];
  readonly groups: Groups;
}

async function fetchByName(
  { image, groups }: Sources,
  wanted: Omit<FetchOffsetsInput, "type">,
) {
  const fetched = await groups.ask({ type: "OffsetFetch", ...wanted });
  return fetched.topics.map(({ topic, partitions }) => ({
    name: topic,
    topicId: image.topic(topic)?.id ?? ZERO_UUID,
    partitions: partitions.map(({ partition, committed, isUnstable }) => ({
      ...answerOf(partition, committed),
      errorCode: isUnstable ? ERRORS.UNSTABLE_OFFSET_COMMIT : ERRORS.NONE,
    })),
  }));
}

async function fetchGroup(
  sources: Sources & { readonly apiVersion: number },
  { topics, ...wanted }: GroupRequest & { readonly requireStable: boolean },
): Promise<GroupAnswer> {
  const { image, apiVersion } = sources;
  const { groupId } = wanted;
  const isById = apiVersion >= TOPIC_ID_VERSION;
  const unknown = isById && topics !== null
    ? topics.filter(({ topicId }) => image.topicById(topicId) === undefined)
    : [];
  const known = topics?.filter((topic) => !unknown.includes(topic)) ?? null;
  const asked = known?.map(({ name, topicId, partitionIndexes }) => ({
    topic: isById ? image.topicById(topicId)!.name : name,
    partitions: partitionIndexes,
  })) ?? null;
  try {
    const answers = await fetchByName(sources, {
      ...wanted,
      topics: asked,
    });
    const refused = unknown.map(({ topicId, partitionIndexes }) => ({
      topicId,
      partitions: partitionIndexes.map((partition) => ({
        ...answerOf(partition, undefined),
        errorCode: ERRORS.UNKNOWN_TOPIC_ID,
      })),
    }));
    // A deleted topic has no id to be named by.
    const named = isById
      ? answers.filter(({ topicId }) => topicId !== ZERO_UUID)
      : answers;
    return { groupId, topics: [...named, ...refused] };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { groupId, topics: [], errorCode: error.code };
  }
}

function refusal(
  { topics }: OffsetFetchRequest,
  errorCode: number,
  apiVersion: number,
): OffsetFetchResponse {
  if (apiVersion >= GROUP_ERROR_VERSION) return { topics: [], errorCode };
  return {
    topics: topics?.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partition) => ({
        ...answerOf(partition, undefined),
        errorCode,
      })),
    })) ?? [],
  };
}

function answerOf(
  partitionIndex: number,
  committed: CommittedOffset | undefined,
) {
  return {
    partitionIndex,
    committedOffset: committed?.offset ?? -1,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    metadata: committed?.metadata ?? "",
    errorCode: ERRORS.NONE as number,
  };
}
