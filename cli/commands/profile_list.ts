/**
 * `kf profile list`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { readProfiles } from "../profiles.ts";

/** Runs `kf profile list`. */
export async function run({ settings }: Call): Promise<void> {
  const { current, byName } = await readProfiles();
  const list = Object.entries(byName).map(([name, { brokers }]) => ({
    name,
    brokers: brokers === undefined ? null : String(brokers),
    current: name === current,
  }));
  await printAnswer({
    json: list,
    columns: ["name", "brokers", "in use"],
    rows: list.map((each) => [
      each.name,
      each.brokers,
      each.current ? "yes" : "",
    ]),
    whenEmpty: "no profiles; see kf profile create --help",
  }, settings);
}
