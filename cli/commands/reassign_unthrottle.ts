/**
 * `kf reassign unthrottle`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";
import { throttled } from "../throttle.ts";

/** Runs `kf reassign unthrottle`. */
export async function run({ flags, settings }: Call): Promise<void> {
  await withAdmin(settings, async (admin) => {
    const found = await throttled(admin);
    const outcomes = flags.has("dry-run")
      ? []
      : await admin.incrementalAlterConfigs(found);
    await printAnswer({
      json: found.map(({ type, name }) => ({ type, name })),
      columns: ["type", "name"],
      rows: found.map(({ type, name }) => [type, name]),
      whenEmpty: "nothing is throttled",
    }, settings);
    throwFailed(outcomes, "unthrottle");
  });
}
