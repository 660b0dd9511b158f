/**
 * `kf topic list`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer } from "../output.ts";

/** Runs `kf topic list`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const pattern = readPattern(args[0]);
  const all = await withAdmin(settings, (admin) => admin.listTopics());
  const topics = all
    .filter((topic) => flags.has("internal") || !topic.isInternal)
    .filter((topic) => pattern === undefined || pattern.test(topic.name))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  await printAnswer({
    json: topics.map((
      { name, topicId, partitions, replicationFactor, isInternal },
    ) => ({ name, topicId, partitions, replicationFactor, isInternal })),
    columns: ["name", "partitions", "replicas"],
    rows: topics.map((topic) => [
      topic.name,
      topic.partitions,
      topic.replicationFactor,
    ]),
    whenEmpty: "no topics",
  }, settings);
}

function readPattern(text: string | undefined): RegExp | undefined {
  if (text === undefined) return undefined;
  try {
    return new RegExp(text, "u");
  } catch (error) {
    // The runtime's sentence says the pattern itself once more.
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `Cannot read "${text}" as a pattern: ${why.replace(/^.*: /s, "")}`,
    );
  }
}
