/**
 * The plan of a run of one node, and in some runs what was added to it:
 * owners of a transactional id that nobody fences but the logs, ids that never
 * come again, batches that are too large, checkpoints as rare as by default,
 * snapshots that rot, members that are heard late, folders that the disk
 * refuses. Decides only; it must never touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";
import {
  compacted,
  drawPlan,
  type FaultPlan,
  type Plan,
  type Texts,
  type TopicPlan,
  withTopics,
} from "./plan.ts";

/** What a run of one node does; where `added` doesn't say so it is as before. */
export function drawAddedPlan(
  chance: Chance,
  more: Chance,
  added: Chance,
): Plan {
  const plan = drawPlan(chance, more);
  if (!added.odds(0.4)) return plan;
  const rich = enriched(plan, added);
  if (plan.writers.length === 0) return rich;
  return added.odds(0.3) ? trusting(rich) : fleeting(rich, added);
}

/**
 * Drawn after all that: in some runs members of groups that come and go are
 * heard late, or the disk refuses new partitions.
 */
export function beset(plan: Plan, chance: Chance): Plan {
  if (!chance.odds(0.3)) return plan;
  const { faults, groups } = plan;
  if (groups.length === 0 || chance.odds(0.4)) {
    return { ...plan, grows: true, faults: { ...faults, refusalMs: 1_000 } };
  }
  return {
    ...plan,
    hasStragglers: true,
    groups: groups.map((group) => ({ ...group, size: 3 })),
    faults: { ...faults, clientDeathMs: 500 },
  };
}

function enriched(plan: Plan, chance: Chance): Plan {
  const snapshotRotRate = chance.odds(0.7) ? chance.pick([0.5, 1]) : 0;
  return {
    ...withTopics(plan, (topic) => narrowed(topic, chance)),
    brokerConfig: {
      ...plan.brokerConfig,
      ...chance.odds(0.3)
        ? { "log.flush.offset.checkpoint.interval.ms": "60000" }
        : {},
    },
    faults: { ...plan.faults, snapshotRotRate },
  };
}

/** Batches of some topics are split on their way; no record is too large. */
function narrowed(topic: TopicPlan, chance: Chance): TopicPlan {
  if (chance.odds(0.6)) return topic;
  return {
    ...topic,
    configs: { ...topic.configs, "max.message.bytes": "7000" },
  };
}

/**
 * Nobody asks the coordinator whether a batch is part of a transaction. Then no
 * batch may come later than the end of its transaction but from who was fenced:
 * the network hurries.
 */
function trusting(plan: Plan): Plan {
  const faults: FaultPlan = { ...plan.faults, clogMs: 0, resetMs: 0 };
  return {
    ...plan,
    faults,
    transactionVersion: 1,
    brokerConfig: {
      ...plan.brokerConfig,
      "transaction.partition.verification.enable": "false",
    },
    writers: plan.writers.map((writer) => ({ ...writer, size: 2 })),
  };
}

/**
 * Transactional ids come once, and a compaction soon takes all that tells of
 * them. Starts are many, and find segments small and snapshots damaged.
 */
function fleeting(plan: Plan, chance: Chance): Plan {
  const isSoon = chance.odds(0.8);
  const small = withTopics(plan, (topic) => {
    if (topic.isRetained || chance.odds(0.2)) return topic;
    const { configs, ...rest } = compacted(topic, chance);
    return { ...rest, configs: { ...configs, ...isSoon ? SOON : {} } };
  });
  return {
    ...small,
    writers: small.writers.map((writer) => ({
      ...writer,
      isFresh: true,
      ...isSoon ? BUSY : {},
    })),
    brokerConfig: { ...small.brokerConfig, "log.cleaner.backoff.ms": "150" },
    faults: {
      ...small.faults,
      restartMs: chance.pick([700, 2_000]),
      snapshotRotRate: isSoon ? 1 : small.faults.snapshotRotRate,
    },
  };
}

/** Segments hold a few batches, and what they say goes at once. */
const SOON: Texts = {
  "index.interval.bytes": "0",
  "segment.index.bytes": "120",
  "min.cleanable.dirty.ratio": "0",
  "delete.retention.ms": "0",
};

/** A segment often ends within a transaction. */
const BUSY = { size: 2, recordsMax: 10, pauseMs: 10 } as const;
