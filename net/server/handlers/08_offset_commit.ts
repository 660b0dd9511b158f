/**
 * OffsetCommit: stores a group's offsets of topics that exist. Owns the
 * request's shape; who may commit is the group coordinator's to say.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { OffsetToCommit } from "../../../core/group/inputs.ts";
import {
  OFFSET_COMMIT,
  type OffsetCommitRequest,
  type OffsetCommitResponse,
} from "../../wire/08_offset_commit.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version that names topics by id. */
const TOPIC_ID_VERSION = 10;
/** First version whose clients know member epochs and GROUP_ID_NOT_FOUND. */
const EPOCHS_VERSION = 9;

interface Answer {
  readonly partitionIndex: number;
  errorCode: number;
}

/** The handler of OffsetCommit. */
export function offsetCommitHandler(
  { image }: Pick<Services, "image">,
  groups: Groups,
): HandlerEntry {
  /** Answers in the request's shape; `waiting` ones are stored in `offsets`. */
  function sort(request: OffsetCommitRequest, apiVersion: number) {
    const offsets: OffsetToCommit[] = [];
    const waiting: Answer[] = [];
    const isById = apiVersion >= TOPIC_ID_VERSION;
    const topics = request.topics.map(({ name, topicId, partitions }) => {
      const topic = isById ? image.topicById(topicId) : image.topic(name);
      const answers = partitions.map((each): Answer => {
        const { partitionIndex } = each;
        if (topic?.partitions[partitionIndex] === undefined) {
          const errorCode = isById && topic === undefined
            ? ERRORS.UNKNOWN_TOPIC_ID
            : ERRORS.UNKNOWN_TOPIC_OR_PARTITION;
          return { partitionIndex, errorCode };
        }
        offsets.push({
          topic: topic.name,
          partition: partitionIndex,
          offset: each.committedOffset,
          leaderEpoch: each.committedLeaderEpoch,
          metadata: each.committedMetadata ?? "",
        });
        const answer = { partitionIndex, errorCode: ERRORS.NONE };
        waiting.push(answer);
        return answer;
      });
      return { name, topicId, partitions: answers };
    });
    return { topics, offsets, waiting };
  }

  async function handle(
    request: OffsetCommitRequest,
    { apiVersion }: RequestContext,
  ): Promise<OffsetCommitResponse> {
    const { topics, offsets, waiting } = sort(request, apiVersion);
    if (offsets.length === 0) return { topics };
    const { errors } = await groups.ask({
      type: "OffsetCommit",
      groupId: request.groupId,
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      knowsEpochs: apiVersion >= EPOCHS_VERSION,
      ...(request.retentionTimeMs >= 0
        ? { retentionMs: request.retentionTimeMs }
        : {}),
      offsets,
    });
    errors.forEach((error, i) => waiting[i]!.errorCode = ERRORS[error]);
    return { topics };
  }

  return handles(OFFSET_COMMIT, handle, (request, errorCode) => ({
    topics: request.topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions
        .map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }));
}
