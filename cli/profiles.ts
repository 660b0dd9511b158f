/**
 * Profiles: named settings of the user's, one of them in use, kept in one file
 * below the user's config folder. Owns the file; what a setting means and
 * what wins over what is `settings.ts`'s.
 *
 * @module
 */
import { UsageError } from "./failure.ts";
import { readText, variable, writeSecretText } from "./terminal.ts";
import { isMapping, parseYaml, yamlText } from "./yaml.ts";

/** Settings of one profile, as they stand in the file. */
export type Profile = Readonly<Record<string, unknown>>;

/** All profiles, and which one is in use. */
export interface Profiles {
  readonly current: string | undefined;
  readonly byName: Readonly<Record<string, Profile>>;
}

/** Where the profiles are kept; `undefined` for a user without a home. */
export function profilesPath(): string | undefined {
  const home = variable("HOME") || variable("USERPROFILE");
  const folder = variable("XDG_CONFIG_HOME") || (home && `${home}/.config`);
  return folder ? `${folder}/kf/profiles.yaml` : undefined;
}

/** Reads the file; none is no profiles. */
export async function readProfiles(): Promise<Profiles> {
  const path = profilesPath();
  const text = path && readText(path);
  if (path === undefined || text === undefined) {
    return { current: undefined, byName: {} };
  }
  const { current, profiles, ...rest } = await parseYaml(path, text);
  const [unknown] = Object.keys(rest);
  const given = profiles ?? {};
  const isRight = unknown === undefined && isMapping(given) &&
    Object.values(given).every((each) => each === null || isMapping(each));
  if (!isRight) {
    throw new UsageError(
      `Cannot read "${path}": it must hold current: NAME, and profiles: with a name and settings each`,
    );
  }
  return {
    current: current === undefined || current === null
      ? undefined
      : String(current),
    byName: Object.fromEntries(
      Object.entries(given).map(([name, each]) => [name, each ?? {}]),
    ) as Record<string, Profile>,
  };
}

/** Replaces the file at once; properties may be secrets. */
export async function writeProfiles(
  { current, byName }: Profiles,
): Promise<void> {
  const values = { ...current === undefined ? {} : { current } };
  const text = await yamlText({ ...values, profiles: byName });
  const path = profilesPath();
  if (path === undefined) {
    throw new UsageError(
      "Cannot keep profiles: neither HOME nor XDG_CONFIG_HOME is set",
    );
  }
  writeSecretText(path, text);
}

/** The profile with this name; says which there are when there is none. */
export function profileNamed({ byName }: Profiles, name: string): Profile {
  if (Object.hasOwn(byName, name)) return byName[name]!;
  const known = Object.keys(byName).join(", ") || "none yet";
  throw new UsageError(
    `Cannot use profile "${name}": there is ${known}; see kf profile create --help`,
  );
}
