/**
 * What the brokers' assignors promise: every partition that somebody wants
 * once and to one who wants it; `uniform` evenly and with as few moves as
 * that allows, `range` the same range of every topic.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { partitionName } from "../ids.ts";
import type { Assigned, AssignMember } from "./assignor.ts";
import { RANGE } from "./range.ts";
import { SERVER_ASSIGNORS } from "./server_assignors.ts";
import { UNIFORM } from "./uniform.ts";

const TOPICS = ["t", "u", "v"];

/** A round: members by number with their topics, partitions by topic. */
interface Round {
  readonly members: ReadonlyMap<number, readonly string[]>;
  readonly counts: ReadonlyMap<string, number>;
}

const SUBSCRIPTION = fc.subarray(TOPICS);
const COUNTS = fc.tuple(...TOPICS.map(() => fc.nat({ max: 12 })))
  .map((all) => new Map(all.map((count, i) => [TOPICS[i]!, count])));

function rounds(isSame: boolean): fc.Arbitrary<Round[]> {
  const round = fc.tuple(
    fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1 }),
    fc.array(SUBSCRIPTION, { minLength: 10, maxLength: 10 }),
    COUNTS,
  ).map(([ids, subscriptions, counts]) => ({
    members: new Map(
      ids.map((id) => [id, isSame ? TOPICS : subscriptions[id]!]),
    ),
    counts,
  }));
  return fc.array(round, { minLength: 2, maxLength: 5 });
}

function membersOf(round: Round, before: Assigned): AssignMember[] {
  return Array.from(round.members, ([id, topics]) => ({
    memberId: `m${id}`,
    groupInstanceId: null,
    topics,
    userData: null,
    ownedPartitions: before.get(`m${id}`) ?? [],
    generationId: -1,
  }));
}

function checkWhole(
  members: readonly AssignMember[],
  assigned: Assigned,
  counts: ReadonlyMap<string, number>,
): void {
  const seen = new Set<string>();
  for (const { memberId, topics } of members) {
    for (const { topic, partition } of assigned.get(memberId)!) {
      assert(topics.includes(topic), `${memberId} wants ${topic}`);
      assert(partition < counts.get(topic)!, "the partition exists");
      const name = partitionName(topic, partition);
      assert(!seen.has(name), `${name} has one owner`);
      seen.add(name);
    }
  }
  const wanted = new Set(members.flatMap(({ topics }) => topics));
  const all = [...counts].filter(([topic]) => wanted.has(topic))
    .reduce((sum, [, count]) => sum + count, 0);
  assertEquals(seen.size, all);
  assertEquals(assigned.size, members.length);
}

Deno.test("server assignors give each wanted partition to one who wants it", () => {
  for (const assignor of SERVER_ASSIGNORS.values()) {
    fc.assert(fc.property(rounds(false), (all) => {
      let before: Assigned = new Map();
      for (const round of all) {
        const members = membersOf(round, before);
        before = assignor.assign(members, round.counts);
        checkWhole(members, before, round.counts);
      }
    }));
  }
});

Deno.test("uniform lets no one have two more of what another could take", () => {
  fc.assert(fc.property(rounds(false), (all) => {
    let before: Assigned = new Map();
    for (const round of all) {
      const members = membersOf(round, before);
      before = UNIFORM.assign(members, round.counts);
      for (const { memberId } of members) {
        const mine = before.get(memberId)!;
        for (const { topic } of mine) {
          for (const other of members) {
            if (!other.topics.includes(topic)) continue;
            assert(mine.length - before.get(other.memberId)!.length < 2);
          }
        }
      }
    }
  }));
});

Deno.test("uniform moves no more than evenness asks for", () => {
  fc.assert(fc.property(rounds(true), (all) => {
    let before: Assigned = new Map();
    for (const round of all) {
      const members = membersOf(round, before);
      const after = UNIFORM.assign(members, round.counts);
      const total = [...round.counts.values()].reduce((a, b) => a + b, 0);
      const share = Math.floor(total / members.length);
      let most = total % members.length;
      // The fullest may keep one more than the share, as many as there are.
      const kept = members.map(({ memberId }) =>
        (before.get(memberId) ?? []).filter(({ topic, partition }) =>
          partition < round.counts.get(topic)!
        ).length
      ).sort((a, b) => b - a).reduce((sum, had) => {
        if (had <= share || most === 0) return sum + Math.min(had, share);
        most--;
        return sum + share + 1;
      }, 0);
      const stayed = members.flatMap(({ memberId }) => {
        const now = new Set(
          after.get(memberId)!.map((each) =>
            partitionName(each.topic, each.partition)
          ),
        );
        return (before.get(memberId) ?? []).filter((each) =>
          now.has(partitionName(each.topic, each.partition))
        );
      });
      assertEquals(stayed.length, kept);
      before = after;
    }
  }));
});

Deno.test("range gives a member the same partitions of like topics", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.nat({ max: 20 }), (n, p) => {
      const members = membersOf({
        members: new Map(Array.from({ length: n }, (_, i) => [i, ["t", "u"]])),
        counts: new Map(),
      }, new Map());
      const assigned = RANGE.assign(members, new Map([["t", p], ["u", p]]));
      for (const list of assigned.values()) {
        const of = (name: string) =>
          list.filter(({ topic }) => topic === name)
            .map(({ partition }) => partition);
        assertEquals(of("t"), of("u"));
      }
    }),
  );
});
