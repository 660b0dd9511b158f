/**
 * What a run does, drawn from its seed: topics, producers, groups, and which
 * faults happen how often. Each run has some of everything and not all of it,
 * so that rare mixtures come up. Decides only; it must never touch a world.
 *
 * @module
 */
import type { Chance } from "./chance.ts";

/** Config by Kafka's keys. */
export type Texts = Readonly<Record<string, string>>;

/** One topic. */
export interface TopicPlan {
  readonly name: string;
  readonly partitions: number;
  readonly configs: Texts;
  /** Whether every acknowledged record survives the loss of power. */
  readonly isDurable: boolean;
  /** Whether old records are deleted. */
  readonly isRetained: boolean;
  /** Whether it is deleted and made anew now and then. */
  readonly isChurned: boolean;
  /** Whether only the latest record of each key stays. */
  readonly isCompacted: boolean;
  /** Whether a replica may lead that lacks what was acknowledged. */
  readonly isUnclean?: boolean;
}

/** One producer. */
export interface ProducerPlan {
  readonly name: string;
  readonly configs: Texts;
  readonly isIdempotent: boolean;
  readonly inFlightMax: number;
  readonly topics: readonly TopicPlan[];
  readonly pauseMs: number;
  readonly burst: number;
  readonly valueBytesMax: number;
}

/** One transactional id, and how many producers think that it is theirs. */
export interface WriterPlan {
  readonly id: string;
  readonly size: number;
  readonly topics: readonly TopicPlan[];
  readonly configs: Texts;
  readonly recordsMax: number;
  readonly abortRate: number;
  readonly pauseMs: number;
  /** Whether each of them has a transactional id of its own, and soon another. */
  readonly isFresh?: boolean;
}

/** One group and how many consumers it has. */
export interface GroupPlan {
  readonly id: string;
  readonly size: number;
  readonly configs: Texts;
  readonly topics: readonly TopicPlan[];
  readonly commitsItself: boolean;
}

/**
 * The first one only; one of which all that it has is elsewhere, too; or any,
 * several at once.
 */
export type PowerLoss = "first" | "spared" | "any";

/** Faults, by how long it takes on average until the next one; 0: never. */
export interface FaultPlan {
  readonly killMs: number;
  readonly powerLossMs: number;
  readonly restartMs: number;
  readonly clogMs: number;
  /** Which machines lose power. */
  readonly powerLoss: PowerLoss;
  /** A majority of the machines dies, or all of them, at once. */
  readonly disasterMs: number;
  /** One machine's clock goes another way than the others'. */
  readonly skewMs: number;
  /** A leader is alone in sync, and dies: others lead who lack what it has. */
  readonly strandMs: number;
  /** A machine, or the way to one other, is cut off from the others. */
  readonly cutMs: number;
  /** A request of a broker to another arrives when that one has changed. */
  readonly lateMs: number;
  readonly slowLinkMs: number;
  readonly resetMs: number;
  readonly fullDiskMs: number;
  readonly diskErrorMs: number;
  readonly syncErrorMs: number;
  /** No folder of a topic's new partitions can be made for some time. */
  readonly refusalMs: number;
  readonly slowSyncMs: number;
  readonly clockJumpMs: number;
  readonly clockJumpMsMax: number;
  readonly clientDeathMs: number;
  /** How often a start ends in a death, too. */
  readonly startDeathRate: number;
  /** How often bits flip while a broker is down. */
  readonly rotRate: number;
  /** How often the newest snapshots of producers rot while a broker is down. */
  readonly snapshotRotRate: number;
  /** Topics whose last segments may rot, too. */
  readonly rottingTopics: readonly string[];
  /** A bit flips in a closed segment of the last machine: others have it. */
  readonly closedRotMs: number;
}

/** Who votes on the metadata. */
export interface QuorumPlan {
  /** How many machines may, the first ones. */
  readonly voters: number;
  /** All of them by config; or the first one alone, and it is written down. */
  readonly begins: "configured" | "alone";
  /** Whether who may vote asks for it by itself. */
  readonly isJoining: boolean;
  /** How long an operator who changes voters waits; 0: nobody does. */
  readonly changesMs: number;
}

/** One run. */
export interface Plan {
  /** How many machines there are, each with a broker. */
  readonly nodes: number;
  readonly quorum: QuorumPlan;
  /** How long an operator who moves partitions and leaders waits; 0: nobody does. */
  readonly movesMs: number;
  /** Whether everything is flushed before it is acknowledged, commits too. */
  readonly isAllDurable: boolean;
  readonly brokerConfig: Texts;
  readonly topics: readonly TopicPlan[];
  readonly producers: readonly ProducerPlan[];
  readonly writers: readonly WriterPlan[];
  readonly groups: readonly GroupPlan[];
  readonly faults: FaultPlan;
  /** Which level of transactions an admin sets; that of a new cluster if absent. */
  readonly transactionVersion?: number;
  readonly grows: boolean;
  /** Whether members of groups are heard late, of a generation before. */
  readonly hasStragglers?: boolean;
  /** How long faults go on. */
  readonly faultPhaseMs: number;
}

/** Nothing goes wrong. */
export const NO_FAULTS: FaultPlan = {
  killMs: 0,
  powerLossMs: 0,
  powerLoss: "first",
  disasterMs: 0,
  skewMs: 0,
  strandMs: 0,
  restartMs: 0,
  clogMs: 0,
  cutMs: 0,
  lateMs: 0,
  slowLinkMs: 0,
  resetMs: 0,
  fullDiskMs: 0,
  diskErrorMs: 0,
  syncErrorMs: 0,
  refusalMs: 0,
  slowSyncMs: 0,
  clockJumpMs: 0,
  clockJumpMsMax: 5_000,
  clientDeathMs: 0,
  startDeathRate: 0,
  rotRate: 0,
  snapshotRotRate: 0,
  rottingTopics: [],
  closedRotMs: 0,
};

/** So many voters, always the same ones. */
export function votersOf(count: number): QuorumPlan {
  return {
    voters: count,
    begins: "configured",
    isJoining: false,
    changesMs: 0,
  };
}

const CLIENT: Texts = {
  "request.timeout.ms": "3000",
  "socket.connection.setup.timeout.ms": "2000",
  "retry.backoff.ms": "50",
  "retry.backoff.max.ms": "500",
  "reconnect.backoff.max.ms": "300",
  "metadata.max.age.ms": "2000",
};

/**
 * The plan of a run. What was not always part of it is drawn from `more`: seeds
 * that keep without it are the runs that they were.
 */
export function drawPlan(chance: Chance, more: Chance): Plan {
  const hasMore = more.odds(0.6);
  const isAllDurable = chance.odds(0.25);
  const topics = Array.from(
    { length: chance.int(1, 3) },
    (_, i) => drawTopic(chance, { index: i, isAllDurable }),
  ).map((topic) =>
    hasMore && !topic.isRetained && more.odds(0.5)
      ? compacted(topic, more)
      : topic
  );
  const writers = Array.from(
    { length: chance.odds(0.5) ? chance.int(1, 2) : 0 },
    (_, i) => drawWriter(chance, topics, i),
  ).filter((writer) => writer.topics.length > 0);
  return {
    nodes: 1,
    quorum: votersOf(1),
    movesMs: 0,
    isAllDurable,
    writers,
    brokerConfig: {
      ...drawBroker(chance),
      ...(hasMore ? drawCleaner(more) : {}),
      ...(isAllDurable ? { "log.flush.interval.messages": "1" } : {}),
    },
    topics,
    producers: Array.from(
      { length: chance.int(1, 3) },
      (_, i) => drawProducer(chance, topics, i),
    ),
    groups: Array.from(
      { length: chance.int(0, 2) },
      (_, i) => drawGroup(chance, topics, i),
    ),
    faults: {
      ...drawFaults(chance),
      ...(hasMore ? drawMoreFaults(more, { topics, writers }) : {}),
      // What a coordinator knows goes with the power unless it is flushed.
      ...(writers.length > 0 && !isAllDurable
        ? { powerLossMs: 0, syncErrorMs: 0 }
        : {}),
    },
    grows: chance.odds(0.3),
    faultPhaseMs: chance.int(3_000, 12_000),
  };
}

function drawBroker(chance: Chance): Texts {
  return {
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": String(chance.int(1, 3)),
    "group.initial.rebalance.delay.ms": chance.pick(["0", "200"]),
    "group.consumer.min.session.timeout.ms": "1",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.min.heartbeat.interval.ms": "1",
    "group.consumer.heartbeat.interval.ms": "500",
    "group.min.session.timeout.ms": "1",
    "transaction.state.log.num.partitions": String(chance.int(1, 2)),
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "log.retention.check.interval.ms": "700",
    "log.flush.offset.checkpoint.interval.ms": chance.pick(["300", "2000"]),
    "log.flush.start.offset.checkpoint.interval.ms": "500",
    "replica.high.watermark.checkpoint.interval.ms": "400",
    "metadata.log.max.record.bytes.between.snapshots": chance.pick([
      "300",
      "3000",
      "20971520",
    ]),
  };
}

/** Compaction that has something to do within seconds, of commits, too. */
function drawCleaner(chance: Chance): Texts {
  return {
    "log.cleaner.backoff.ms": chance.pick(["150", "600"]),
    ...(chance.odds(0.5) ? { "log.roll.ms": "700" } : {}),
  };
}

/** The same topic, of which only the latest record of each key stays. */
export function compacted(topic: TopicPlan, chance: Chance): TopicPlan {
  return {
    ...topic,
    isCompacted: true,
    configs: {
      ...topic.configs,
      "cleanup.policy": "compact",
      "min.cleanable.dirty.ratio": chance.pick(["0", "0.5"]),
      "delete.retention.ms": chance.pick(["0", "400", "86400000"]),
      "segment.ms": chance.pick(["300", "800"]),
    },
  };
}

function drawTopic(
  chance: Chance,
  { index, isAllDurable }: {
    readonly index: number;
    readonly isAllDurable: boolean;
  },
): TopicPlan {
  const isDurable = isAllDurable || chance.odds(0.4);
  const isRetained = chance.odds(0.25);
  const isChurned = chance.odds(0.2);
  return {
    name: `t${index}`,
    partitions: chance.int(1, 3),
    isDurable,
    isRetained,
    isChurned,
    isCompacted: false,
    configs: {
      ...(isDurable
        ? { "flush.messages": "1" }
        : chance.odds(0.2)
        ? { "flush.messages": "4" }
        : {}),
      ...(isRetained ? { "retention.bytes": "4000" } : {}),
      ...(chance.odds(0.6) ? { "segment.ms": "800" } : {}),
      ...(chance.odds(0.5)
        ? { "index.interval.bytes": "0", "segment.index.bytes": "120" }
        : {}),
      ...(chance.odds(0.3) ? { "flush.ms": "300" } : {}),
      "file.delete.delay.ms": chance.pick(["0", "500", "60000"]),
    },
  };
}

function drawProducer(
  chance: Chance,
  topics: readonly TopicPlan[],
  index: number,
): ProducerPlan {
  const isIdempotent = chance.odds(0.7);
  const inFlightMax = chance.pick([1, 5]);
  return {
    name: `p${index}`,
    isIdempotent,
    inFlightMax,
    topics: topics.filter((_, i) => i === 0 || chance.odds(0.7)),
    pauseMs: chance.pick([20, 60, 200]),
    burst: chance.int(1, 8),
    valueBytesMax: chance.pick([20, 200, 6_000]),
    configs: {
      ...CLIENT,
      "enable.idempotence": String(isIdempotent),
      "acks": isIdempotent || chance.odds(0.4) ? "all" : "1",
      "linger.ms": chance.pick(["0", "5", "40"]),
      "batch.size": chance.pick(["1", "300", "16384"]),
      "compression.type": chance.pick(["none", "none", "gzip", "lz4", "zstd"]),
      "max.in.flight.requests.per.connection": String(inFlightMax),
      "delivery.timeout.ms": chance.pick(["5000", "15000"]),
      "max.block.ms": "8000",
    },
  };
}

function drawWriter(
  chance: Chance,
  topics: readonly TopicPlan[],
  index: number,
): WriterPlan {
  return {
    id: `w${index}`,
    size: chance.pick([1, 1, 2]),
    topics: topics.filter(({ isChurned }) => !isChurned),
    recordsMax: chance.pick([2, 10]),
    abortRate: chance.pick([0, 0.2, 0.5]),
    pauseMs: chance.pick([10, 100, 400]),
    configs: {
      ...CLIENT,
      "transactional.id": `w${index}`,
      "transaction.timeout.ms": "3000",
      "linger.ms": chance.pick(["0", "5"]),
      "batch.size": chance.pick(["1", "16384"]),
      "delivery.timeout.ms": "5000",
      "max.block.ms": "8000",
    },
  };
}

function drawGroup(
  chance: Chance,
  topics: readonly TopicPlan[],
  index: number,
): GroupPlan {
  const protocol = chance.pick(["classic", "consumer"]);
  const commitsItself = chance.odds(0.5);
  return {
    id: `g${index}`,
    size: chance.int(1, 3),
    topics: topics.filter((_, i) => i === 0 || chance.odds(0.7)),
    commitsItself,
    configs: {
      ...CLIENT,
      "group.id": `g${index}`,
      "group.protocol": protocol,
      ...(protocol === "classic"
        ? {
          "session.timeout.ms": "3000",
          "heartbeat.interval.ms": "500",
          "partition.assignment.strategy": chance.pick([
            "range",
            "cooperative-sticky",
            "range,cooperative-sticky",
            "roundrobin",
          ]),
        }
        : {}),
      "auto.offset.reset": "earliest",
      "isolation.level": chance.pick(["read_committed", "read_uncommitted"]),
      "allow.auto.create.topics": "false",
      "enable.auto.commit": String(!commitsItself),
      "auto.commit.interval.ms": chance.pick(["100", "1000"]),
      "max.poll.records": chance.pick(["1", "7", "500"]),
      "max.poll.interval.ms": "20000",
      "max.partition.fetch.bytes": chance.pick(["100", "5000", "1048576"]),
      "fetch.max.wait.ms": "300",
      "default.api.timeout.ms": "6000",
    },
  };
}

function drawFaults(chance: Chance): FaultPlan {
  const maybe = (p: number, ms: number) =>
    chance.odds(p) ? ms * chance.pick([0.5, 1, 2]) : 0;
  if (chance.odds(0.05)) return NO_FAULTS;
  return {
    ...NO_FAULTS,
    killMs: maybe(0.4, 3_000),
    powerLossMs: maybe(0.4, 3_000),
    restartMs: maybe(0.3, 4_000),
    clogMs: maybe(0.3, 2_000),
    resetMs: maybe(0.4, 800),
    fullDiskMs: maybe(0.15, 4_000),
    diskErrorMs: maybe(0.15, 4_000),
    syncErrorMs: maybe(0.15, 4_000),
    slowSyncMs: maybe(0.3, 3_000),
    clockJumpMs: maybe(0.2, 3_000),
    clientDeathMs: maybe(0.4, 2_500),
  };
}

/** A log that was cut may lack the end of a transaction: not where there are any. */
function drawMoreFaults(
  chance: Chance,
  { topics, writers }: {
    readonly topics: readonly TopicPlan[];
    readonly writers: readonly WriterPlan[];
  },
) {
  const written = new Set(writers.flatMap((writer) => writer.topics));
  return {
    clockJumpMsMax: chance.pick([5_000, 120_000, 10_800_000]),
    startDeathRate: chance.odds(0.4) ? 0.4 : 0,
    rotRate: chance.odds(0.4) ? chance.pick([0.3, 1]) : 0,
    rottingTopics: topics.filter((topic) =>
      !written.has(topic) && chance.odds(0.4)
    ).map(({ name }) => name),
  };
}

/** The plan with its topics changed, for whoever uses them, too. */
export function withTopics(
  plan: Plan,
  changed: (topic: TopicPlan) => TopicPlan,
): Plan {
  const topics = new Map(
    plan.topics.map((topic) => [topic.name, changed(topic)]),
  );
  const among = <T extends { readonly topics: readonly TopicPlan[] }>(
    each: T,
  ): T => ({
    ...each,
    topics: each.topics.map(({ name }) => topics.get(name)!),
  });
  return {
    ...plan,
    topics: [...topics.values()],
    producers: plan.producers.map(among),
    writers: plan.writers.map(among),
    groups: plan.groups.map(among),
  };
}
