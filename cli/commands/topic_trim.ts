/**
 * `kf topic trim`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import {
  answerOfMoves,
  findTargets,
  type Move,
  parsePoint,
  partitionKey,
  partitionsOf,
} from "../targets.ts";
import { parsePartitions } from "../units.ts";

/** Runs `kf topic trim`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const topic = args[0] ?? "";
  const target = flags.parsed("before", (text) => parsePoint(text));
  if (target === undefined) {
    throw new UsageError("Cannot trim without --before: what is to be kept?");
  }
  const partitions = flags.parsed("partitions", parsePartitions);
  const question = `Delete the first records of topic "${topic}"?`;
  const isDry = flags.has("dry-run");
  if (!isDry) requireAnswer(call, question);
  await withAdmin(settings, async (admin) => {
    const at = await partitionsOf(admin, [{ topic, partitions }]);
    const found = await findTargets(admin, at, { target, settings });
    const moves = found.map(({ start, ...rest }) => ({ ...rest, from: start }));
    const answer = (rows: readonly Move[]) =>
      printAnswer(answerOfMoves(rows, "nothing deleted"), settings);
    const due = moves.filter(({ from, to }) => to > from);
    if (isDry || due.length === 0) return await answer(moves);
    if (!flags.has("yes")) {
      await answer(moves);
      if (!await confirm(call, question)) {
        say("nothing deleted", settings);
        return;
      }
    }
    const outcomes = await admin.deleteRecords(
      due.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
    );
    const failed = outcomes.filter(({ error }) => error !== undefined);
    if (flags.has("yes")) {
      const left = new Set(failed.map(partitionKey));
      await answer(moves.filter((each) => !left.has(partitionKey(each))));
    }
    throwFailed(
      failed.map((each) => ({ ...each, name: partitionKey(each) })),
      "delete records of",
    );
  });
}
