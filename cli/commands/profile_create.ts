/**
 * `kf profile create`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer } from "../output.ts";
import { readProfiles, writeProfiles } from "../profiles.ts";

/** Runs `kf profile create`: what was given becomes a profile, and is used. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const name = args[0] ?? "";
  const profiles = await readProfiles();
  if (Object.hasOwn(profiles.byName, name)) {
    throw new UsageError(
      `Cannot create profile "${name}": it exists; see kf profile edit`,
    );
  }
  const properties = settings.givenProperties;
  const topic = flags.text("topic");
  const profile = {
    brokers: settings.brokers,
    ...topic === undefined ? {} : { topic },
    ...Object.keys(properties).length === 0 ? {} : { properties },
  };
  await writeProfiles({
    current: name,
    byName: { ...profiles.byName, [name]: profile },
  });
  const { brokers } = profile;
  await printAnswer({
    json: { name, brokers, current: true },
    columns: ["name", "brokers", "in use"],
    rows: [[name, brokers, "yes"]],
  }, settings);
}
