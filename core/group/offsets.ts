/**
 * Committed offsets: where they are kept, who may commit, what has expired.
 * Owns the rules; the members' side of a group is read only.
 *
 * @module
 */
import { decodeSubscription } from "../assign/protocol.ts";
import { DecodeError } from "../bytes/reader.ts";
import type { ErrorName } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";
import { findMember } from "./draft.ts";
import { type Group, metadataOf } from "./group.ts";
import type {
  CommitInput,
  CommittedOffset,
  FetchOffsetsInput,
  FetchOffsetsReply,
  GroupConfig,
} from "./inputs.ts";
import type { PendingOffsets } from "./pending_offsets.ts";
import {
  type OffsetCommitRecord,
  type OffsetCommitValue,
  offsetCommitValue,
} from "./records.ts";

/** Offsets of one group, by topic and partition. */
export type GroupOffsets = Map<string, Map<number, CommittedOffset>>;

const UTF8 = new TextEncoder();

/** Why nothing of the request can be committed; undefined: it can. */
export function commitProblem(
  group: Group | undefined,
  request: CommitInput,
): ErrorName | undefined {
  const { generationId, memberId, groupInstanceId } = request;
  const isPlain = request.transaction === undefined;
  if (group === undefined) {
    if (generationId < 0) return undefined;
    return request.knowsEpochs ? "GROUP_ID_NOT_FOUND" : "ILLEGAL_GENERATION";
  }
  if (generationId < 0 && group.state === "Empty") return undefined;
  if (generationId < 0 && memberId === "" && groupInstanceId === null) {
    // Old transactional producers don't say whose offsets they commit.
    return isPlain ? "UNKNOWN_MEMBER_ID" : undefined;
  }
  const found = findMember(group, request);
  if (typeof found === "string") return found;
  if (generationId !== group.generation) return "ILLEGAL_GENERATION";
  return isPlain && group.state === "CompletingRebalance"
    ? "REBALANCE_IN_PROGRESS"
    : undefined;
}

/** The records of a commit, and one error per offset. */
export function commitRecords(
  { groupId, offsets, retentionMs }: CommitInput,
  { offsetMetadataBytesMax, nowMs }:
    & Pick<GroupConfig, "offsetMetadataBytesMax">
    & { readonly nowMs: number },
): { records: OffsetCommitRecord[]; errors: ErrorName[] } {
  const records: OffsetCommitRecord[] = [];
  const errors = offsets.map((each): ErrorName => {
    if (isLonger(each.metadata, offsetMetadataBytesMax)) {
      return "OFFSET_METADATA_TOO_LARGE";
    }
    records.push({
      type: "OffsetCommit",
      key: { group: groupId, topic: each.topic, partition: each.partition },
      value: offsetCommitValue({
        offset: each.offset,
        leaderEpoch: each.leaderEpoch,
        metadata: each.metadata,
        commitTimestamp: nowMs,
        expireTimestamp: retentionMs === undefined ? -1 : nowMs + retentionMs,
      }),
    });
    return "NONE";
  });
  return { records, errors };
}

function isLonger(text: string, bytesMax: number): boolean {
  if (text.length * 3 <= bytesMax) return false;
  return UTF8.encode(text).length > bytesMax;
}

/** What a stored value means. */
export function committedOffset(value: OffsetCommitValue): CommittedOffset {
  return {
    offset: value.offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp,
  };
}

/** The offsets that were asked for. */
export function fetchOffsets(
  offsets: GroupOffsets | undefined,
  { groupId, topics, requireStable }: FetchOffsetsInput,
  pending: PendingOffsets,
): FetchOffsetsReply {
  const asked = topics ?? [...offsets ?? []]
    .map(([topic, partitions]) => ({
      topic,
      partitions: [...partitions.keys()],
    }));
  return {
    topics: asked.map(({ topic, partitions }) => {
      const known = offsets?.get(topic);
      return {
        topic,
        partitions: partitions.map((partition) => {
          const isUnstable = requireStable &&
            pending.has(groupId, { topic, partition });
          const committed = isUnstable ? undefined : known?.get(partition);
          return { partition, committed, isUnstable };
        }),
      };
    }),
  };
}

/** Tombstone of one offset. */
export function offsetTombstone(
  group: string,
  { topic, partition }: TopicPartition,
): OffsetCommitRecord {
  return {
    type: "OffsetCommit",
    key: { group, topic, partition },
    value: null,
  };
}

/** Tombstones of all offsets of a group, pending ones included. */
export function allTombstones(
  groupId: string,
  offsets: GroupOffsets | undefined,
  pending: PendingOffsets,
): OffsetCommitRecord[] {
  const tombstones = [...offsets ?? []].flatMap(([topic, partitions]) =>
    [...partitions.keys()]
      .map((partition) => offsetTombstone(groupId, { topic, partition }))
  );
  for (const at of pending.partitionsOf(groupId)) {
    if (offsets?.get(at.topic)?.has(at.partition)) continue;
    tombstones.push(offsetTombstone(groupId, at));
  }
  return tombstones;
}

/** Which of `topics` members read, or may be about to read. */
export function topicsInUse(
  group: Group,
  topics: Iterable<string>,
): string[] {
  if (group.members.size === 0) return [];
  const subscribed = subscribedTopics(group);
  return [...new Set(topics)].filter((topic) =>
    subscribed === undefined || subscribed.has(topic)
  );
}

/** Tombstones of the offsets that are too old by now. */
export function expiredTombstones(
  { groupId, sinceOf, pending }: {
    readonly groupId: string;
    readonly sinceOf: ExpiryStart;
    readonly pending: PendingOffsets;
  },
  offsets: GroupOffsets,
  { nowMs, retentionMs }: {
    readonly nowMs: number;
    readonly retentionMs: number;
  },
): OffsetCommitRecord[] {
  const expired: OffsetCommitRecord[] = [];
  for (const [topic, partitions] of offsets) {
    for (const [partition, committed] of partitions) {
      const sinceMs = sinceOf(topic, committed);
      if (sinceMs === undefined) continue;
      if (pending.has(groupId, { topic, partition })) continue;
      const { expireTimestampMs } = committed;
      const dueMs = expireTimestampMs === -1
        ? sinceMs + retentionMs
        : expireTimestampMs;
      if (dueMs > nowMs) continue;
      expired.push(offsetTombstone(groupId, { topic, partition }));
    }
  }
  return expired;
}

/** From when on an offset ages; undefined: it doesn't. */
type ExpiryStart = (
  topic: string,
  committed: CommittedOffset,
) => number | undefined;

/** Offsets age from their commit on, unless their topic is in `subscribed`. */
export function commitTimeUnless(
  subscribed: ReadonlySet<string>,
): ExpiryStart {
  return (topic, { commitTimestampMs }) =>
    subscribed.has(topic) ? undefined : commitTimestampMs;
}

/** From when on the offsets of a classic group age (KIP-211). */
export function expiryStart(group: Group): ExpiryStart {
  if (group.protocolType === null || group.protocolType === "") {
    return (_topic, { commitTimestampMs }) => commitTimestampMs;
  }
  if (group.state === "Empty") {
    return (_topic, { commitTimestampMs }) =>
      group.stateSinceMs < 0 ? commitTimestampMs : group.stateSinceMs;
  }
  const subscribed = group.state === "Stable"
    ? subscribedTopics(group)
    : undefined;
  if (subscribed === undefined) return () => undefined;
  return commitTimeUnless(subscribed);
}

/** Undefined when the members don't speak the consumer protocol. */
function subscribedTopics(group: Group): Set<string> | undefined {
  if (group.protocolType !== "consumer") return undefined;
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    try {
      const bytes = metadataOf(member, group.protocol);
      for (const topic of decodeSubscription(bytes).topics) topics.add(topic);
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }
  return topics;
}
