/**
 * `kf topic config`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import { parsePair } from "../units.ts";

/** Runs `kf topic config`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const name = args[0] ?? "";
  const sets = flags.all("set").map((text) => {
    const [key, value] = parsePair(text, "a config");
    return { name: key, operation: "set" as const, value };
  });
  const unsets = flags.all("unset").map((key) => ({
    name: key,
    operation: "delete" as const,
  }));
  const changes = [...sets, ...unsets];
  const isDry = flags.has("dry-run");
  const resource = { type: "topic" as const, name };
  const [changed, shown] = await withAdmin(settings, async (admin) => {
    const changed = changes.length === 0
      ? []
      : await admin.incrementalAlterConfigs(
        [{ ...resource, changes }],
        { validateOnly: isDry },
      );
    return [changed, await admin.describeConfigs([resource])] as const;
  });
  throwFailed(changed, "change the configuration of topic");
  throwFailed(shown, "read the configuration of topic");
  if (isDry && changes.length > 0) say("valid; nothing changed", settings);
  const touched = new Set(changes.map((change) => change.name));
  const entries = (shown[0]?.entries ?? [])
    .filter((entry) => touched.size === 0 || touched.has(entry.name));
  await printAnswer({
    json: entries.map(({ name, value, source, isDefault, isSensitive }) => ({
      name,
      value,
      source,
      isDefault,
      isSensitive,
    })),
    columns: ["name", "value", "source"],
    rows: entries.map(({ name, value, source }) => [name, value, source]),
  }, settings);
}
