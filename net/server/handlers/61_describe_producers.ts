/**
 * DescribeProducers: who appends to a partition under a producer id. Owns the
 * answer's shape; what is known of a producer is its log's.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS } from "../../../core/errors.ts";
import { topicNameProblem } from "../../../core/metadata/topics.ts";
import {
  DESCRIBE_PRODUCERS,
  type DescribeProducersRequest,
  type DescribeProducersResponse,
} from "../../wire/61_describe_producers.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import { findLeader, type Services } from "../services.ts";

/** The handler of DescribeProducers. */
export function describeProducersHandler(services: Services): HandlerEntry {
  function answer(name: string, partitionIndex: number) {
    const problem = topicNameProblem(name);
    if (problem !== undefined) {
      return failed(partitionIndex, {
        errorCode: ERRORS.INVALID_TOPIC_EXCEPTION,
        errorMessage: problem,
      });
    }
    const topic = { name, topicId: ZERO_UUID };
    const found = findLeader(services, topic, {
      index: partitionIndex,
    });
    if (typeof found === "string") {
      return failed(partitionIndex, {
        errorCode: ERRORS[found],
        errorMessage: null,
      });
    }
    return {
      partitionIndex,
      errorCode: 0,
      errorMessage: null,
      activeProducers: [...found.partition.log.activeProducers()],
    };
  }

  function handle(
    { topics }: DescribeProducersRequest,
  ): DescribeProducersResponse {
    return {
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((index) => answer(name, index)),
      })),
    };
  }

  return handles(DESCRIBE_PRODUCERS, handle, ({ topics }, errorCode) => ({
    topics: topics.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((index) =>
        failed(index, { errorCode, errorMessage: null })
      ),
    })),
  }));
}

function failed(
  partitionIndex: number,
  error: { readonly errorCode: number; readonly errorMessage: string | null },
) {
  return { partitionIndex, ...error, activeProducers: [] };
}
