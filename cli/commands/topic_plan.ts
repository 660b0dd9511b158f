/**
 * `kf topic plan`: how many partitions a target throughput needs, and what
 * that many cost. Arithmetic only; it never talks to a cluster.
 *
 * @module
 */
import type { Call, Flags } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer } from "../output.ts";
import {
  formatBytes,
  parseCount,
  parseDuration,
  parsePerSecond,
} from "../units.ts";

/** `batch.size` of Kafka's producers unless it is set. */
const BATCH_BYTES = 16_384;
/** Above this a typing error is likelier than a topic. */
const PARTITIONS_MAX = 100_000;

/** What the plan is made from; bytes per second. */
interface Wish {
  readonly target: number;
  readonly perProducer: number;
  readonly perConsumer: number;
  readonly replicas: number;
  readonly retentionMs: number | undefined;
}

/** Runs `kf topic plan`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const wish = wishOf(flags);
  const forProducers = Math.ceil(wish.target / wish.perProducer);
  const forConsumers = Math.ceil(wish.target / wish.perConsumer);
  const partitions = Math.max(forProducers, forConsumers);
  if (partitions > PARTITIONS_MAX) {
    throw new UsageError(
      `Cannot plan ${partitions} partitions: one topic is planned with at most ${PARTITIONS_MAX}`,
    );
  }
  const { replicas, retentionMs } = wish;
  const json = {
    partitions,
    forProducers,
    forConsumers,
    consumersMax: partitions,
    replicas: partitions * replicas,
    producerBufferBytes: partitions * BATCH_BYTES,
    replicatedBytesPerSecond: wish.target * (replicas - 1),
    diskBytes: retentionMs === undefined
      ? null
      : Math.ceil(wish.target * replicas * retentionMs / 1000),
  };
  await printAnswer({
    json,
    columns: ["figure", "value", "why"],
    rows: rowsOf(json),
  }, settings);
}

function wishOf(flags: Flags): Wish {
  return {
    target: rate(flags, "target"),
    perProducer: rate(flags, "per-producer"),
    perConsumer: rate(flags, "per-consumer"),
    replicas: flags.parsed(
      "replicas",
      (text) =>
        parseCount(text, {
          name: "a number of replicas",
          min: 1,
          max: 32767,
        }),
    ) ??
      1,
    retentionMs: flags.parsed("retention", parseDuration),
  };
}

function rate(flags: Flags, name: string): number {
  const text = flags.text(name);
  if (text !== undefined) return parsePerSecond(text);
  throw new UsageError(
    `Cannot plan without --${name}: a throughput per second, e.g. 50m`,
  );
}

function rowsOf(plan: {
  readonly partitions: number;
  readonly forProducers: number;
  readonly forConsumers: number;
  readonly replicas: number;
  readonly producerBufferBytes: number;
  readonly replicatedBytesPerSecond: number;
  readonly diskBytes: number | null;
}): (string | number)[][] {
  const perSecond = `${formatBytes(plan.replicatedBytesPerSecond)}/s`;
  const rows = [
    ["partitions", plan.partitions, "the larger of the next two"],
    ["for producers", plan.forProducers, "target / what one partition takes"],
    ["for consumers", plan.forConsumers, "target / what one consumer handles"],
    ["consumers at most", plan.partitions, "more of one group would be idle"],
    ["replicas", plan.replicas, "logs to keep, and to elect leaders for"],
    [
      "producer buffers",
      formatBytes(plan.producerBufferBytes),
      "of each producer: one batch.size of 16384 for each partition",
    ],
    ["replication", perSecond, "between brokers, besides the target"],
  ];
  if (plan.diskBytes !== null) {
    rows.push(["disk", formatBytes(plan.diskBytes), "of all brokers together"]);
  }
  return rows;
}
