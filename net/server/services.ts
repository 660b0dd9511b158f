/**
 * What handlers may use of the broker that they run in. Owns the type and the
 * few look-ups that several handlers share; `broker.ts` makes the value.
 *
 * @module
 */
import type { ReadBuffers } from "../../core/bytes/read_buffers.ts";
import { type Uuid, ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import type {
  ControllerInput,
  ControllerReply,
  NewTopic,
} from "../../core/metadata/controller.ts";
import type {
  MetadataImage,
  PartitionImage,
} from "../../core/metadata/image.ts";
import type { PartitionTable } from "../../core/partition/partition_table.ts";
import type { TopicCreation } from "../metadata/topic_creation.ts";
import type { Quorum } from "../raft/quorum.ts";
import type { Address } from "../tcp/transport.ts";
import type { TransactionPeers } from "../transaction/transaction_peers.ts";
import type { Deadlines } from "./deadlines.ts";
import type { FetchSessions } from "./fetch_sessions.ts";
import type { Groups } from "./groups.ts";
import type { LocalEnd } from "./handler.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { ProducerIds } from "./producer_ids.ts";
import type { BrokerStats } from "./stats.ts";
import type { Transactions } from "./transactions.ts";

/** The broker, as handlers see it. */
export interface Services {
  readonly env: Env;
  readonly nodeId: number;
  readonly clusterId: string;
  /** The config that counts now, dynamic keys included. */
  readonly config: BrokerConfig;
  readonly image: MetadataImage;
  /** The offset up to which the image is applied. */
  readonly metadataOffset: number;
  /** The quorum of the metadata log. */
  readonly quorum: Quorum;
  readonly partitions: PartitionTable<HostedPartition>;
  readonly sessions: FetchSessions;
  /** What large answers lie in until they are sent. */
  readonly readBuffers: ReadBuffers;
  readonly deadlines: Deadlines;
  readonly producerIds: ProducerIds;
  readonly groups: Groups;
  readonly transactions: Transactions;
  /** Other brokers, as far as transactions need them. */
  readonly txnPeers: TransactionPeers;
  readonly stats: BrokerStats;
  /** Asks the controller; resolves when its answer is committed and applied. */
  control(input: ControllerInput): Promise<ControllerReply>;
  /** Has the controller create topics that this broker itself wants. */
  createTopics(topics: readonly NewTopic[]): Promise<TopicCreation[]>;
  /** Where clients of our end `local` reach `nodeId`; undefined: nowhere. */
  endpointOf(nodeId: number, local: LocalEnd): Address | undefined;
}

/** Operations on a topic, as bits, that anyone may do without ACLs. */
export const TOPIC_OPERATIONS = 0b1101_1111_1000;

/** Read, delete, describe, describe and alter configs: the same of a group. */
const GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/** What anyone may do with a group without ACLs, beside its description. */
export function withGroupOperations<
  A extends { readonly errorCode?: number | undefined },
>(
  answer: A,
): A {
  if (answer.errorCode !== ERRORS.NONE) return answer;
  return { ...answer, authorizedOperations: GROUP_OPERATIONS };
}

/** The cluster's level of the feature `transaction.version`. */
export function transactionVersionOf({ features }: MetadataImage): number {
  return features.get("transaction.version") ?? 0;
}

/** Whether the cluster's features include consumer groups (KIP-848). */
export function hasConsumerGroups({ features }: MetadataImage): boolean {
  return (features.get("group.version") ?? 0) >= 1;
}

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
]);

/** Whether `topic` belongs to the brokers. */
export function isInternalTopic(topic: string): boolean {
  return INTERNAL_TOPICS.has(topic);
}

/** Replicas of a partition whose brokers don't serve now. */
export function offlineReplicas(
  { replicas }: PartitionImage,
  { brokers }: MetadataImage,
): number[] {
  return replicas.filter((id) => brokers.get(id)?.isFenced !== false);
}

/** A topic as a request names it: by id when that is not zero. */
export interface TopicReference {
  readonly name: string;
  readonly topicId: Uuid;
}

/** The partition that is led here, or why it isn't. */
export function findLeader(
  services: Pick<Services, "partitions" | "image" | "nodeId">,
  topic: TopicReference,
  { index, currentLeaderEpoch = -1 }: {
    readonly index: number;
    readonly currentLeaderEpoch?: number;
  },
): HostedPartition | ErrorName {
  const found = findPartition(services, topic, index);
  if (typeof found === "string") return found;
  const { partition } = found;
  const epochError = partition.epochError(currentLeaderEpoch);
  if (epochError !== undefined) return epochError;
  return partition.isLeader ? found : "NOT_LEADER_OR_FOLLOWER";
}

/** The hosted partition, or why there is none. */
export function findPartition(
  { partitions, image, nodeId }: Pick<
    Services,
    "partitions" | "image" | "nodeId"
  >,
  { name, topicId }: TopicReference,
  index: number,
): HostedPartition | ErrorName {
  const isById = topicId !== ZERO_UUID;
  const found = isById
    ? partitions.getById(topicId, index)
    : partitions.get(name, index);
  if (found !== undefined) return found;
  const topic = isById ? image.topicById(topicId) : image.topic(name);
  if (topic === undefined && isById) return "UNKNOWN_TOPIC_ID";
  const partition = topic?.partitions[index];
  if (partition === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
  if (!partition.replicas.includes(nodeId)) return "NOT_LEADER_OR_FOLLOWER";
  // It is ours, and the disk would not open its log so far, or others go first.
  return "KAFKA_STORAGE_ERROR";
}
