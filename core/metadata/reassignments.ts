/**
 * The decision to move partitions to other replicas, or to call a move off
 * (KIP-455). Decides only. A move is done as soon as the replicas that are
 * added are in sync: at once, when there are none.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type {
  ControllerDecision,
  ControllerState,
  Reassigned,
  Reassignment,
} from "./controller.ts";
import type { PartitionImage, TopicImage } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { checkAssignments, defaultDirectory, electable } from "./replicas.ts";
import { itemResult } from "./topics.ts";

/** Who holds a partition, and who is to come and to go. */
type Placement = Pick<
  PartitionImage,
  "replicas" | "isr" | "addingReplicas" | "removingReplicas"
>;

/** Moves partitions, or calls their moves off. */
export function alterPartitionReassignments(
  { topics, allowReplicationFactorChange }: {
    readonly topics: readonly Reassignment[];
    readonly allowReplicationFactorChange: boolean;
  },
  state: ControllerState,
): ControllerDecision {
  // A partition that is named twice ends where it was sent last.
  const records = new Map<string, MetadataRecord[]>();
  const results = topics.map(({ name, partitions }): Reassigned => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => ({
      partitionIndex,
      ...itemResult(() => {
        const { topic, partition } = find(state, name, partitionIndex);
        const placement = replicas === null
          ? cancelled(partition)
          : moved(partition, { replicas, allowReplicationFactorChange, state });
        records.set(
          `${topic.id}:${partitionIndex}`,
          changes(partition, { placement, topic, partitionIndex, state }),
        );
      }),
    })),
  }));
  return {
    records: [...records.values()].flat(),
    reply: { type: "alterPartitionReassignments", topics: results },
  };
}

function find(
  { image }: ControllerState,
  name: string,
  index: number,
): { topic: TopicImage; partition: PartitionImage } {
  const topic = image.topic(name);
  const partition = topic?.partitions[index];
  if (topic === undefined || partition === undefined) {
    throw new KafkaError(
      "UNKNOWN_TOPIC_OR_PARTITION",
      topic === undefined
        ? `Topic "${name}" does not exist`
        : `Topic "${name}" has no partition ${index}`,
    );
  }
  return { topic, partition };
}

function moved(
  partition: PartitionImage,
  { replicas: target, allowReplicationFactorChange, state }: {
    readonly replicas: readonly number[];
    readonly allowReplicationFactorChange: boolean;
    readonly state: ControllerState;
  },
): Placement {
  checkAssignments(state, [target], target.length);
  const { replicas, isr, addingReplicas, removingReplicas } = partition;
  const factor = replicas.length - removingReplicas.length;
  if (!allowReplicationFactorChange && target.length !== factor) {
    throw new KafkaError(
      "INVALID_REPLICATION_FACTOR",
      `The replication factor would change from ${factor} to ${target.length}`,
    );
  }
  const removing = without(replicas, target);
  // Whoever was to be added before any move began is there already.
  const adding = without(target, without(replicas, addingReplicas));
  const rest = without(isr, removing);
  const isDone = rest.length > 0 && without(adding, rest).length === 0;
  return {
    replicas: isDone ? target : [...target, ...removing],
    isr: isDone ? rest : isr,
    addingReplicas: isDone ? [] : adding,
    removingReplicas: isDone ? [] : removing,
  };
}

function cancelled(partition: PartitionImage): Placement {
  const { addingReplicas, removingReplicas } = partition;
  if (addingReplicas.length + removingReplicas.length === 0) {
    throw new KafkaError(
      "NO_REASSIGNMENT_IN_PROGRESS",
      "The partition is not being reassigned",
    );
  }
  const isr = without(partition.isr, addingReplicas);
  if (isr.length === 0) {
    throw new KafkaError(
      "INVALID_REPLICA_ASSIGNMENT",
      "None of the replicas that the partition had is in sync: going back would lose records",
    );
  }
  return {
    replicas: without(partition.replicas, addingReplicas),
    isr,
    addingReplicas: [],
    removingReplicas: [],
  };
}

/** The record that turns `partition` into `placement`; none when it is that. */
function changes(
  partition: PartitionImage,
  { placement, topic, partitionIndex, state: { image } }: {
    readonly placement: Placement;
    readonly topic: TopicImage;
    readonly partitionIndex: number;
    readonly state: ControllerState;
  },
): MetadataRecord[] {
  const { replicas, isr } = placement;
  const fields = Object.keys(placement) as (keyof Placement)[];
  const isSame = fields.every((field) =>
    String(placement[field]) === String(partition[field])
  );
  if (isSame) return [];
  const isLed = isr.includes(partition.leader);
  const isSmaller = without(partition.replicas, replicas).length > 0;
  return [
    metadataRecord("PartitionChange", {
      partitionId: partitionIndex,
      topicId: topic.id,
      ...placement,
      // Those who are gone must not go on in this epoch.
      leader: !isLed
        ? electable(image, replicas, isr)
        : isSmaller
        ? partition.leader
        : -2,
      directories: replicas.map((id) => {
        const before = partition.replicas.indexOf(id);
        return partition.directories[before] ?? defaultDirectory(image, id);
      }),
    }),
  ];
}

function without(
  ids: readonly number[],
  others: readonly number[],
): number[] {
  return ids.filter((id) => !others.includes(id));
}
