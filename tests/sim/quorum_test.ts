/**
 * Simulated metadata quorums over real logs and frames: seeds that nobody has
 * seen, and that a seed is the same run every time. It must never hide which
 * seed failed.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { simulateQuorum } from "./quorum_world.ts";

const FRESH = Number(Deno.env.get("KF_SIM_SEEDS") ?? 5);

Deno.test("quorums keep what they acknowledged, and agree once there is peace", async () => {
  const from = Date.now() % 1_000_000_000;
  const failed: string[] = [];
  let acknowledged = 0;
  for (let seed = from; seed < from + FRESH; seed++) {
    const outcome = await simulateQuorum(seed);
    acknowledged += outcome.acknowledged;
    failed.push(...outcome.defects.map((what) => `${seed}: ${what}`));
  }
  assertEquals(failed, []);
  assert(acknowledged > 0);
});

Deno.test("a seed of a quorum is the same run each time", async () => {
  const first = await simulateQuorum(7);
  await simulateQuorum(8);
  assertEquals(await simulateQuorum(7), first);
});
