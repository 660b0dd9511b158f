/**
 * The round robin assignor: all partitions in order, dealt out one by one.
 *
 * @module
 */
import {
  type Assigned,
  type AssignMember,
  type Assignor,
  compareMembers,
  nothingAssigned,
  wantedPartitions,
} from "./assignor.ts";

/** Kafka's `roundrobin`. */
export const ROUND_ROBIN: Assignor = {
  name: "roundrobin",
  isCooperative: false,
  userData: () => null,
  assign,
};

function assign(
  members: readonly AssignMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Assigned {
  const assigned = nothingAssigned(members);
  const sorted = [...members].sort(compareMembers);
  const wants = sorted.map(({ topics }) => new Set(topics));
  let next = 0;
  for (const each of wantedPartitions(members, partitionCounts)) {
    while (!wants[next]!.has(each.topic)) next = (next + 1) % sorted.length;
    assigned.get(sorted[next]!.memberId)!.push(each);
    next = (next + 1) % sorted.length;
  }
  return assigned;
}
