/**
 * What the assignors promise: every partition once, balance, stickiness, and
 * that the cooperative one never hands over what is still owned.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { partitionName, type TopicPartition } from "../ids.ts";
import type { Assigned, AssignMember, Assignor } from "./assignor.ts";
import { assignorNamed } from "./assignors.ts";

const NAMES = ["range", "roundrobin", "sticky", "cooperative-sticky"];

function member(
  memberId: string,
  fields: Partial<AssignMember> = {},
): AssignMember {
  return {
    memberId,
    groupInstanceId: null,
    topics: ["t"],
    userData: null,
    ownedPartitions: [],
    generationId: -1,
    ...fields,
  };
}

function named(name: string): Assignor {
  const assignor = assignorNamed(name);
  assert(assignor);
  return assignor;
}

function told(assigned: Assigned): Record<string, string> {
  return Object.fromEntries(
    [...assigned].map(([id, list]) => [
      id,
      list.map(({ topic, partition }) => `${topic}${partition}`).sort()
        .join(" "),
    ]),
  );
}

/** The members after they were given `assigned` in `generation`. */
function holding(
  assignor: Assignor,
  members: readonly AssignMember[],
  { assigned, generation }: { assigned: Assigned; generation: number },
): AssignMember[] {
  return members.map((each) => {
    const owned = assigned.get(each.memberId) ?? [];
    return {
      ...each,
      ownedPartitions: assignor.isCooperative ? owned : [],
      userData: assignor.userData(owned, generation),
      generationId: generation,
    };
  });
}

const topicsArbitrary = fc.subarray(["a", "b", "c"], { minLength: 1 });
const groupArbitrary = fc.array(topicsArbitrary, {
  minLength: 1,
  maxLength: 7,
}).map((all) => all.map((topics, i) => member(`m${i}`, { topics })));
const countsArbitrary = fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9))
  .map(([a, b, c]) => new Map([["a", a], ["b", b], ["c", c]]));

function checkEachOnce(
  members: readonly AssignMember[],
  counts: ReadonlyMap<string, number>,
  assigned: Assigned,
): void {
  const seen = new Set<string>();
  for (const { memberId, topics } of members) {
    for (const { topic, partition } of assigned.get(memberId)!) {
      assert(topics.includes(topic), `${memberId} wants ${topic}`);
      const name = partitionName(topic, partition);
      assert(!seen.has(name), `${name} has one owner`);
      seen.add(name);
    }
  }
  const wanted = new Set(members.flatMap(({ topics }) => topics));
  let total = 0;
  for (const topic of wanted) total += counts.get(topic)!;
  assertEquals(seen.size, total);
}

Deno.test("range gives the first members one more of each topic", () => {
  const members = ["b", "a", "c"].map((id) =>
    member(id, { topics: ["t", "u"] })
  );
  const counts = new Map([["t", 4], ["u", 2]]);
  assertEquals(told(named("range").assign(members, counts)), {
    a: "t0 t1 u0",
    b: "t2 u1",
    c: "t3",
  });
});

Deno.test("range orders static members by instance id, before the others", () => {
  const members = [
    member("a"),
    member("z", { groupInstanceId: "i1" }),
    member("y", { groupInstanceId: "i2" }),
  ];
  assertEquals(told(named("range").assign(members, new Map([["t", 3]]))), {
    a: "t2",
    z: "t0",
    y: "t1",
  });
});

Deno.test("roundrobin deals across topics and skips who doesn't want them", () => {
  const members = [
    member("a", { topics: ["t"] }),
    member("b", { topics: ["t", "u"] }),
  ];
  const counts = new Map([["t", 3], ["u", 2]]);
  assertEquals(told(named("roundrobin").assign(members, counts)), {
    a: "t0 t2",
    b: "t1 u0 u1",
  });
});

Deno.test("sticky moves only what a new member needs", () => {
  const assignor = named("sticky");
  const counts = new Map([["t", 6]]);
  const two = [member("a"), member("b")];
  const first = assignor.assign(two, counts);
  assertEquals(told(first), { a: "t0 t2 t4", b: "t1 t3 t5" });
  const three = [
    ...holding(assignor, two, { assigned: first, generation: 1 }),
    member("c"),
  ];
  assertEquals(told(assignor.assign(three, counts)), {
    a: "t0 t2",
    b: "t1 t3",
    c: "t4 t5",
  });
});

Deno.test("sticky believes the younger of two claims", () => {
  const assignor = named("sticky");
  const owned: TopicPartition[] = [{ topic: "t", partition: 1 }];
  const members = [
    member("a", { userData: assignor.userData(owned, 3) }),
    member("b", { userData: assignor.userData(owned, 4) }),
  ];
  assertEquals(told(assignor.assign(members, new Map([["t", 2]]))), {
    a: "t0",
    b: "t1",
  });
});

for (const name of NAMES) {
  Deno.test(`${name} gives every partition to exactly one member`, () => {
    fc.assert(
      fc.property(groupArbitrary, countsArbitrary, (members, counts) => {
        checkEachOnce(members, counts, named(name).assign(members, counts));
      }),
    );
  });
}

for (const name of ["sticky", "cooperative-sticky"]) {
  Deno.test(`${name} is balanced for equal subscriptions`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.nat(20), (n, count) => {
        const members = Array.from({ length: n }, (_, i) => member(`m${i}`));
        const assigned = named(name).assign(members, new Map([["t", count]]));
        const sizes = [...assigned.values()].map(({ length }) => length);
        assert(Math.max(...sizes) - Math.min(...sizes) <= 1);
      }),
    );
  });

  Deno.test(`${name} keeps everything while nothing changes`, () => {
    fc.assert(
      fc.property(groupArbitrary, countsArbitrary, (members, counts) => {
        const assignor = named(name);
        const assigned = assignor.assign(members, counts);
        const again = assignor.assign(
          holding(assignor, members, { assigned, generation: 1 }),
          counts,
        );
        assertEquals(told(again), told(assigned));
      }),
    );
  });
}

Deno.test("cooperative-sticky hands over only what was let go", () => {
  fc.assert(fc.property(
    groupArbitrary,
    countsArbitrary,
    fc.array(topicsArbitrary, { minLength: 1, maxLength: 3 }),
    (members, counts, joiners) => {
      const assignor = named("cooperative-sticky");
      const assigned = assignor.assign(members, counts);
      const all = [
        ...holding(assignor, members, { assigned, generation: 1 }),
        ...joiners.map((topics, i) => member(`n${i}`, { topics })),
      ];
      const first = assignor.assign(all, counts);
      const ownerOf = new Map(
        [...assigned].flatMap(([id, list]) =>
          list.map(({ topic, partition }) =>
            [partitionName(topic, partition), id] as const
          )
        ),
      );
      for (const [id, list] of first) {
        for (const { topic, partition } of list) {
          const owner = ownerOf.get(partitionName(topic, partition)) ?? id;
          assertEquals(owner, id);
        }
      }
      let held = first;
      for (let generation = 2; generation < 8; generation++) {
        const members = holding(assignor, all, { assigned: held, generation });
        const next = assignor.assign(members, counts);
        const isSettled =
          JSON.stringify(told(next)) === JSON.stringify(told(held));
        held = next;
        if (isSettled) break;
      }
      checkEachOnce(all, counts, held);
    },
  ));
});
