/**
 * What OffsetCommit and TxnOffsetCommit have in common: which of the offsets
 * are of topics that exist, and the answer in the request's shape. Owns that
 * shape; who may commit is the group coordinator's to say.
 *
 * @module
 */
import type { Uuid } from "../../core/bytes/uuid.ts";
import { ERRORS } from "../../core/errors.ts";
import type { OffsetToCommit } from "../../core/group/inputs.ts";
import type { Services } from "./services.ts";

/** One topic of a request. */
interface CommittedTopic {
  readonly name: string;
  readonly topicId: Uuid;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly committedOffset: number;
    readonly committedLeaderEpoch: number;
    readonly committedMetadata: string | null;
  }[];
}

interface Answer {
  readonly partitionIndex: number;
  errorCode: number;
}

/** A request's offsets, sorted. */
export interface SortedOffsets {
  /** The answer, but for what the coordinator says of `offsets`. */
  readonly topics: {
    readonly name: string;
    readonly topicId: Uuid;
    readonly partitions: Answer[];
  }[];
  /** Those that can be stored. */
  readonly offsets: OffsetToCommit[];
  /** Their places in the answer. */
  readonly waiting: Answer[];
}

/** Sorts out what is of no topic that exists. */
export function sortOffsets(
  requested: readonly CommittedTopic[],
  { image, isById }: Pick<Services, "image"> & { readonly isById: boolean },
): SortedOffsets {
  const offsets: OffsetToCommit[] = [];
  const waiting: Answer[] = [];
  const topics = requested.map(({ name, topicId, partitions }) => {
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

/** The answer that gives every offset the same error. */
export function refuseOffsets(
  requested: readonly CommittedTopic[],
  errorCode: number,
): Pick<SortedOffsets, "topics"> {
  return {
    topics: requested.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions
        .map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}
