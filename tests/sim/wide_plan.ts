/**
 * What a run of many nodes does: the plan of `harsh_plan.ts`, on three to seven
 * machines, of which some are brokers that don't vote, while voters come and go,
 * topics may lose records by an unclean election, and one machine's closed
 * segments rot. Each part is drawn from a stream of its own: what is added later
 * leaves the others as they are. Decides only; it must never touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { drawHarshPlan } from "./harsh_plan.ts";
import {
  type Plan,
  type QuorumPlan,
  type TopicPlan,
  votersOf,
  withTopics,
} from "./plan.ts";

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
  const quorum = drawQuorum(own.fork(), voters);
  const uncleanPlan = withUnclean({ ...plan, nodes, quorum }, own.fork());
  const rottingPlan = withRot(uncleanPlan, own.fork());
  return {
    ...rottingPlan,
    brokerConfig: {
      ...plan.brokerConfig,
      "controller.quorum.request.timeout.ms": own.fork().pick(["300", "2000"]),
    },
  };
}

/** Some topics rather go on than keep what was acknowledged. */
function withUnclean(plan: Plan, chance: Chance): Plan {
  if (chance.odds(0.6)) return plan;
  const changed = withTopics(
    plan,
    (topic) => chance.odds(0.7) ? unclean(topic, chance) : topic,
  );
  return {
    ...changed,
    faults: { ...plan.faults, strandMs: chance.pick([1_000, 2_000]) },
    // A marker that was lost would leave a transaction open for good.
    writers: changed.writers.map((writer) => ({
      ...writer,
      topics: writer.topics.filter(({ isUnclean }) => !isUnclean),
    })).filter(({ topics }) => topics.length > 0),
  };
}

function unclean(topic: TopicPlan, chance: Chance): TopicPlan {
  return {
    ...topic,
    isUnclean: true,
    configs: {
      ...topic.configs,
      "unclean.leader.election.enable": "true",
      "min.insync.replicas": chance.pick(["1", "1", "2"]),
    },
  };
}

/** One machine's disk rots where all others can be relied on. */
function withRot(plan: Plan, chance: Chance): Plan {
  const { faults, isAllDurable } = plan;
  const isSound = faults.powerLoss === "spared" && isAllDurable;
  if (!isSound || chance.odds(0.5)) return plan;
  const closedRotMs = chance.pick([300, 1_000, 3_000]);
  return { ...plan, faults: { ...faults, closedRotMs } };
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
