/**
 * `kf profile use`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { profileNamed, readProfiles, writeProfiles } from "../profiles.ts";

/** Runs `kf profile use`. */
export async function run({ args, settings }: Call): Promise<void> {
  const name = args[0] ?? "";
  const profiles = await readProfiles();
  const { brokers } = profileNamed(profiles, name);
  await writeProfiles({ ...profiles, current: name });
  const shown = brokers === undefined ? null : String(brokers);
  await printAnswer({
    json: { name, brokers: shown, current: true },
    columns: ["name", "brokers", "in use"],
    rows: [[name, shown, "yes"]],
  }, settings);
}
