/**
 * `kf topic delete`.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm } from "../confirm.ts";
import { printAnswer, say, throwFailed } from "../output.ts";

/** Runs `kf topic delete`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const names = unique(call.args);
  if (flags.has("dry-run")) return await dryRun(call, names);
  const list = names.map((name) => `"${name}"`).join(", ");
  if (!await confirm(call, `Delete topic ${list} and all its records?`)) {
    say("nothing deleted", settings);
    return;
  }
  const outcomes = await withAdmin(
    settings,
    (admin) => admin.deleteTopics(names),
  );
  const isMissingFine = (error: { error: string } | undefined) =>
    flags.has("if-exists") && error?.error === "UNKNOWN_TOPIC_OR_PARTITION";
  const done = outcomes.filter(({ error }) =>
    error === undefined || isMissingFine(error)
  );
  await printAnswer({
    json: done.map(({ name, error }) => ({
      name,
      deleted: error === undefined,
    })),
    columns: ["name", "outcome"],
    rows: done.map(({ name, error }) => [
      name,
      error === undefined ? "deleted" : "missing",
    ]),
  }, settings);
  throwFailed(
    outcomes.filter(({ error }) => !isMissingFine(error)),
    "delete topic",
  );
}

async function dryRun(call: Call, names: string[]): Promise<void> {
  const topics = await withAdmin(
    call.settings,
    (admin) => admin.describeTopics(names),
  );
  const found = topics.filter(({ error }) => error === undefined);
  await printAnswer({
    json: found.map(({ name }) => ({ name, deleted: false })),
    columns: ["name", "outcome"],
    rows: found.map(({ name }) => [name, "would be deleted"]),
    whenEmpty: "nothing would be deleted",
  }, call.settings);
  if (!call.flags.has("if-exists")) throwFailed(topics, "delete topic");
}
