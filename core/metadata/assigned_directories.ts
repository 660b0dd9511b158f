/**
 * The decisions about log directories (KIP-858): where a broker says that its
 * replicas are, and what fails with one of its directories. Decides only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { requireBroker } from "./brokers.ts";
import { allowsUncleanLeaders } from "./cluster_settings.ts";
import type { ControllerDecision, ControllerState } from "./controller.ts";
import {
  directoryOf,
  isOnline,
  usesDirectories,
  withDirectory,
} from "./directories.ts";
import { partitionChange, without } from "./partition_change.ts";
import type { PartitionPlace } from "./partition_index.ts";
import type { MetadataRecord } from "./records.ts";

/** Where a broker has replicas. */
export interface DirectoryAssignment {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly directories: readonly {
    readonly id: Uuid;
    readonly topics: readonly {
      readonly topicId: Uuid;
      readonly partitions: readonly { readonly partitionIndex: number }[];
    }[];
  }[];
}

/** How it went, for each replica. */
export interface AssignedDirectory {
  readonly id: Uuid;
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly {
      readonly partitionIndex: number;
      readonly error: ErrorName;
    }[];
  }[];
}

/** Notes where replicas are; in a directory that is offline they serve nobody. */
export function assignReplicasToDirs(
  { brokerId, brokerEpoch, directories }: DirectoryAssignment,
  state: ControllerState,
): ControllerDecision {
  const { image } = state;
  if (!usesDirectories(image)) {
    throw new KafkaError(
      "UNSUPPORTED_VERSION",
      "The cluster's metadata.version knows no log directories",
    );
  }
  requireBroker(image, brokerId, brokerEpoch);
  // Of a replica that is named twice the last word counts.
  const records = new Map<string, MetadataRecord | undefined>();
  const assigned = directories.map(({ id, topics }): AssignedDirectory => ({
    id,
    topics: topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex: index }) => {
        const topic = image.topicById(topicId);
        const partition = topic?.partitions[index];
        const error = topic === undefined
          ? "UNKNOWN_TOPIC_ID"
          : partition === undefined
          ? "UNKNOWN_TOPIC_OR_PARTITION"
          : partition.replicas.includes(brokerId)
          ? "NONE"
          : "NOT_LEADER_OR_FOLLOWER";
        if (topic !== undefined && error === "NONE") {
          const record = moved({ topic, index }, { brokerId, id, state });
          records.set(`${topicId}:${index}`, record);
        }
        return { partitionIndex: index, error };
      }),
    })),
  }));
  return {
    records: [...records.values()].filter((record) => record !== undefined),
    reply: { type: "assignReplicasToDirs", directories: assigned },
  };
}

function moved(
  place: PartitionPlace,
  { brokerId, id, state }: {
    readonly brokerId: number;
    readonly id: Uuid;
    readonly state: ControllerState;
  },
): MetadataRecord | undefined {
  const { image } = state;
  const { topic, index } = place;
  const before = topic.partitions[index]!;
  const wasOnline = isOnline(image, brokerId, directoryOf(before, brokerId));
  const staysInSync = isOnline(image, brokerId, id);
  return partitionChange(place, {
    state,
    target: {
      directories: withDirectory(before, brokerId, id),
      ...staysInSync ? {} : { isr: without(before.isr, [brokerId]) },
    },
    election: allowsUncleanLeaders(state, topic.name) ? "unclean" : "any",
    // A replica that was in a lost directory begins anew in this one.
    uncleanShutdowns: wasOnline ? [] : [brokerId],
  });
}
