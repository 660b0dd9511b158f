/**
 * `kf topic config`.
 *
 * @module
 */
import type { Admin, ConfigResource } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import { monoMs, sleep } from "../terminal.ts";
import { parsePair } from "../units.ts";

/** A broker hears of a change a little later than the controller makes it. */
const HEARD_MS_MAX = 2_000;
const PAUSE_MS = 20;

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
    const isChanged = changes.length > 0 && !isDry &&
      changed.every(({ error }) => error === undefined);
    const shown = await shownBy(admin, {
      resource,
      sets: isChanged ? sets : [],
      unsets: isChanged ? unsets : [],
    });
    return [changed, shown] as const;
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

/** The configuration, once the broker that is asked has heard of the change. */
async function shownBy(
  admin: Admin,
  { resource, sets, unsets }: {
    readonly resource: ConfigResource;
    readonly sets: readonly { readonly name: string; readonly value: string }[];
    readonly unsets: readonly { readonly name: string }[];
  },
) {
  const beganMs = monoMs();
  for (;;) {
    const shown = await admin.describeConfigs([resource]);
    const entries = new Map(
      shown[0]?.entries?.map((entry) => [entry.name, entry]),
    );
    const isHeard = sets.every(({ name, value }) =>
      entries.get(name)?.value === value
    ) &&
      unsets.every(({ name }) =>
        entries.get(name)?.source !== "DYNAMIC_TOPIC_CONFIG"
      );
    if (isHeard || monoMs() - beganMs > HEARD_MS_MAX) return shown;
    await sleep(PAUSE_MS);
  }
}
