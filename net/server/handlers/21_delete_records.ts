/**
 * DeleteRecords: moves the start of a partition's log up to an offset that is
 * committed, and answers when all replicas that are up have it so. Files go
 * with retention, not here.
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
import type { Deadlines } from "../deadlines.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import {
  ERROR_OF_END,
  type HostedPartition,
  type WaitEnd,
} from "../hosted_partition.ts";
import { findLeader, isInternalTopic, type Services } from "../services.ts";

type Asked = DeleteRecordsRequest["topics"][number]["partitions"][number];

/** What became of one partition. */
interface Deleted {
  readonly partitionIndex: number;
  readonly lowWatermark: number;
  readonly errorCode: number;
}

/** Answers when no replica that is up holds records before `start`. */
function everywhere(
  hosted: HostedPartition,
  { start, timeoutMs, deadlines }: {
    readonly start: number;
    readonly timeoutMs: number;
    readonly deadlines: Deadlines;
  },
): Promise<Deleted> {
  const { promise, resolve } = Promise.withResolvers<Deleted>();
  const partitionIndex = hosted.index;
  const wait = {
    offset: start,
    onEnd: (end: WaitEnd) => {
      deadlines.cancel(deadline);
      const lowWatermark = end === "done" ? hosted.partition.lowWatermark : -1;
      const errorCode = ERRORS[ERROR_OF_END[end]];
      resolve({ partitionIndex, lowWatermark, errorCode });
    },
  };
  const deadline = deadlines.add(timeoutMs, () => {
    hosted.forgetDeletion(wait);
    const errorCode = ERRORS.REQUEST_TIMED_OUT;
    resolve({ partitionIndex, lowWatermark: -1, errorCode });
  });
  hosted.startMoved(wait);
  return promise;
}

/** The handler of DeleteRecords. */
export function deleteRecordsHandler(services: Services): HandlerEntry {
  function deleteFrom(
    name: string,
    { partitionIndex: index, offset }: Asked,
    timeoutMs: number,
  ): Deleted | Promise<Deleted> {
    const { deadlines } = services;
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
      const start = found.partition.deleteRecords(offset);
      return everywhere(found, { start, timeoutMs, deadlines });
    } catch (error) {
      if (error instanceof KafkaError) return refused(error.code);
      throw error;
    }
  }

  async function handle(
    { topics, timeoutMs }: DeleteRecordsRequest,
  ): Promise<DeleteRecordsResponse> {
    return {
      topics: await Promise.all(topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map((each) => deleteFrom(name, each, timeoutMs)),
        ),
      }))),
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
