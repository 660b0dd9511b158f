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
