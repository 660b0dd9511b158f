/**
 * ListPartitionReassignments: the partitions that have replicas to add or to
 * remove. Owns the answer's shape; it reads the image.
 *
 * @module
 */
import {
  LIST_PARTITION_REASSIGNMENTS,
  type ListPartitionReassignmentsRequest,
  type ListPartitionReassignmentsResponse,
} from "../../wire/46_list_partition_reassignments.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of ListPartitionReassignments. */
export function listPartitionReassignmentsHandler(
  { image }: Services,
): HandlerEntry {
  function everything() {
    return Array.from(image.topics.values(), ({ name, partitions }) => ({
      name,
      partitionIndexes: [...partitions.keys()],
    }));
  }

  function ongoing(name: string, partitionIndex: number) {
    const partition = image.partition(name, partitionIndex);
    if (partition === undefined) return [];
    const { replicas, addingReplicas, removingReplicas } = partition;
    if (addingReplicas.length + removingReplicas.length === 0) return [];
    return [{ partitionIndex, replicas, addingReplicas, removingReplicas }];
  }

  function handle(
    { topics }: ListPartitionReassignmentsRequest,
  ): ListPartitionReassignmentsResponse {
    const found = (topics ?? everything()).map((
      { name, partitionIndexes },
    ) => ({
      name,
      partitions: partitionIndexes.flatMap((index) => ongoing(name, index)),
    }));
    return {
      errorCode: 0,
      errorMessage: null,
      topics: found.filter(({ partitions }) => partitions.length > 0),
    };
  }

  return handles(LIST_PARTITION_REASSIGNMENTS, handle);
}
