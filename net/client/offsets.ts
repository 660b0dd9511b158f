/**
 * Offsets asked of the cluster: by time from the leaders, which also delete
 * what lies before one, committed ones from the group's coordinator. Owns the
 * requests and the errors' words; keeps no state.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { OFFSET_COMMIT } from "../wire/08_offset_commit.ts";
import { OFFSET_FETCH } from "../wire/09_offset_fetch.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { DELETE_RECORDS } from "../wire/21_delete_records.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../wire/23_offset_for_leader_epoch.ts";
import type {
  DeletedRecords,
  ListedOffset,
  PartitionOutcome,
} from "./admin_types.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import type { CommittedOffset, ConsumerGroupMetadata } from "./types.ts";

/** Timestamps that mean a place instead of a time. */
export const AT_LATEST = -1;
/** The first offset. */
export const AT_EARLIEST = -2;
/** The record with the largest timestamp. */
export const AT_MAX_TIMESTAMP = -3;

/** Offset commit and fetch speak of topics by name up to this version. */
const NAMES_VERSION_MAX = 9;

/** Makes sure that the topics' metadata is known; throws when one is unusable. */
export async function knowTopics(
  cluster: Cluster,
  topics: Iterable<string>,
): Promise<void> {
  const missing = [...new Set(topics)].filter((topic) =>
    !cluster.metadata.topics.get(topic)?.partitions.length
  );
  if (missing.length > 0) await cluster.refresh(missing);
}

/**
 * Lists offsets of partitions at `timestamp`, one request per leader, in the
 * order asked.
 */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  { timestamp, isCommitted, onAnswer }: {
    readonly timestamp: number;
    readonly isCommitted: boolean;
    /** Is given each leader's answer when it comes. */
    readonly onAnswer?: ((listed: readonly ListedOffset[]) => void) | undefined;
  },
): Promise<ListedOffset[]> {
  return await perLeader(cluster, partitions, {
    ask: async (leader, group) => {
      const at = { group, timestamp, isCommitted };
      const listed = await listAt(cluster, leader, at);
      onAnswer?.(listed);
      return listed;
    },
    failed: failedOffset,
  });
}

/** Where an epoch ended. */
export interface EpochEnd extends PartitionOutcome {
  /** Offset after the last record of the epoch, or of an older one; -1: none. */
  readonly endOffset: number;
}

/** Where leader epochs ended, one request per leader (KIP-320). */
export async function epochEnds(
  cluster: Cluster,
  epochs: readonly (TopicPartition & { readonly leaderEpoch: number })[],
): Promise<EpochEnd[]> {
  const failed = (
    { topic, partition }: TopicPartition,
    reason: number | KafkaError,
  ): EpochEnd => {
    const what = `Cannot find where ${
      partitionName(topic, partition)
    } diverges`;
    return { topic, partition, endOffset: -1, error: errorOf(reason, what) };
  };
  return await perLeader(cluster, epochs, {
    ask: async (leader, group) => {
      const { topics } = await cluster.ask(leader, OFFSET_FOR_LEADER_EPOCH, {
        replicaId: -1,
        topics: grouped(group).map(({ topic, items }) => ({
          topic,
          partitions: items.map(({ partition, leaderEpoch }) => ({
            partition,
            leaderEpoch,
          })),
        })),
      });
      return topics.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, errorCode, endOffset }) =>
          errorCode === ERRORS.NONE
            ? { topic, partition, endOffset }
            : failed({ topic, partition }, errorCode)
        )
      );
    },
    failed,
  });
}

/** Deletes records of partitions, one request per leader, in the order asked. */
export async function deleteRecords(
  cluster: Cluster,
  before: readonly (TopicPartition & { readonly offset: number })[],
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<DeletedRecords[]> {
  return await perLeader(cluster, before, {
    ask: async (leader, group) => {
      const { topics } = await cluster.ask(leader, DELETE_RECORDS, {
        topics: grouped(group).map(({ topic, items }) => ({
          name: topic,
          partitions: items.map(({ partition, offset }) => ({
            partitionIndex: partition,
            offset,
          })),
        })),
        timeoutMs,
      });
      return topics.flatMap(({ name, partitions }) =>
        partitions.map((part) => {
          const tp = { topic: name, partition: part.partitionIndex };
          if (part.errorCode !== ERRORS.NONE) {
            return failedDeletion(tp, part.errorCode);
          }
          return { ...tp, lowWatermark: part.lowWatermark };
        })
      );
    },
    failed: failedDeletion,
  });
}

/**
 * Asks each partition's leader, as the metadata name it now. Who can't be asked
 * fails its own partitions, not those of others.
 */
async function perLeader<T extends TopicPartition, R extends TopicPartition>(
  cluster: Cluster,
  partitions: readonly T[],
  { ask, failed }: {
    readonly ask: (leader: number, group: readonly T[]) => Promise<R[]>;
    readonly failed: (tp: TopicPartition, reason: number | KafkaError) => R;
  },
): Promise<R[]> {
  await knowTopics(cluster, partitions.map(({ topic }) => topic));
  const results: R[] = [];
  const byLeader = new Map<number, T[]>();
  for (const tp of partitions) {
    const info = cluster.metadata.partition(tp.topic, tp.partition);
    if (!info || info.leader < 0) {
      const known = cluster.metadata.topics.get(tp.topic);
      const error = info
        ? "LEADER_NOT_AVAILABLE"
        : known && known.error !== "NONE"
        ? known.error
        : "UNKNOWN_TOPIC_OR_PARTITION";
      results.push(failed(tp, ERRORS[error]));
      continue;
    }
    const group = byLeader.get(info.leader);
    if (group) group.push(tp);
    else byLeader.set(info.leader, [tp]);
  }
  const answers = await Promise.all(
    [...byLeader].map(async ([leader, group]) => {
      try {
        return await ask(leader, group);
      } catch (error) {
        if (!(error instanceof KafkaError) || cluster.isClosed) throw error;
        return group.map((tp) => failed(tp, error));
      }
    }),
  );
  for (const answer of answers) results.push(...answer);
  const places = new Map(partitions.map((tp, i) => [nameOf(tp), i]));
  return results.sort((a, b) =>
    places.get(nameOf(a))! - places.get(nameOf(b))!
  );
}

function nameOf({ topic, partition }: TopicPartition): string {
  return partitionName(topic, partition);
}

async function listAt(
  cluster: Cluster,
  leader: number,
  { group, timestamp, isCommitted }: {
    group: readonly TopicPartition[];
    timestamp: number;
    isCommitted: boolean;
  },
): Promise<ListedOffset[]> {
  const answer = await cluster.ask(leader, LIST_OFFSETS, {
    replicaId: -1,
    isolationLevel: isCommitted ? 1 : 0,
    topics: grouped(group).map(({ topic, items }) => ({
      name: topic,
      partitions: items.map(({ partition }) => ({
        partitionIndex: partition,
        timestamp,
      })),
    })),
  });
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions.map((part) => {
      const tp = { topic: name, partition: part.partitionIndex };
      if (part.errorCode !== ERRORS.NONE) {
        return failedOffset(tp, part.errorCode);
      }
      const { offset, timestamp, leaderEpoch } = part;
      return { ...tp, offset, timestamp, leaderEpoch };
    })
  );
}

function failedOffset(
  tp: TopicPartition,
  reason: number | KafkaError,
): ListedOffset {
  return {
    topic: tp.topic,
    partition: tp.partition,
    offset: -1,
    timestamp: -1,
    leaderEpoch: -1,
    error: errorOf(reason, `Cannot list offsets of ${nameOf(tp)}`),
  };
}

function failedDeletion(
  tp: TopicPartition,
  reason: number | KafkaError,
): DeletedRecords {
  return {
    topic: tp.topic,
    partition: tp.partition,
    lowWatermark: -1,
    error: errorOf(reason, `Cannot delete records of ${nameOf(tp)}`),
  };
}

/** An answer's code says what happened where; a failed request says so itself. */
function errorOf(reason: number | KafkaError, what: string): KafkaError {
  return typeof reason === "number" ? kafkaError(reason, what) : reason;
}

/** The first error among outcomes that retrying may mend, or any, is thrown. */
export function throwFirst(
  outcomes: readonly { readonly error?: KafkaError }[],
): void {
  const failed = outcomes.filter(({ error }) => error !== undefined);
  const final = failed.find(({ error }) => error && !isTransient(error));
  const error = (final ?? failed[0])?.error;
  if (error) throw error;
}

/** What a coordinator is asked for; the place is the kind's code. */
const COORDINATED = ["group", "transactional id"] as const;

/** What a coordinator may coordinate. */
export type Coordinated = typeof COORDINATED[number];

/** The node id of the coordinator of a group, or of another kind of key. */
export async function findCoordinator(
  cluster: Cluster,
  key: string,
  { kind = "group" }: { readonly kind?: Coordinated } = {},
): Promise<number> {
  const answer = await cluster.ask("any", FIND_COORDINATOR, {
    keyType: COORDINATED.indexOf(kind),
    coordinatorKeys: [key],
  });
  const found = answer.coordinators[0];
  const what = `Cannot find the coordinator of ${kind} "${key}"`;
  if (!found) {
    throw new KafkaError(
      "COORDINATOR_NOT_AVAILABLE",
      `${what}: an empty answer`,
    );
  }
  if (found.errorCode !== ERRORS.NONE) {
    throw kafkaError(found.errorCode, what, found.errorMessage);
  }
  if (!cluster.metadata.brokers.has(found.nodeId)) await cluster.refresh([]);
  return found.nodeId;
}

/** Commits; answers per partition. */
export async function commitOffsets(
  cluster: Cluster,
  coordinator: number,
  { committer, offsets }: {
    readonly committer: ConsumerGroupMetadata;
    readonly offsets: readonly CommittedOffset[];
  },
): Promise<(TopicPartition & { error?: KafkaError })[]> {
  const answer = await cluster.ask(coordinator, OFFSET_COMMIT, {
    groupId: committer.groupId,
    generationIdOrMemberEpoch: committer.generationId,
    memberId: committer.memberId,
    groupInstanceId: committer.groupInstanceId,
    topics: grouped(offsets).map(({ topic, items }) => ({
      name: topic,
      partitions: items.map((item) => ({
        partitionIndex: item.partition,
        committedOffset: item.offset,
        committedLeaderEpoch: item.leaderEpoch ?? -1,
        committedMetadata: item.metadata ?? "",
      })),
    })),
  }, { versionMax: NAMES_VERSION_MAX, lane: "group" });
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => ({
      topic: name,
      partition: partitionIndex,
      ...(errorCode === ERRORS.NONE ? {} : {
        error: kafkaError(
          errorCode,
          `Cannot commit ${
            partitionName(name, partitionIndex)
          } for group "${committer.groupId}"`,
        ),
      }),
    }))
  );
}

/** Committed offsets of a group: of `partitions`, or all of them when `null`. */
export async function fetchCommitted(
  cluster: Cluster,
  coordinator: number,
  { groupId, partitions, reader, isStable }: {
    readonly groupId: string;
    readonly partitions: readonly TopicPartition[] | null;
    /** Whether offsets of open transactions stand in the way (KIP-447). */
    readonly isStable: boolean;
    /** A member whose epoch the coordinator shall check (KIP-848). */
    readonly reader?:
      | { readonly memberId: string; readonly memberEpoch: number }
      | undefined;
  },
): Promise<(CommittedOffset & { error?: KafkaError })[]> {
  const topics = partitions && grouped(partitions).map(({ topic, items }) => ({
    name: topic,
    partitionIndexes: items.map(({ partition }) => partition),
  }));
  const answer = await cluster.ask(coordinator, OFFSET_FETCH, {
    groups: [{ groupId, topics, ...reader }],
    requireStable: isStable,
  }, { versionMax: NAMES_VERSION_MAX, lane: "group" });
  const group = answer.groups[0];
  const what = `Cannot get committed offsets of group "${groupId}"`;
  if (!group) throw new KafkaError("UNKNOWN_SERVER_ERROR", what);
  if (group.errorCode !== ERRORS.NONE) throw kafkaError(group.errorCode, what);
  return group.topics.flatMap(({ name, partitions }) =>
    partitions.map((part) => ({
      topic: name,
      partition: part.partitionIndex,
      offset: part.committedOffset,
      leaderEpoch: part.committedLeaderEpoch,
      metadata: part.metadata ?? "",
      ...(part.errorCode === ERRORS.NONE
        ? {}
        : { error: kafkaError(part.errorCode, what) }),
    }))
  );
}

/** Items by topic, as most requests want them. */
export function grouped<T extends TopicPartition>(
  items: readonly T[],
): { topic: string; items: T[] }[] {
  const byTopic = new Map<string, T[]>();
  for (const item of items) {
    const list = byTopic.get(item.topic);
    if (list) list.push(item);
    else byTopic.set(item.topic, [item]);
  }
  return [...byTopic].map(([topic, list]) => ({ topic, items: list }));
}
