/**
 * Consumer groups under hours of virtual chaos: many seeds, long runs.
 *
 * @module
 */
import { ConsumerSimulation } from "../scenario/consumer_simulation.ts";

const FIRST_SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const RUNS = 10;

Deno.test("consumer groups settle after hours of virtual chaos", async () => {
  // deno-lint-ignore no-console
  console.log(`seeds ${FIRST_SEED} to ${FIRST_SEED + RUNS - 1}`);
  for (let i = 0; i < RUNS; i++) {
    const classicRate = [0, 0.3, 0, 0.8][i % 4]!;
    await new ConsumerSimulation(FIRST_SEED + i, { classicRate }).run(10_000);
  }
});
