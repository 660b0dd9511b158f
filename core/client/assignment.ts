/**
 * The consumer protocol around the assignors: what a member says when it
 * joins, and the leader's part of a rebalance. Owns no strategy of its own.
 *
 * @module
 */
import { assignorNamed } from "../assign/assignors.ts";
import type { Assignor } from "../assign/assignor.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../assign/protocol.ts";
import { DecodeError } from "../bytes/reader.ts";
import { KafkaError } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";

/** A member as JoinGroup lists it to the leader. */
export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Uint8Array;
}

/** A member's assignment as SyncGroup carries it. */
export interface EncodedAssignment {
  readonly memberId: string;
  readonly assignment: Uint8Array;
}

/** What a member wants and has. */
export interface Wish {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
  /** Generation in which it got them; -1 when unknown. */
  readonly generationId: number;
  readonly rackId: string | null;
}

/** Whether members keep their partitions while they rejoin (KIP-429). */
export function isCooperative(protocol: string): boolean {
  return assignorNamed(protocol)?.isCooperative ?? false;
}

/** The metadata that a member joins with, for one assignor. */
export function subscriptionFor(protocol: string, wish: Wish): Uint8Array {
  const { topics, owned, generationId, rackId } = wish;
  return encodeSubscription({
    topics: [...topics].sort(),
    userData: assignor(protocol).userData(owned, generationId),
    ownedPartitions: byTopic(owned),
    generationId,
    rackId,
  });
}

/** Divides the partitions of all subscribed topics among `members`. */
export async function assignAll(
  protocol: string,
  members: readonly JoinedMember[],
  countPartitions: (
    topics: string[],
  ) => Promise<ReadonlyMap<string, number>>,
): Promise<EncodedAssignment[]> {
  const wishes = members.map(({ memberId, groupInstanceId, metadata }) => {
    const { topics, userData, ownedPartitions, generationId } = readable(
      `the subscription of member "${memberId}"`,
      () => decodeSubscription(metadata),
    );
    const owned = ownedPartitions.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
    return {
      memberId,
      groupInstanceId,
      topics,
      userData,
      ownedPartitions: owned,
      generationId,
    };
  });
  const topics = [...new Set(wishes.flatMap(({ topics }) => topics))].sort();
  const counts = await countPartitions(topics);
  const assigned = assignor(protocol).assign(wishes, counts);
  return [...assigned].map(([memberId, partitions]) => ({
    memberId,
    assignment: encodeAssignment({ assignedPartitions: byTopic(partitions) }),
  }));
}

/** The partitions in a member's assignment; none in an empty one. */
export function assignedPartitions(bytes: Uint8Array): TopicPartition[] {
  if (bytes.length === 0) return [];
  const { assignedPartitions } = readable(
    "what the group's leader assigned",
    () => decodeAssignment(bytes),
  );
  return assignedPartitions.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition }))
  );
}

/** Other members wrote it, and brokers hand it on without a look. */
function readable<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new KafkaError(
      "INCONSISTENT_GROUP_PROTOCOL",
      `Cannot read ${what}: ${error.message}`,
      { cause: error },
    );
  }
}

function assignor(protocol: string): Assignor {
  const found = assignorNamed(protocol);
  if (found) return found;
  throw new KafkaError(
    "INCONSISTENT_GROUP_PROTOCOL",
    `Cannot balance the group: there is no assignor "${protocol}" here`,
  );
}

function byTopic(
  partitions: readonly TopicPartition[],
): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic);
    if (list) list.push(partition);
    else topics.set(topic, [partition]);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}
