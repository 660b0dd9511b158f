/**
 * Random histories of one replicated partition: produced records, fetches whose
 * answers are lost, elections, fencing, brokers that are killed and machines
 * that lose power.
 *
 * @module
 */
import { assert } from "@std/assert";
import fc from "fast-check";
import { ReplicaWorld, type Step } from "./replicas_fixture.ts";

/** One of the three, or whoever leads. */
const AT = fc.constantFrom(0, 1, 2, 3, 3, 3);

function steps(
  weight: number,
  ...types: Exclude<Step["type"], "produce" | "tick">[]
) {
  const type = fc.constantFrom(...types);
  return {
    weight,
    arbitrary: fc.record({ type, at: AT }) as fc.Arbitrary<Step>,
  };
}

const ROUND = fc.constant("round" as const);

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("produce" as const),
      at: AT,
      bytes: fc.integer({ min: 8, max: 120 }),
    }),
  },
  steps(40, "fetch", "serve", "take"),
  { weight: 25, arbitrary: fc.record({ type: ROUND, at: fc.nat(2) }) },
  steps(20, "metadata"),
  steps(8, "propose", "decide"),
  steps(14, "decide"),
  steps(12, "lag", "lag", "flush"),
  steps(3, "lose", "prefer"),
  steps(9, "return"),
  steps(3, "fence", "kill", "power"),
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("tick" as const),
      ms: fc.constantFrom(10, 31_000),
    }),
  },
);

/** Choices that depend on a seed alone. */
function chance(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ state >>> 13) >>> 0) % below;
  };
}

Deno.test("a replica that has to be cut deeper counts nothing as committed before", async () => {
  const world = new ReplicaWorld({ choose: chance(0), minIsr: 1 });
  const history: readonly Step[] = [
    { type: "produce", at: 0, bytes: 8 },
    // 3 has records of epoch 0, which 1 and 2 replace in epoch 1.
    { type: "round", at: 2 },
    { type: "kill", at: 0 },
    { type: "return", at: 0 },
    { type: "metadata", at: 1 },
    { type: "round", at: 0 },
    { type: "round", at: 0 },
    { type: "propose", at: 1 },
    { type: "produce", at: 1, bytes: 8 },
    { type: "decide", at: 1 },
    { type: "round", at: 0 },
    // 3 leads epoch 2 without a record, then 1 leads.
    { type: "fence", at: 1 },
    { type: "fence", at: 2 },
    { type: "metadata", at: 0 },
    { type: "metadata", at: 0 },
    { type: "metadata", at: 0 },
  ];
  for (const step of history) await world.run(step);
  await world.heal();
});

Deno.test("what a leader told is committed is on every later leader, whoever crashes", async () => {
  const seen = { truncated: 0, led: 0, acked: 0, expanded: 0, shrunk: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(STEP, { minLength: 40, maxLength: 300, size: "max" }),
      fc.nat(),
      fc.constantFrom(1, 2),
      async (history, seed, minIsr) => {
        const world = new ReplicaWorld({ choose: chance(seed), minIsr });
        for (const step of history) {
          await world.run(step);
          world.check();
        }
        await world.heal();
        for (const [name, count] of Object.entries(world.seen)) {
          seen[name as keyof typeof seen] += count;
        }
      },
    ),
    { numRuns: 200 },
  );
  for (const [name, count] of Object.entries(seen)) {
    assert(count > 0, `nothing was ${name}`);
  }
});
