/**
 * `kf profile edit`.
 *
 * @module
 */
import type { Call } from "../command.ts";
import { ItemsFailed, UsageError } from "../failure.ts";
import { say } from "../output.ts";
import { profilesPath, readProfiles, writeProfiles } from "../profiles.ts";
import { isTerminal, readText, runOnTerminal, variable } from "../terminal.ts";

/** Runs `kf profile edit`: the user's editor on the file. */
export async function run({ settings }: Call): Promise<void> {
  const path = profilesPath();
  if (path === undefined || readText(path) === undefined) {
    await writeProfiles({ current: undefined, byName: {} });
  }
  const command = variable("VISUAL") || variable("EDITOR") || "vi";
  if (!isTerminal.stdin()) {
    throw new UsageError(
      `Cannot start ${command} here: stdin is no terminal; the file is ${path}`,
    );
  }
  // EDITOR may hold flags, as in "code --wait".
  const [program, ...given] = command.split(" ").filter(Boolean);
  const code = await runOnTerminal(program!, [...given, path!]);
  if (code !== 0) throw new ItemsFailed(`${command} ended with ${code}`);
  await readProfiles();
  say(`profiles are in ${path}`, settings);
}
