/**
 * `kf diff`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { ItemsFailed, UsageError } from "../failure.ts";
import { type Answer, printAnswer } from "../output.ts";
import { type Change, planOf } from "../topics_file.ts";

/** Runs `kf diff`; a difference is exit code 1, as of `diff`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const path = fileOf(flags);
  const { changes } = await withAdmin(
    settings,
    (admin) => planOf(path, admin),
  );
  await printAnswer(answerOf(changes), settings);
  if (changes.length > 0) throw new ItemsFailed("there are differences");
}

/** The file that `-f` names. */
export function fileOf(flags: Call["flags"]): string {
  const path = flags.text("file");
  if (path !== undefined) return path;
  throw new UsageError("Cannot go on without -f: name a topics.yaml");
}

/** Changes as an answer. */
export function answerOf(changes: readonly Change[]): Answer {
  return {
    json: changes,
    columns: ["topic", "change", "name", "from", "to"],
    rows: changes.map((
      { topic, change, name, from, to },
    ) => [topic, change, name, from, to]),
    whenEmpty: "kf: nothing differs",
  };
}
