/**
 * What a run of three nodes does: the plan of a run of one, with everything
 * replicated instead of flushed. Decides only; it must never touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import {
  drawPlan,
  type FaultPlan,
  NO_FAULTS,
  type Plan,
  type Texts,
  type TopicPlan,
  votersOf,
  withTopics,
} from "./plan.ts";

/** How many nodes vote, and hold each partition. */
const NODES = 3;

/** Topics, brokers and coordinators of several nodes. */
export const REPLICATED: Texts = {
  "default.replication.factor": String(NODES),
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": String(NODES),
  "transaction.state.log.replication.factor": String(NODES),
  "transaction.state.log.min.isr": "2",
};

/** Of topics and brokers: here the others keep what power takes. */
const FLUSHES = [
  "flush.messages",
  "flush.ms",
  "log.flush.interval.messages",
];

/** The plan of a run of three nodes. */
export function drawClusterPlan(chance: Chance, more: Chance): Plan {
  const plan = withTopics(drawPlan(chance, more), replicated);
  return {
    ...plan,
    nodes: NODES,
    quorum: votersOf(NODES),
    isAllDurable: true,
    producers: plan.producers.map((producer) => ({
      ...producer,
      configs: { ...producer.configs, acks: "all" },
    })),
    brokerConfig: {
      ...unflushed(plan.brokerConfig),
      ...REPLICATED,
      ...drawQuorum(more),
    },
    faults: drawClusterFaults(more),
  };
}

/** How soon somebody is missed. */
export function drawQuorum(chance: Chance): Texts {
  return {
    // On, they would change what the seeds met that were kept before there were any.
    "metadata.max.idle.interval.ms": "0",
    "broker.heartbeat.interval.ms": "200",
    "broker.session.timeout.ms": chance.pick(["1000", "3000"]),
    "controller.quorum.election.timeout.ms": "300",
    "controller.quorum.fetch.timeout.ms": chance.pick(["1000", "2000"]),
    "replica.lag.time.max.ms": chance.pick(["800", "3000"]),
    "replica.fetch.wait.max.ms": chance.pick(["100", "500"]),
    "replica.fetch.backoff.ms": "100",
  };
}

/** Machines and what is between them; disks are sound. */
function drawClusterFaults(chance: Chance): FaultPlan {
  const maybe = (p: number, ms: number) =>
    chance.odds(p) ? ms * chance.pick([0.5, 1, 2]) : 0;
  if (chance.odds(0.05)) return NO_FAULTS;
  return {
    ...NO_FAULTS,
    killMs: maybe(0.5, 1_500),
    powerLossMs: maybe(0.5, 1_500),
    restartMs: maybe(0.4, 3_000),
    clogMs: maybe(0.3, 2_000),
    cutMs: maybe(0.5, 1_500),
    slowLinkMs: maybe(0.3, 2_000),
    resetMs: maybe(0.4, 800),
    slowSyncMs: maybe(0.3, 3_000),
    clockJumpMs: maybe(0.2, 3_000),
    clientDeathMs: maybe(0.3, 2_500),
    startDeathRate: chance.odds(0.3) ? 0.4 : 0,
  };
}

function replicated(topic: TopicPlan): TopicPlan {
  return { ...topic, isDurable: true, configs: unflushed(topic.configs) };
}

/** Without a flush policy. */
export function unflushed(configs: Texts): Texts {
  return Object.fromEntries(
    Object.entries(configs).filter(([name]) => !FLUSHES.includes(name)),
  );
}
