/**
 * The decision to move partitions to other replicas, or to call a move off
 * (KIP-455). Decides only. A move is done as soon as the replicas that are
 * added are in sync: at once, when there are none.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { allowsUncleanLeaders } from "./cluster_settings.ts";
import type {
  ControllerDecision,
  ControllerState,
  Reassigned,
  Reassignment,
} from "./controller.ts";
import type { PartitionImage, TopicImage } from "./image.ts";
import {
  partitionChange,
  type PartitionTarget,
  RECOVERING,
  without,
} from "./partition_change.ts";
import type { MetadataRecord } from "./records.ts";
import { checkAssignments } from "./replicas.ts";
import { itemResult } from "./topics.ts";

/** Moves partitions, or calls their moves off. */
export function alterPartitionReassignments(
  { topics, allowReplicationFactorChange }: {
    readonly topics: readonly Reassignment[];
    readonly allowReplicationFactorChange: boolean;
  },
  state: ControllerState,
): ControllerDecision {
  // A partition that is named twice ends where it was sent last.
  const records = new Map<string, MetadataRecord | undefined>();
  const results = topics.map(({ name, partitions }): Reassigned => ({
    name,
    partitions: partitions.map(({ partitionIndex, replicas }) => ({
      partitionIndex,
      ...itemResult(() => {
        const { topic, partition } = find(state, name, partitionIndex);
        const target = replicas === null
          ? cancelled(partition, allowsUncleanLeaders(state, name))
          : moved(partition, { replicas, allowReplicationFactorChange, state });
        const change = partitionChange({ topic, index: partitionIndex }, {
          state,
          target,
          election: allowsUncleanLeaders(state, name) ? "unclean" : "any",
        });
        records.set(`${topic.id}:${partitionIndex}`, change);
      }),
    })),
  }));
  return {
    records: [...records.values()].filter((change) => change !== undefined),
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
): PartitionTarget {
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
  return {
    replicas: [...target, ...removing],
    isr,
    addingReplicas: adding,
    removingReplicas: removing,
  };
}

function cancelled(
  partition: PartitionImage,
  isUncleanAllowed: boolean,
): PartitionTarget {
  const { addingReplicas, removingReplicas } = partition;
  if (addingReplicas.length + removingReplicas.length === 0) {
    throw new KafkaError(
      "NO_REASSIGNMENT_IN_PROGRESS",
      "The partition is not being reassigned",
    );
  }
  const isr = without(partition.isr, addingReplicas);
  const replicas = without(partition.replicas, addingReplicas);
  const back = { replicas, isr, addingReplicas: [], removingReplicas: [] };
  if (isr.length > 0) return back;
  const [first] = replicas;
  if (first === undefined || !isUncleanAllowed) {
    throw new KafkaError(
      "INVALID_REPLICA_ASSIGNMENT",
      "None of the replicas that the partition had is in sync: going back would lose records",
    );
  }
  return { ...back, isr: [first], leaderRecoveryState: RECOVERING };
}
