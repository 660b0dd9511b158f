/**
 * The decision to widen topics, with Kafka's error for each that can't be.
 * Decides only.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type {
  ControllerDecision,
  ControllerState,
  CreatedPartitions,
  NewPartitions,
} from "./controller.ts";
import type { TopicImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";
import { checkAssignments, chooseReplicas, newPartition } from "./replicas.ts";
import { duplicates, itemResult } from "./topics.ts";

/** Adds partitions, or only says whether they could be added. */
export function createPartitions(
  { topics, validateOnly }: {
    readonly topics: readonly NewPartitions[];
    readonly validateOnly: boolean;
  },
  state: ControllerState,
): ControllerDecision {
  const records: MetadataRecord[] = [];
  const twice = duplicates(topics.map(({ name }) => name));
  const results: CreatedPartitions[] = [...twice].map((name) => ({
    name,
    error: "INVALID_REQUEST",
    message: `Topic "${name}" stands more than once in the request`,
  }));
  for (const wanted of topics) {
    if (twice.has(wanted.name)) continue;
    const result = itemResult(() => {
      records.push(...widened(wanted, state));
    });
    results.push({ name: wanted.name, ...result });
  }
  return {
    records: validateOnly ? [] : records,
    reply: { type: "createPartitions", topics: results },
  };
}

function widened(
  { name, count, assignments }: NewPartitions,
  state: ControllerState,
): MetadataRecord[] {
  const topic = state.image.topic(name);
  if (topic === undefined) {
    throw new KafkaError(
      "UNKNOWN_TOPIC_OR_PARTITION",
      `Topic "${name}" does not exist`,
    );
  }
  checkCount(topic, count);
  const before = topic.partitions.length;
  const added = count - before;
  const replicationFactor = topic.partitions[0]!.replicas.length;
  if (assignments !== null && assignments.length !== added) {
    throw new KafkaError(
      "INVALID_REPLICA_ASSIGNMENT",
      `${added} partition(s) are added, but ${assignments.length} assignment(s) given`,
    );
  }
  const given = assignments?.map(({ brokerIds }) => brokerIds);
  if (given !== undefined) checkAssignments(state, given, replicationFactor);
  const replicas = given ??
    chooseReplicas(state, { partitions: added, replicationFactor });
  return replicas.map((list, index) =>
    newPartition(state, {
      topicId: topic.id,
      partitionId: before + index,
      replicas: list,
    })
  );
}

function checkCount({ name, partitions }: TopicImage, count: number): void {
  const before = partitions.length;
  const problem = count === before
    ? `Topic "${name}" already has ${before} partition(s)`
    : count < before
    ? `Topic "${name}" has ${before} partition(s): ${count} would not be an increase`
    : count > LIMITS.topicPartitionsMax
    ? `${count} partitions are too many: a topic has at most ${LIMITS.topicPartitionsMax}`
    : undefined;
  if (problem !== undefined) {
    throw new KafkaError("INVALID_PARTITIONS", problem);
  }
}
