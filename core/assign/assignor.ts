/**
 * How a group's leader divides partitions among members: the shape that all
 * assignors share, what they are told of a member, and the list of them by
 * Kafka's names. Owns types, orders and the table; divides nothing itself.
 *
 * @module
 */
import type { TopicPartition } from "../ids.ts";

/** A member, as its subscription tells. */
export interface AssignMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
  readonly userData: Uint8Array | null;
  readonly ownedPartitions: readonly TopicPartition[];
  /** Generation of `ownedPartitions`; −1: unknown. */
  readonly generationId: number;
}

/** What every member gets; each has an entry. */
export type Assigned = Map<string, TopicPartition[]>;

/** One way of dividing. */
export interface Assignor {
  /** Kafka's name of it, the protocol's name in JoinGroup. */
  readonly name: string;
  /** Whether members keep what they have while the group rebalances. */
  readonly isCooperative: boolean;
  /** What a member says besides its topics when it joins. */
  userData(
    owned: readonly TopicPartition[],
    generationId: number,
  ): Uint8Array | null;
  /** Divides the topics' partitions; topics without a count don't exist. */
  assign(
    members: readonly AssignMember[],
    partitionCounts: ReadonlyMap<string, number>,
  ): Assigned;
}

/** Static members first and by their instance id, then by member id. */
export function compareMembers(a: AssignMember, b: AssignMember): number {
  const [x, y] = [a.groupInstanceId, b.groupInstanceId];
  if (x !== null && y !== null) return compareText(x, y);
  if (x !== null) return -1;
  if (y !== null) return 1;
  return compareText(a.memberId, b.memberId);
}

/** By UTF-16 units, as Java compares strings. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** An empty list for every member. */
export function nothingAssigned(members: readonly AssignMember[]): Assigned {
  return new Map(members.map(({ memberId }) => [memberId, []]));
}

/** All partitions that somebody wants, by topic name and index. */
export function wantedPartitions(
  members: readonly AssignMember[],
  partitionCounts: ReadonlyMap<string, number>,
): TopicPartition[] {
  const topics = new Set(members.flatMap(({ topics }) => topics));
  return [...topics].sort(compareText).flatMap((topic) =>
    Array.from(
      { length: partitionCounts.get(topic) ?? 0 },
      (_, partition) => ({ topic, partition }),
    )
  );
}
