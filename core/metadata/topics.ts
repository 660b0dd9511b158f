/**
 * Decisions about topics: creating and deleting them, with Kafka's error for
 * each that can't be. Decides only; a request's earlier topics count for its
 * later ones.
 *
 * @module
 */
import { type Uuid, uuidFromRandom, ZERO_UUID } from "../bytes/uuid.ts";
import { resolveTopicConfig } from "../config/resolve.ts";
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type {
  ControllerDecision,
  ControllerState,
  CreatedTopic,
  DeletedTopic,
  ItemResult,
  NewTopic,
  TopicToDelete,
} from "./controller.ts";
import { RESOURCE_TYPE, type TopicImage } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { checkAssignments, chooseReplicas, newPartition } from "./replicas.ts";

const LEGAL_NAME = /^[a-zA-Z0-9._-]+$/;

/** Turns what `attempt` throws into an item's result. */
export function itemResult(attempt: () => void): ItemResult {
  try {
    attempt();
    return { error: "NONE", message: null };
  } catch (cause) {
    if (!(cause instanceof KafkaError)) throw cause;
    return { error: cause.error, message: cause.message };
  }
}

/** Names that occur more than once. */
export function duplicates(names: readonly string[]): Set<string> {
  const seen = new Set<string>();
  return new Set(
    names.filter((name) => seen.has(name) || !seen.add(name)),
  );
}

/** A sentence why `name` can't name a topic; undefined when it can. */
export function topicNameProblem(name: string): string | undefined {
  if (name === "") return "Topic name is empty";
  if (name === "." || name === "..") return `Topic name cannot be "${name}"`;
  if (name.length > LIMITS.topicNameCharsMax) {
    return `Topic name has ${name.length} characters: ${LIMITS.topicNameCharsMax} are allowed`;
  }
  return LEGAL_NAME.test(name)
    ? undefined
    : `Topic name "${name}" is illegal: only letters, digits, ".", "_" and "-" are allowed`;
}

/** Creates topics, or only says whether they could be. */
export function createTopics(
  { topics, validateOnly }: {
    readonly topics: readonly NewTopic[];
    readonly validateOnly: boolean;
  },
  state: ControllerState,
): ControllerDecision {
  const records: MetadataRecord[] = [];
  const results: CreatedTopic[] = [];
  const twice = duplicates(topics.map(({ name }) => name));
  // Names that collide in metric names: "a.b" and "a_b".
  const taken = new Map<string, string>();
  for (const name of state.image.topics.keys()) taken.set(folded(name), name);
  let partitionsLeft: number = LIMITS.topicPartitionsMax;
  for (const name of twice) {
    results.push(failed(name, {
      error: "INVALID_REQUEST",
      message: `Topic "${name}" stands more than once in the request`,
    }));
  }
  for (const topic of topics) {
    if (twice.has(topic.name)) continue;
    let made: MetadataRecord[] = [];
    let replicationFactor = -1;
    const topicId = uuidFromRandom(state.random);
    const result = itemResult(() => {
      checkName(topic.name, state, taken);
      const replicas = replicasOf(topic, { state, partitionsLeft });
      replicationFactor = replicas[0]!.length;
      made = topicRecords(topic, { state, topicId, replicas });
      partitionsLeft -= replicas.length;
    });
    if (result.error !== "NONE") {
      results.push(failed(topic.name, result));
      continue;
    }
    taken.set(folded(topic.name), topic.name);
    records.push(...made);
    results.push({
      name: topic.name,
      topicId: validateOnly ? ZERO_UUID : topicId,
      numPartitions: made.filter(({ type }) => type === "Partition").length,
      replicationFactor,
      ...result,
    });
  }
  return {
    records: validateOnly ? [] : records,
    reply: { type: "createTopics", topics: results },
  };
}

function failed(name: string, result: ItemResult): CreatedTopic {
  return {
    name,
    topicId: ZERO_UUID,
    numPartitions: -1,
    replicationFactor: -1,
    ...result,
  };
}

function folded(name: string): string {
  return name.replaceAll(".", "_");
}

function checkName(
  name: string,
  { image }: ControllerState,
  taken: ReadonlyMap<string, string>,
): void {
  const problem = topicNameProblem(name);
  if (problem !== undefined) {
    throw new KafkaError("INVALID_TOPIC_EXCEPTION", problem);
  }
  if (image.topic(name) !== undefined) {
    throw new KafkaError(
      "TOPIC_ALREADY_EXISTS",
      `Topic "${name}" already exists`,
    );
  }
  const other = taken.get(folded(name));
  if (other !== undefined) {
    throw new KafkaError(
      "INVALID_TOPIC_EXCEPTION",
      `Topic "${name}" collides with topic "${other}": "." and "_" count as the same`,
    );
  }
}

function replicasOf(
  topic: NewTopic,
  { state, partitionsLeft }: {
    readonly state: ControllerState;
    readonly partitionsLeft: number;
  },
): readonly (readonly number[])[] {
  if (topic.assignments.length > 0) return assignedReplicas(topic, state);
  const { config } = state;
  const partitions = topic.numPartitions === -1
    ? config["num.partitions"]
    : topic.numPartitions;
  const replicationFactor = topic.replicationFactor === -1
    ? config["default.replication.factor"]
    : topic.replicationFactor;
  if (replicationFactor <= 0) {
    throw new KafkaError(
      "INVALID_REPLICATION_FACTOR",
      `Replication factor ${replicationFactor} is not larger than 0`,
    );
  }
  if (partitions <= 0) {
    throw new KafkaError(
      "INVALID_PARTITIONS",
      `Number of partitions ${partitions} is not larger than 0`,
    );
  }
  if (partitions > partitionsLeft) {
    throw new KafkaError(
      "POLICY_VIOLATION",
      `${partitions} partitions are too many: one request creates at most ${LIMITS.topicPartitionsMax}`,
    );
  }
  return chooseReplicas(state, { partitions, replicationFactor });
}

function assignedReplicas(
  { assignments, numPartitions, replicationFactor }: NewTopic,
  state: ControllerState,
): readonly (readonly number[])[] {
  if (replicationFactor !== -1 || numPartitions !== -1) {
    throw new KafkaError(
      "INVALID_REQUEST",
      "Partitions and replication factor must be -1 when replicas are assigned",
    );
  }
  if (assignments.length > LIMITS.topicPartitionsMax) {
    throw new KafkaError(
      "POLICY_VIOLATION",
      `${assignments.length} partitions are too many: one request creates at most ${LIMITS.topicPartitionsMax}`,
    );
  }
  const lists = [...assignments]
    .sort((a, b) => a.partitionIndex - b.partitionIndex);
  if (lists.some(({ partitionIndex }, index) => partitionIndex !== index)) {
    throw new KafkaError(
      "INVALID_REPLICA_ASSIGNMENT",
      "Assigned partitions are not 0, 1, 2, … without gaps",
    );
  }
  const replicas = lists.map(({ brokerIds }) => brokerIds);
  checkAssignments(state, replicas, replicas[0]!.length);
  return replicas;
}

function topicRecords(
  { name, configs }: NewTopic,
  { state, topicId, replicas }: {
    readonly state: ControllerState;
    readonly topicId: Uuid;
    readonly replicas: readonly (readonly number[])[];
  },
): MetadataRecord[] {
  const texts = new Map<string, string>();
  for (const { name: key, value } of configs) {
    if (value === null) {
      throw new KafkaError(
        "INVALID_CONFIG",
        `Config "${key}" has no value`,
      );
    }
    texts.set(key, value);
  }
  resolveTopicConfig(texts, state.config);
  return [
    metadataRecord("Topic", { name, topicId }),
    ...[...texts].map(([key, value]) =>
      metadataRecord("Config", {
        resourceType: RESOURCE_TYPE.TOPIC,
        resourceName: name,
        name: key,
        value,
      })
    ),
    ...replicas.map((list, partitionId) =>
      newPartition(state, { topicId, partitionId, replicas: list })
    ),
  ];
}

/** Deletes topics by name or id. */
export function deleteTopics(
  topics: readonly TopicToDelete[],
  state: ControllerState,
): ControllerDecision {
  const records: MetadataRecord[] = [];
  const gone = new Set<Uuid>();
  const results = topics.map((reference): DeletedTopic => {
    let topic: TopicImage | undefined;
    const result = itemResult(() => {
      topic = topicToDelete(reference, state);
      if (gone.has(topic.id)) {
        throw new KafkaError(
          "INVALID_REQUEST",
          `Topic "${topic.name}" stands more than once in the request`,
        );
      }
      gone.add(topic.id);
      records.push(metadataRecord("RemoveTopic", { topicId: topic.id }));
    });
    return {
      name: topic?.name ?? reference.name,
      topicId: topic?.id ?? reference.topicId,
      ...result,
    };
  });
  return { records, reply: { type: "deleteTopics", topics: results } };
}

function topicToDelete(
  { name, topicId }: TopicToDelete,
  { image, config }: ControllerState,
): TopicImage {
  if ((name === null) === (topicId === ZERO_UUID)) {
    throw new KafkaError(
      "INVALID_REQUEST",
      "Name either the topic or its id, not both",
    );
  }
  const topic = name === null ? image.topicById(topicId) : image.topic(name);
  if (topic === undefined) {
    throw name === null
      ? new KafkaError("UNKNOWN_TOPIC_ID", `No topic has id ${topicId}`)
      : new KafkaError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `Topic "${name}" does not exist`,
      );
  }
  if (!config["delete.topic.enable"]) {
    throw new KafkaError(
      "TOPIC_DELETION_DISABLED",
      "Topics can't be deleted: delete.topic.enable is false",
    );
  }
  return topic;
}
