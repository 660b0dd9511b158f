/**
 * `kf group delete`.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm } from "../confirm.ts";
import { printAnswer, say, throwFailed } from "../output.ts";

/** Runs `kf group delete`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const names = unique(call.args);
  const isDry = flags.has("dry-run");
  const list = names.map((name) => `"${name}"`).join(", ");
  if (!isDry && !await confirm(call, `Delete group ${list} and its offsets?`)) {
    say("nothing deleted", settings);
    return;
  }
  const outcomes = await withAdmin(
    settings,
    (admin) => isDry ? admin.describeGroups(names) : admin.deleteGroups(names),
  );
  const done = outcomes.filter(({ error }) => error === undefined);
  await printAnswer({
    json: done.map(({ name }) => ({ groupId: name, deleted: !isDry })),
    columns: ["group", "outcome"],
    rows: done.map((
      { name },
    ) => [name, isDry ? "would be deleted" : "deleted"]),
  }, settings);
  throwFailed(outcomes, "delete group");
}
