/**
 * OffsetDelete: forgets committed offsets of a group. Owns the request's shape
 * and the check that a partition exists; the rest is the coordinator's to say.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  OFFSET_DELETE,
  type OffsetDeleteRequest,
  type OffsetDeleteResponse,
} from "../../wire/47_offset_delete.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of OffsetDelete. */
export function offsetDeleteHandler(
  { image }: Services,
  groups: Groups,
): HandlerEntry {
  async function handle(
    { groupId, topics }: OffsetDeleteRequest,
  ): Promise<OffsetDeleteResponse> {
    if (groupId === "") return failed(ERRORS.INVALID_GROUP_ID);
    const exists = (topic: string, partition: number) =>
      image.partition(topic, partition) !== undefined;
    const offsets = topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partitionIndex: partition }) => ({ topic, partition }))
    ).filter(({ topic, partition }) => exists(topic, partition));
    try {
      const { error, subscribed } = await groups.ask({
        type: "DeleteOffsets",
        groupId,
        offsets,
      });
      if (error !== "NONE") return failed(ERRORS[error]);
      const errorOf = (topic: string, partition: number) => {
        if (!exists(topic, partition)) return "UNKNOWN_TOPIC_OR_PARTITION";
        return subscribed.includes(topic)
          ? "GROUP_SUBSCRIBED_TO_TOPIC"
          : "NONE";
      };
      return {
        errorCode: 0,
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({
            partitionIndex,
            errorCode: ERRORS[errorOf(name, partitionIndex)],
          })),
        })),
      };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return failed(error.code);
    }
  }

  return handles(OFFSET_DELETE, handle);
}

function failed(errorCode: number): OffsetDeleteResponse {
  return { errorCode, topics: [] };
}
