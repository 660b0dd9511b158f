/**
 * `kf txn describe`: what the coordinator knows of transactional ids, or what
 * the leader of a partition knows of its producers.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, throwFailed } from "../output.ts";
import { rfc3339, wallMs } from "../terminal.ts";
import { formatDuration, parseTopicPartition } from "../units.ts";

/** Runs `kf txn describe`. */
export async function run(call: Call): Promise<void> {
  const { args, flags } = call;
  const at = flags.text("producers");
  if (at !== undefined && args.length > 0) {
    throw new UsageError("Cannot use --producers together with an id");
  }
  if (at === undefined && args.length === 0) {
    throw new UsageError("Cannot describe nothing: name an id, or --producers");
  }
  if (at === undefined) await describeIds(call);
  else await describeProducers(call, at);
}

async function describeIds({ args, settings }: Call): Promise<void> {
  const all = await withAdmin(
    settings,
    (admin) => admin.describeTransactions(unique(args)),
  );
  const found = all.filter(({ error }) => error === undefined);
  const nowMs = wallMs();
  await printAnswer({
    json: found.map((each) => ({
      transactionalId: each.name,
      state: each.state,
      coordinator: each.coordinator,
      producerId: each.producerId,
      producerEpoch: each.producerEpoch,
      timeoutMs: each.timeoutMs,
      startTimestamp: each.startTimestamp,
      partitions: each.partitions,
    })),
    columns: [
      "transactional id",
      "state",
      "producer",
      "epoch",
      "coordinator",
      "running",
      "timeout",
      "partitions",
    ],
    rows: found.map((each) => [
      each.name,
      each.state,
      each.producerId,
      each.producerEpoch,
      each.coordinator,
      each.startTimestamp === null
        ? null
        : formatDuration(Math.max(0, nowMs - each.startTimestamp)),
      formatDuration(each.timeoutMs),
      each.partitions.map(({ topic, partition }) => `${topic}-${partition}`)
        .join(" ") || null,
    ]),
  }, settings);
  throwFailed(all, "describe transactional id");
}

async function describeProducers(
  { settings }: Call,
  text: string,
): Promise<void> {
  const at = parseTopicPartition(text);
  const found = await withAdmin(
    settings,
    (admin) => admin.describeProducers(at),
  );
  await printAnswer({
    json: found.map((each) => ({ ...at, ...each })),
    columns: [
      "producer",
      "epoch",
      "last sequence",
      "last record",
      "coordinator epoch",
      "open since offset",
    ],
    rows: found.map((each) => [
      each.producerId,
      each.producerEpoch,
      each.lastSequence,
      each.lastTimestamp < 0 ? null : rfc3339(each.lastTimestamp),
      each.coordinatorEpoch,
      each.transactionStartOffset,
    ]),
    whenEmpty: "no producers",
  }, settings);
}
