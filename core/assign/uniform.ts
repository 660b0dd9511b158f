/**
 * The brokers' `uniform` assignor: as even as subscriptions allow, and every
 * partition stays where it is unless that would be uneven. Like Kafka's it
 * looks at no racks.
 *
 * @module
 */
import type { TopicPartition } from "../ids.ts";
import {
  type Assigned,
  type AssignMember,
  type Assignor,
  compareText,
} from "./assignor.ts";

/** Kafka's `uniform`. */
export const UNIFORM: Assignor = {
  name: "uniform",
  isCooperative: false,
  userData: () => null,
  assign,
};

interface Taker {
  readonly memberId: string;
  /** Partitions by topic. */
  readonly byTopic: Map<string, number[]>;
  load: number;
}

interface Topic {
  readonly name: string;
  readonly takers: Taker[];
  /** Partitions that nobody has yet. */
  readonly free: Set<number>;
}

function assign(
  members: readonly AssignMember[],
  partitionCounts: ReadonlyMap<string, number>,
): Assigned {
  const takers = new Map<string, Taker>();
  for (const { memberId } of members) {
    takers.set(memberId, { memberId, byTopic: new Map(), load: 0 });
  }
  const topics = new Map<string, Topic>();
  for (const { memberId, topics: wanted } of members) {
    const taker = takers.get(memberId)!;
    for (const name of new Set(wanted)) {
      const count = partitionCounts.get(name);
      if (count === undefined) continue;
      let topic = topics.get(name);
      if (topic === undefined) {
        const free = new Set(Array.from({ length: count }, (_, i) => i));
        topics.set(name, topic = { name, takers: [], free });
      }
      topic.takers.push(taker);
    }
  }
  for (const member of members) {
    keep(takers.get(member.memberId)!, { member, topics });
  }
  // The fewer can take a topic, the earlier it has to be placed.
  const ordered = [...topics.values()].sort((a, b) =>
    a.takers.length - b.takers.length || compareText(a.name, b.name)
  );
  for (const topic of ordered) placeFree(topic);
  while (ordered.map(even).includes(true));
  return new Map(
    [...takers.values()].map(({ memberId, byTopic }) => [
      memberId,
      [...byTopic].flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition }))
      ),
    ]),
  );
}

/** What a member had it keeps, if it may and nobody else claims it. */
function keep(
  taker: Taker,
  { member, topics }: {
    readonly member: AssignMember;
    readonly topics: ReadonlyMap<string, Topic>;
  },
): void {
  const wanted = new Set(member.topics);
  for (const { topic, partition } of member.ownedPartitions) {
    if (!wanted.has(topic)) continue;
    if (topics.get(topic)?.free.delete(partition)) {
      give(taker, { topic, partition });
    }
  }
}

function give(
  taker: Taker,
  { topic, partition }: TopicPartition,
): void {
  const partitions = taker.byTopic.get(topic);
  if (partitions === undefined) taker.byTopic.set(topic, [partition]);
  else partitions.push(partition);
  taker.load++;
}

function placeFree({ name, takers, free }: Topic): void {
  if (free.size === 0) return;
  // Least loaded first; one step of insertion keeps it so.
  const sorted = takers.toSorted((a, b) => a.load - b.load);
  for (const partition of free) {
    const taker = sorted[0]!;
    give(taker, { topic: name, partition });
    let at = 0;
    while (at + 1 < sorted.length && sorted[at + 1]!.load < taker.load) {
      sorted[at] = sorted[at + 1]!;
      at++;
    }
    sorted[at] = taker;
  }
}

/** Moves the topic's partitions while that evens out; whether it moved any. */
function even({ name, takers }: Topic): boolean {
  let hasMoved = false;
  for (;;) {
    let most: Taker | undefined;
    let least = takers[0]!;
    for (const taker of takers) {
      if (taker.load < least.load) least = taker;
      const hasSome = (taker.byTopic.get(name)?.length ?? 0) > 0;
      if (hasSome && taker.load > (most?.load ?? 0)) most = taker;
    }
    if (most === undefined || most.load - least.load < 2) return hasMoved;
    const partition = most.byTopic.get(name)!.pop()!;
    give(least, { topic: name, partition });
    most.load--;
    hasMoved = true;
  }
}
