/**
 * `kf cluster features`: shows them, after changing them when asked to.
 *
 * @module
 */
import type { FeatureChange } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say } from "../output.ts";

/** Runs `kf cluster features`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const changes = [
    ...flags.all("upgrade").map((text) => parseChange(text, "upgrade")),
    ...flags.all("downgrade").map((text) => parseChange(text, "downgrade")),
  ];
  const validateOnly = flags.has("dry-run");
  const features = await withAdmin(settings, async (admin) => {
    if (changes.length > 0) {
      await admin.updateFeatures(changes, { validateOnly });
    }
    return await admin.describeFeatures();
  });
  if (changes.length > 0 && validateOnly) {
    say("the levels could be changed; nothing was", settings);
  }
  await printAnswer({
    json: features,
    columns: ["feature", "level", "supported"],
    rows: features.map(({ name, level, minSupported, maxSupported }) => [
      name,
      level,
      `${minSupported}-${maxSupported}`,
    ]),
  }, settings);
}

function parseChange(
  text: string,
  kind: FeatureChange["kind"],
): FeatureChange {
  const [, name, level] = /^([^=]+)=(\d{1,5})$/.exec(text) ?? [];
  if (name === undefined || level === undefined) {
    throw new UsageError(
      `Cannot ${kind} "${text}": it is not NAME=LEVEL, e.g. metadata.version=28`,
    );
  }
  return { name, level: Number(level), kind };
}
