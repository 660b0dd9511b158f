/**
 * What a run of many nodes does: the plan of `harsh_plan.ts`, on three to seven
 * machines, of which some are brokers that don't vote, while voters come and go. Each part is drawn from a
 * stream of its own: what is added later leaves the others as they are. Decides
 * only; it must never touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { drawHarshPlan } from "./harsh_plan.ts";
import { type Plan, type QuorumPlan, votersOf } from "./plan.ts";

/** The plan of such a run. */
export function drawWidePlan(
  chance: Chance,
  more: Chance,
  own: Chance,
): Plan {
  const plan = drawHarshPlan(chance, more);
  const size = own.fork();
  const nodes = size.pick([3, 4, 5, 5, 6, 7, 7]);
  // A minority of them may be gone: three at least.
  const voters = size.odds(0.5) ? nodes : size.int(3, nodes);
  return {
    ...plan,
    nodes,
    quorum: drawQuorum(own.fork(), voters),
  };
}

/** Half of the runs change who votes. */
function drawQuorum(chance: Chance, voters: number): QuorumPlan {
  if (chance.odds(0.4)) return votersOf(voters);
  const isJoining = chance.odds(0.5);
  const begins = chance.pick(["configured", "alone"] as const);
  return {
    voters,
    begins,
    isJoining: begins === "alone" && isJoining,
    changesMs: chance.pick([300, 1_000, 3_000]),
  };
}
