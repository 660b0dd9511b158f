/**
 * The range assignor: topic by topic, consecutive partitions for each member.
 *
 * @module
 */
import {
  type Assigned,
  type AssignMember,
  type Assignor,
  compareMembers,
  nothingAssigned,
} from "./assignor.ts";

/** Kafka's `range`. */
export const RANGE: Assignor = {
  name: "range",
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
  for (const topic of new Set(members.flatMap(({ topics }) => topics))) {
    const count = partitionCounts.get(topic) ?? 0;
    const takers = sorted.filter(({ topics }) => topics.includes(topic));
    const share = Math.floor(count / takers.length);
    const extra = count % takers.length;
    let partition = 0;
    takers.forEach(({ memberId }, i) => {
      const end = partition + share + (i < extra ? 1 : 0);
      const list = assigned.get(memberId)!;
      for (; partition < end; partition++) list.push({ topic, partition });
    });
  }
  return assigned;
}
