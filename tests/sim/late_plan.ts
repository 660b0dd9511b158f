/**
 * What a run does in which requests between brokers come late: what was asked
 * for counts no more, or who asked is another process by then. The plan of
 * `cluster_plan.ts` with few other faults, and brokers that are soon missed.
 * Each part is drawn from a stream of its own. Decides only; it must never
 * touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { drawClusterPlan } from "./cluster_plan.ts";
import { type FaultPlan, NO_FAULTS, type Plan, votersOf } from "./plan.ts";

/** The plan of such a run. */
export function drawLatePlan(
  chance: Chance,
  more: Chance,
  own: Chance,
): Plan {
  const plan = drawClusterPlan(chance, more);
  const nodes = own.fork().pick([3, 3, 4]);
  return {
    ...plan,
    nodes,
    quorum: votersOf(nodes),
    brokerConfig: {
      ...plan.brokerConfig,
      // A follower lags before the leader that waits for an answer is missed.
      "broker.session.timeout.ms": "3000",
      "replica.lag.time.max.ms": "300",
      "replica.fetch.wait.max.ms": "100",
    },
    faults: drawFaults(own.fork()),
    faultPhaseMs: own.fork().int(6_000, 12_000),
  };
}

/** Who ends is soon back, and wants to be in sync again. */
function drawFaults(chance: Chance): FaultPlan {
  const maybe = (p: number, ms: number) =>
    chance.odds(p) ? ms * chance.pick([0.5, 1, 2]) : 0;
  return {
    ...NO_FAULTS,
    powerLoss: "spared",
    lateMs: chance.pick([200, 600]),
    restartMs: chance.pick([700, 2_000]),
    killMs: maybe(0.3, 3_000),
    powerLossMs: maybe(0.3, 3_000),
    cutMs: maybe(0.2, 3_000),
    slowLinkMs: maybe(0.2, 2_000),
  };
}
