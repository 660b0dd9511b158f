/**
 * A short simulation of consumer groups for every change of the code; the
 * long one is in `tests/full`.
 *
 * @module
 */
import { ConsumerSimulation } from "./consumer_simulation.ts";

/** A new one with every run; a failure names it. */
const FIRST_SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const RUNS = 12;

Deno.test("a consumer group settles whatever its members do, and no partition has two owners", async () => {
  for (let i = 0; i < RUNS; i++) {
    await new ConsumerSimulation(FIRST_SEED + i).run(400);
  }
});

Deno.test("a group settles while its members move from one protocol to the other", async () => {
  for (let i = 0; i < RUNS; i++) {
    const classicRate = [0.2, 0.5, 0.9][i % 3]!;
    await new ConsumerSimulation(FIRST_SEED + i, { classicRate }).run(400);
  }
});
