/**
 * `kf reassign cancel`.
 *
 * @module
 */
import type { TopicPartition } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import { partitionKey } from "../targets.ts";
import { parseTopicPartitions } from "../units.ts";

/** Runs `kf reassign cancel`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const wanted = args.map(parseTopicPartitions);
  if (flags.has("all") === wanted.length > 0) {
    throw new UsageError("Cannot call moves off: name topics, or --all");
  }
  const question = "Call moves off, and drop what was copied?";
  const isDry = flags.has("dry-run");
  if (!isDry) requireAnswer(call, question);
  const print = (rows: readonly TopicPartition[], outcome: string) =>
    printAnswer({
      json: rows.map(({ topic, partition }) => ({ topic, partition, outcome })),
      columns: ["topic", "partition", "outcome"],
      rows: rows.map(({ topic, partition }) => [topic, partition, outcome]),
      whenEmpty: "nothing is being moved",
    }, settings);
  await withAdmin(settings, async (admin) => {
    const moving = (await admin.listPartitionReassignments()).filter((at) =>
      flags.has("all") ||
      wanted.some(({ topic, partitions }) =>
        topic === at.topic && (partitions?.includes(at.partition) ?? true)
      )
    );
    if (isDry || moving.length === 0) {
      return await print(moving, "would be called off");
    }
    if (!flags.has("yes")) {
      await print(moving, "moving");
      if (!await confirm(call, question)) {
        return say("nothing called off", settings);
      }
    }
    const outcomes = await admin.alterPartitionReassignments(
      moving.map(({ topic, partition }) => ({
        topic,
        partition,
        replicas: null,
      })),
    );
    await print(
      outcomes.filter(({ error }) => error === undefined),
      "called off",
    );
    throwFailed(
      outcomes.map((at) => ({ ...at, name: partitionKey(at) })),
      "call off the move of",
    );
  });
}
