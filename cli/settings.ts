/**
 * What holds for every command, with its precedence in one place: flag, then
 * `KF_*` variable, then the project's `.kf.yaml`, then the profile, then the
 * default. It never talks to a cluster.
 *
 * @module
 */
import type { ClientKind } from "../net/client.ts";
import type { GlobalValues } from "./argv.ts";
import { UsageError } from "./failure.ts";
import {
  foldersUp,
  isDumb,
  isTerminal,
  readText,
  variable,
} from "./terminal.ts";
import { parseDuration, parsePair } from "./units.ts";
import { isMapping, parseYaml } from "./yaml.ts";

/** How answers are printed. */
export type AnswerFormat = "text" | "json" | "tsv";

/** What holds for every command. */
export interface Settings {
  /** Bootstrap addresses. */
  readonly brokers: string;
  /** Kafka properties: of the profile, of the project, then of `-X`. */
  readonly properties: Readonly<Record<string, string>>;
  /** Properties of `-X` alone. */
  readonly givenProperties: Readonly<Record<string, string>>;
  /** How answers are printed. */
  readonly format: AnswerFormat;
  /** Whether somebody said so, rather than the default. */
  readonly isFormatAsked: boolean;
  /** Whether stdout and stderr may be coloured. */
  readonly color: { readonly stdout: boolean; readonly stderr: boolean };
  /** Errors only. */
  readonly isQuiet: boolean;
  /** More on stderr. */
  readonly isVerbose: boolean;
  /** How long to wait for the cluster; `undefined` for each command's own. */
  readonly timeoutMs: number | undefined;
  /** The topic when none is named on the command line. */
  readonly topic: string;
}

/** Settings that a file holds. */
interface Source {
  /** How errors name it. */
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const FILE_KEYS = [
  "brokers",
  "topic",
  "format",
  "color",
  "timeout",
  "properties",
];

/** Gathers the settings; throws `UsageError` for what can't be read. */
export async function gatherSettings(
  globals: GlobalValues,
  options: { readonly withProfile?: boolean } = {},
): Promise<Settings> {
  const project = await readProject();
  const profile = options.withProfile === false
    ? undefined
    : await readProfile(globals);
  const pick = (name: string) =>
    globals[name]?.[0] ?? variable(`KF_${name.toUpperCase()}`) ??
      textIn(project, name) ?? textIn(profile, name);
  const given = Object.fromEntries(
    (globals["property"] ?? []).map((text) => parsePair(text, "a property")),
  );
  const timeout = pick("timeout");
  return {
    brokers: pick("brokers") ?? "localhost:9092",
    properties: {
      ...propertiesIn(profile),
      ...propertiesIn(project),
      ...given,
    },
    givenProperties: given,
    isFormatAsked: pick("format") !== undefined,
    format: oneOf(pick("format") ?? "text", "format", ["text", "json", "tsv"]),
    color: colors(pick("color") ?? "auto"),
    isQuiet: "quiet" in globals,
    isVerbose: "verbose" in globals,
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
    topic: pick("topic") ?? "default",
  };
}

type Properties = Readonly<
  Record<string, string | number | boolean | undefined>
>;

/**
 * Properties for one kind of client: `defaults`, then those of profile and
 * project, then a command's `own`, which its flags say, then those of `-X`. A
 * profile or project serves all kinds: what it says to another one is passed
 * over. What `-X` says has to fit.
 */
export async function clientProperties(
  settings: Settings,
  { kind, defaults = {}, own }: {
    readonly kind: ClientKind;
    readonly defaults?: Properties;
    readonly own: Properties;
  },
): Promise<Record<string, string | number | boolean>> {
  const { clientKindsOf } = await import("../net/client.ts");
  const set = Object.entries(settings.properties);
  const isGiven = (name: string) =>
    Object.hasOwn(settings.givenProperties, name);
  const isForIt = (name: string) => {
    const kinds = clientKindsOf(name);
    return kinds.length === 0 || kinds.includes(kind);
  };
  const layers: Properties[] = [
    { "bootstrap.servers": settings.brokers, "client.id": "kf" },
    defaults,
    Object.fromEntries(
      set.filter(([name]) => !isGiven(name) && isForIt(name)),
    ),
    own,
    Object.fromEntries(set.filter(([name]) => isGiven(name))),
  ];
  const properties: Record<string, string | number | boolean> = {};
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer)) {
      if (value !== undefined) properties[name] = value;
    }
  }
  return properties;
}

const COMMON =
  /^(bootstrap|client\.id|connections|metadata|reconnect|request|retry|retries|socket|security|ssl|sasl)\b/;

/** Properties that every kind of client knows. */
export function commonProperties(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings.properties).filter(([name]) => COMMON.test(name)),
  );
}

/**
 * The settings of one side of a command that has both: what every client knows
 * as it is, and `producer.linger.ms` or `consumer.fetch.max.bytes` for one.
 */
export function settingsOf(
  side: "producer" | "consumer",
  settings: Settings,
): Settings {
  const properties: Record<string, string> = {};
  const givenProperties: Record<string, string> = {};
  for (const [name, value] of Object.entries(settings.properties)) {
    const [head, rest] = name.split(/\.(.*)/s) as [string, string?];
    const isGiven = Object.hasOwn(settings.givenProperties, name);
    const isNamed = rest !== undefined && head === side;
    const isOther = head === "producer" || head === "consumer";
    if (isNamed || COMMON.test(name) || (!isGiven && !isOther)) {
      const own = isNamed ? rest : name;
      properties[own] = value;
      if (isGiven) givenProperties[own] = value;
    } else if (!isOther) {
      throw new UsageError(
        `Cannot use the property ${name} here: write producer.${name} or consumer.${name}`,
      );
    }
  }
  return { ...settings, properties, givenProperties };
}

function colors(mode: string): Settings["color"] {
  const chosen = oneOf(mode, "color", ["auto", "always", "never"]);
  if (chosen !== "auto") {
    return { stdout: chosen === "always", stderr: chosen === "always" };
  }
  if (variable("NO_COLOR") !== undefined || isDumb()) {
    return { stdout: false, stderr: false };
  }
  return { stdout: isTerminal.stdout(), stderr: isTerminal.stderr() };
}

function oneOf<T extends string>(
  value: string,
  name: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new UsageError(
    `Cannot use "${value}" for ${name}: one of ${choices.join(", ")}`,
  );
}

async function readProject(): Promise<Source | undefined> {
  for (const folder of foldersUp()) {
    const path = `${folder}/.kf.yaml`;
    const text = readText(path);
    if (text === undefined) continue;
    const values = await parseYaml(path, text);
    checkKeys({ path, values });
    return { path, values };
  }
  return undefined;
}

/** The profile that is asked for, or in use. */
async function readProfile(
  globals: GlobalValues,
): Promise<Source | undefined> {
  const asked = globals["profile"]?.[0] ?? variable("KF_PROFILE");
  const { profileNamed, profilesPath, readProfiles } = await import(
    "./profiles.ts"
  );
  const profiles = await readProfiles();
  const name = asked ?? profiles.current;
  if (name === undefined) return undefined;
  const source = {
    path: `${profilesPath()}, profile ${name}`,
    values: profileNamed(profiles, name),
  };
  checkKeys(source);
  return source;
}

function checkKeys({ path, values }: Source): void {
  const unknown = Object.keys(values).find((key) => !FILE_KEYS.includes(key));
  if (unknown === undefined) return;
  throw new UsageError(
    `Unknown key "${unknown}" in "${path}": one of ${FILE_KEYS.join(", ")}`,
  );
}

function textIn(
  source: Source | undefined,
  name: string,
): string | undefined {
  const value = source?.values[name];
  return value === undefined || value === null ? undefined : String(value);
}

function propertiesIn(source: Source | undefined): Record<string, string> {
  const values = source?.values["properties"] ?? {};
  if (!isMapping(values)) {
    throw new UsageError(
      `Cannot read "${source?.path}": properties must hold key: value`,
    );
  }
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, String(value)]),
  );
}
