/**
 * Dividing so that it is balanced first and sticky second. Owns the two ways:
 * one for members that all want the same topics, one for any members. Must
 * give every wanted partition to exactly one member.
 *
 * @module
 */
import { partitionName, type TopicPartition } from "../ids.ts";
import {
  type Assigned,
  type AssignMember,
  compareText,
  nothingAssigned,
  wantedPartitions,
} from "./assignor.ts";

/** A member whose owned partitions are the ones that count. */
export type StickyMember = AssignMember;

/** Divides the wanted partitions among the members. */
export function balance(
  members: readonly StickyMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Assigned {
  if (members.length === 0) return new Map();
  const wanted = wantedPartitions(members, partitionCounts);
  const owned = ownedByMember(members, partitionCounts);
  return wantTheSame(members)
    ? balanceEqual(members, wanted, owned)
    : balanceAny(members, wanted, owned);
}

function wantTheSame(members: readonly StickyMember[]): boolean {
  const first = new Set(members[0]!.topics);
  return members.every(({ topics }) => {
    const each = new Set(topics);
    return each.size === first.size &&
      topics.every((topic) => first.has(topic));
  });
}

/** Who had what: the younger generation is right, equal claims are void. */
function ownedByMember(
  members: readonly StickyMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Assigned {
  const claims = new Map<string, { owner: StickyMember; isVoid: boolean }>();
  for (const member of members) {
    for (const { topic, partition } of member.ownedPartitions) {
      const name = partitionName(topic, partition);
      const claim = claims.get(name);
      if (claim === undefined || claim.owner === member) {
        claims.set(name, { owner: member, isVoid: false });
      } else if (claim.owner.generationId < member.generationId) {
        claims.set(name, { owner: member, isVoid: false });
      } else if (claim.owner.generationId === member.generationId) {
        claim.isVoid = true;
      }
    }
  }
  const owned = nothingAssigned(members);
  for (const member of members) {
    const seen = new Set<string>();
    for (const each of member.ownedPartitions) {
      const { topic, partition } = each;
      const name = partitionName(topic, partition);
      const claim = claims.get(name)!;
      const isKept = claim.owner === member && !claim.isVoid &&
        !seen.has(name) && member.topics.includes(topic) &&
        partition < (partitionCounts.get(topic) ?? 0);
      seen.add(name);
      if (isKept) owned.get(member.memberId)!.push(each);
    }
  }
  return owned;
}

/** Everyone gets the floor of the share, `total % members` get one more. */
function balanceEqual(
  members: readonly StickyMember[],
  wanted: readonly TopicPartition[],
  owned: Assigned,
): Assigned {
  const assigned = nothingAssigned(members);
  const floor = Math.floor(wanted.length / members.length);
  let extra = wanted.length % members.length;
  const taken = new Set<string>();
  for (const { memberId } of members) {
    const had = owned.get(memberId)!;
    let quota = floor;
    if (had.length > floor && extra > 0) {
      quota++;
      extra--;
    }
    for (const each of had.slice(0, quota)) {
      assigned.get(memberId)!.push(each);
      taken.add(partitionName(each.topic, each.partition));
    }
  }
  const free = wanted.filter(({ topic, partition }) =>
    !taken.has(partitionName(topic, partition))
  );
  deal(free, { assigned, floor });
  return assigned;
}

/** Rounds over those below the floor, then one each over those at it. */
function deal(
  free: readonly TopicPartition[],
  { assigned, floor }: { readonly assigned: Assigned; readonly floor: number },
): void {
  const lists = [...assigned].sort(([a], [b]) => compareText(a, b))
    .map(([, list]) => list);
  let below = lists.filter(({ length }) => length < floor);
  let at = 0;
  for (const each of free) {
    if (at >= below.length) {
      at = 0;
      below = below.filter(({ length }) => length < floor);
      if (below.length === 0) {
        below = lists.filter(({ length }) => length === floor);
      }
    }
    below[at++]!.push(each);
  }
}

/**
 * Keeps what was owned, gives the rest to whoever has least, then moves
 * partitions while that makes two members more equal.
 */
function balanceAny(
  members: readonly StickyMember[],
  wanted: readonly TopicPartition[],
  owned: Assigned,
): Assigned {
  const sorted = [...members]
    .sort((a, b) => compareText(a.memberId, b.memberId));
  const takersOf = new Map<string, string[]>();
  for (const { memberId, topics } of sorted) {
    for (const topic of new Set(topics)) {
      const takers = takersOf.get(topic);
      if (takers === undefined) takersOf.set(topic, [memberId]);
      else takers.push(memberId);
    }
  }
  const taken = new Set<string>();
  for (const { topic, partition } of [...owned.values()].flat()) {
    taken.add(partitionName(topic, partition));
  }
  const free = wanted.filter(({ topic, partition }) =>
    !taken.has(partitionName(topic, partition))
  );
  // Those that few members can take are placed first.
  free.sort((a, b) =>
    takersOf.get(a.topic)!.length - takersOf.get(b.topic)!.length
  );
  for (const each of free) {
    leastLoaded(owned, takersOf.get(each.topic)!).push(each);
  }
  while (moveOnce(owned, takersOf));
  return owned;
}

function leastLoaded(
  assigned: Assigned,
  takers: readonly string[],
): TopicPartition[] {
  let best = assigned.get(takers[0]!)!;
  for (const taker of takers) {
    const list = assigned.get(taker)!;
    if (list.length < best.length) best = list;
  }
  return best;
}

/** Each move lowers the sum of squares of the loads: it ends. */
function moveOnce(
  assigned: Assigned,
  takersOf: ReadonlyMap<string, readonly string[]>,
): boolean {
  let hasMoved = false;
  for (const list of assigned.values()) {
    for (let i = list.length - 1; i >= 0; i--) {
      const target = leastLoaded(assigned, takersOf.get(list[i]!.topic)!);
      if (target.length + 1 >= list.length) continue;
      target.push(...list.splice(i, 1));
      hasMoved = true;
    }
  }
  return hasMoved;
}
