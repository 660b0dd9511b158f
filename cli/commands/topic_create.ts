/**
 * `kf topic create`.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";
import { parseCount, parsePair } from "../units.ts";

/** Runs `kf topic create`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const count = (name: string, min: number) => (text: string) =>
    parseCount(text, { name: `--${name}`, min, max: 0x7fffffff });
  const partitions = flags.parsed("partitions", count("partitions", 1));
  const replicationFactor = flags.parsed("replicas", count("replicas", 1));
  const pairs = flags.all("config").map((text) => parsePair(text, "a config"));
  const topics = unique(args).map((name) => ({
    name,
    partitions,
    replicationFactor,
    configs: Object.fromEntries(pairs),
  }));
  const isDry = flags.has("dry-run");
  const isExistingFine = flags.has("if-not-exists");
  const outcomes = await withAdmin(
    settings,
    (admin) => admin.createTopics(topics, { validateOnly: isDry }),
  );
  const exists = (error: { error: string } | undefined) =>
    isExistingFine && error?.error === "TOPIC_ALREADY_EXISTS";
  const done = outcomes.filter(({ error }) =>
    error === undefined || exists(error)
  );
  const verb = isDry ? "would be created" : "created";
  await printAnswer({
    json: done.map((
      { name, topicId, partitions, replicationFactor, error },
    ) => ({
      name,
      topicId,
      partitions,
      replicationFactor,
      created: error === undefined && !isDry,
    })),
    columns: ["name", "outcome"],
    rows: done.map(({ name, error }) => [
      name,
      error === undefined ? verb : "exists",
    ]),
  }, settings);
  throwFailed(
    outcomes.filter(({ error }) => !exists(error)),
    "create topic",
  );
}
