/**
 * What a run of several nodes does that have it harder than in `cluster_plan.ts`:
 * any machine loses power, many at once, disks fail, and partitions move. What is
 * promised depends on it. Decides only; it must never touch a world.
 *
 * | power is lost by                     | what is acknowledged                |
 * | ------------------------------------ | ----------------------------------- |
 * | one, the others have all of it       | stays                               |
 * | any, and disks are asked to keep it  | stays                               |
 * | any, and disks are not asked         | may go; the cluster must go on      |
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import { drawQuorum, REPLICATED, unflushed } from "./cluster_plan.ts";
import {
  drawPlan,
  type FaultPlan,
  NO_FAULTS,
  type Plan,
  type PowerLoss,
  type TopicPlan,
  votersOf,
} from "./plan.ts";

/** Who loses power, and whether anything is flushed. */
interface Losses {
  readonly powerLoss: PowerLoss;
  readonly isFlushed: boolean;
}

/** The plan of such a run. */
export function drawHarshPlan(chance: Chance, more: Chance): Plan {
  const plan = drawPlan(chance, more);
  const losses: Losses = more.pick<Losses>([
    { powerLoss: "spared", isFlushed: false },
    { powerLoss: "spared", isFlushed: false },
    { powerLoss: "any", isFlushed: true },
    { powerLoss: "any", isFlushed: false },
  ]);
  const { powerLoss, isFlushed } = losses;
  const isAllDurable = powerLoss === "spared" || isFlushed;
  const topics = new Map(
    plan.topics.map((topic) => [topic.name, promised(topic, losses)]),
  );
  const among = <T extends { readonly topics: readonly TopicPlan[] }>(
    each: T,
  ): T => ({
    ...each,
    topics: each.topics.map(({ name }) => topics.get(name)!),
  });
  const nodes = more.pick([3, 3, 3, 4, 5]);
  return {
    ...plan,
    nodes,
    quorum: votersOf(nodes),
    movesMs: more.odds(0.5) ? more.pick([500, 2_000]) : 0,
    isAllDurable,
    topics: [...topics.values()],
    producers: plan.producers.map((producer) => ({
      ...among(producer),
      configs: { ...producer.configs, acks: "all" },
    })),
    // What a coordinator knows goes with the power unless it is flushed.
    writers: isAllDurable ? plan.writers.map(among) : [],
    groups: plan.groups.map(among),
    brokerConfig: {
      ...unflushed(plan.brokerConfig),
      ...isFlushed ? { "log.flush.interval.messages": "1" } : {},
      ...REPLICATED,
      ...drawQuorum(more),
    },
    faults: drawFaults(more, losses),
  };
}

/** The same with records in the metadata that say nothing, as is the default. */
export function drawIdlePlan(
  chance: Chance,
  more: Chance,
  own: Chance,
): Plan {
  const plan = drawHarshPlan(chance, more);
  return {
    ...plan,
    brokerConfig: {
      ...plan.brokerConfig,
      "metadata.max.idle.interval.ms": own.pick(["100", "500", "500"]),
    },
  };
}

function drawFaults(
  chance: Chance,
  { powerLoss }: Losses,
): FaultPlan {
  const maybe = (p: number, ms: number) =>
    chance.odds(p) ? ms * chance.pick([0.5, 1, 2]) : 0;
  const isAny = powerLoss === "any";
  return {
    ...NO_FAULTS,
    powerLoss,
    killMs: maybe(0.5, 1_500),
    powerLossMs: maybe(0.8, 1_500),
    disasterMs: isAny ? maybe(0.5, 4_000) : 0,
    restartMs: maybe(0.4, 3_000),
    clogMs: maybe(0.3, 2_000),
    cutMs: maybe(0.5, 1_500),
    slowLinkMs: maybe(0.3, 2_000),
    resetMs: maybe(0.4, 800),
    fullDiskMs: maybe(0.2, 3_000),
    diskErrorMs: maybe(0.2, 3_000),
    // Whoever meets one loses its power.
    syncErrorMs: isAny ? maybe(0.3, 3_000) : 0,
    slowSyncMs: maybe(0.3, 2_000),
    clockJumpMs: maybe(0.2, 3_000),
    skewMs: maybe(0.3, 2_000),
    clientDeathMs: maybe(0.3, 2_500),
    startDeathRate: chance.odds(0.3) ? 0.4 : 0,
  };
}

function promised(
  topic: TopicPlan,
  { powerLoss, isFlushed }: Losses,
): TopicPlan {
  const configs = unflushed(topic.configs);
  return {
    ...topic,
    isDurable: powerLoss === "spared" || isFlushed,
    configs: isFlushed ? { ...configs, "flush.messages": "1" } : configs,
  };
}
