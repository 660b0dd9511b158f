/**
 * DeleteRecords: moves the start of a partition's log up to an offset that is
 * committed. Files go with retention, not here.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  DELETE_RECORDS,
  type DeleteRecordsRequest,
  type DeleteRecordsResponse,
} from "../../wire/21_delete_records.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import { findLeader, isInternalTopic, type Services } from "../services.ts";

/** The handler of DeleteRecords. */
export function deleteRecordsHandler(services: Services): HandlerEntry {
  function deleteFrom(name: string, index: number, offset: number) {
    const refused = (errorCode: number) => ({
      partitionIndex: index,
      lowWatermark: -1,
      errorCode,
    });
    if (isInternalTopic(name)) return refused(ERRORS.INVALID_TOPIC_EXCEPTION);
    const topic = { name, topicId: ZERO_UUID };
    const found = findLeader(services, topic, { index });
    if (typeof found === "string") return refused(ERRORS[found]);
    const { cleanupPolicy } = found.partition.config;
    if (!cleanupPolicy.delete) return refused(ERRORS.POLICY_VIOLATION);
    try {
      const lowWatermark = found.partition.deleteRecords(offset);
      found.startMoved();
      return { partitionIndex: index, lowWatermark, errorCode: 0 };
    } catch (error) {
      if (error instanceof KafkaError) return refused(error.code);
      throw error;
    }
  }

  function handle(request: DeleteRecordsRequest): DeleteRecordsResponse {
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, offset }) =>
          deleteFrom(name, partitionIndex, offset)
        ),
      })),
    };
  }

  return handles(DELETE_RECORDS, handle, (request, errorCode) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        lowWatermark: -1,
        errorCode,
      })),
    })),
  }));
}
