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
  even(ordered);
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

/** Who has most of those with partitions of the topic, and who of all least. */
function extremes({ name, takers }: Topic): { most: Taker; least: Taker } {
  let most = takers[0]!;
  let least = most;
  let isFound = false;
  for (const taker of takers) {
    if (taker.load < least.load) least = taker;
    const hasSome = (taker.byTopic.get(name)?.length ?? 0) > 0;
    if (hasSome && (!isFound || taker.load > most.load)) {
      most = taker;
      isFound = true;
    }
  }
  return isFound ? { most, least } : { most: least, least };
}

/** Moves what evens out, the widest gaps first: none is moved in vain. */
function even(topics: readonly Topic[]): void {
  const gapOf = (topic: Topic) => {
    const { most, least } = extremes(topic);
    return most.load - least.load;
  };
  for (;;) {
    const widest = topics.reduce((gap, each) => Math.max(gap, gapOf(each)), 0);
    if (widest < 2) return;
    for (const topic of topics) {
      for (;;) {
        const { most, least } = extremes(topic);
        if (most.load - least.load < widest) break;
        const partition = most.byTopic.get(topic.name)!.pop()!;
        give(least, { topic: topic.name, partition });
        most.load--;
      }
    }
  }
}
