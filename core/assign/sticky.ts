/**
 * The sticky assignors, eager and cooperative: balanced, and as much as can be
 * stays where it was. Owns how members say what they had and how a partition
 * changes hands: the cooperative one never gives it away before its owner let
 * go of it.
 *
 * @module
 */
import { DecodeError } from "../bytes/reader.ts";
import { partitionName, type TopicPartition } from "../ids.ts";
import { decode, encode } from "../schema/codec.ts";
import { array, int32, message, string } from "../schema/schema.ts";
import type { Assigned, AssignMember, Assignor } from "./assignor.ts";
import { balance, type StickyMember } from "./sticky_balance.ts";

const STICKY_USER_DATA = message({
  name: "StickyAssignorUserData",
  versions: "0-1",
  flexible: "none",
}, {
  previousAssignment: array("0+", {
    topic: string("0+"),
    partitions: array("0+", int32()),
  }),
  generation: int32("1+", { default: -1, ignorable: true }),
});

const COOPERATIVE_USER_DATA = message({
  name: "CooperativeStickyAssignorUserData",
  versions: "0",
  flexible: "none",
}, {
  generation: int32("0+", { default: -1 }),
});

/** Kafka's `sticky`. */
export const STICKY: Assignor = {
  name: "sticky",
  isCooperative: false,
  userData: (owned, generation) =>
    encode(STICKY_USER_DATA, 1, {
      previousAssignment: byTopic(owned),
      generation,
    }),
  assign: (members, partitionCounts) =>
    balance(members.map(eagerMember), partitionCounts),
};

/** Kafka's `cooperative-sticky`. */
export const COOPERATIVE_STICKY: Assignor = {
  name: "cooperative-sticky",
  isCooperative: true,
  userData: (_owned, generation) =>
    encode(COOPERATIVE_USER_DATA, 0, { generation }),
  assign: (members, partitionCounts) =>
    withoutTransfers(
      balance(members.map(cooperativeMember), partitionCounts),
      members,
    ),
};

/** Partitions grouped by topic, as protocols list them. */
function byTopic(
  partitions: readonly TopicPartition[],
): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic);
    if (list === undefined) topics.set(topic, [partition]);
    else list.push(partition);
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }));
}

/** An eager member owns nothing while it joins: what it had it says itself. */
function eagerMember(member: AssignMember): StickyMember {
  const said = stickyUserData(member.userData);
  return {
    ...member,
    ownedPartitions: said?.previousAssignment.flatMap((
      { topic, partitions },
    ) => partitions.map((partition) => ({ topic, partition }))) ?? [],
    generationId: said?.generation ?? -1,
  };
}

function stickyUserData(bytes: Uint8Array | null) {
  if (bytes === null || bytes.length === 0) return undefined;
  for (const version of [1, 0]) {
    try {
      return decode(STICKY_USER_DATA, version, bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
  return undefined;
}

/** Old clients say the generation in their user data only. */
function cooperativeMember(member: AssignMember): StickyMember {
  if (member.generationId !== -1) return member;
  const { userData } = member;
  if (userData === null || userData.length < 4) return member;
  const { generation } = decode(COOPERATIVE_USER_DATA, 0, userData);
  return { ...member, generationId: generation };
}

/** What moves from one owner to another waits for the next rebalance. */
function withoutTransfers(
  assigned: Assigned,
  members: readonly AssignMember[],
): Assigned {
  const ownersOf = new Map<string, Set<string>>();
  for (const { memberId, ownedPartitions } of members) {
    for (const { topic, partition } of ownedPartitions) {
      const name = partitionName(topic, partition);
      const owners = ownersOf.get(name);
      if (owners === undefined) ownersOf.set(name, new Set([memberId]));
      else owners.add(memberId);
    }
  }
  for (const [memberId, partitions] of assigned) {
    assigned.set(
      memberId,
      partitions.filter(({ topic, partition }) => {
        const owners = ownersOf.get(partitionName(topic, partition));
        return owners === undefined || owners.has(memberId);
      }),
    );
  }
  return assigned;
}
