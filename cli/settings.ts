/**
 * What holds for every command, with its precedence in one place: flag, then
 * `KF_*` variable, then the project's `.kf.yaml`, then the default. It never
 * talks to a cluster.
 *
 * @module
 */
import type { GlobalValues } from "./argv.ts";
import { UsageError } from "./failure.ts";
import { foldersUp, isTerminal, readText, variable } from "./terminal.ts";
import { parseDuration, parsePair } from "./units.ts";
import { isMapping, parseYaml } from "./yaml.ts";

/** How answers are printed. */
export type AnswerFormat = "text" | "json" | "tsv";

/** What holds for every command. */
export interface Settings {
  /** Bootstrap addresses. */
  readonly brokers: string;
  /** Kafka properties: of the project, then of `-X`. */
  readonly properties: Readonly<Record<string, string>>;
  /** Properties of `-X` alone. */
  readonly givenProperties: Readonly<Record<string, string>>;
  /** How answers are printed. */
  readonly format: AnswerFormat;
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

interface Project {
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const PROJECT_KEYS = [
  "brokers",
  "topic",
  "format",
  "color",
  "timeout",
  "properties",
];

/** Gathers the settings; throws `UsageError` for what can't be read. */
export async function gatherSettings(globals: GlobalValues): Promise<Settings> {
  const project = await readProject();
  const pick = (name: string) =>
    globals[name]?.[0] ?? variable(`KF_${name.toUpperCase()}`) ??
      projectText(project, name);
  const given = Object.fromEntries(
    (globals["property"] ?? []).map((text) => parsePair(text, "a property")),
  );
  const timeout = pick("timeout");
  return {
    brokers: pick("brokers") ?? "localhost:9092",
    properties: { ...projectProperties(project), ...given },
    givenProperties: given,
    format: oneOf(pick("format") ?? "text", "format", ["text", "json", "tsv"]),
    color: colors(pick("color") ?? "auto"),
    isQuiet: "quiet" in globals,
    isVerbose: "verbose" in globals,
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout),
    topic: pick("topic") ?? "default",
  };
}

/** Client properties for a producer, consumer or admin client. */
export function clientProperties(
  settings: Settings,
  own: Readonly<Record<string, string | number | boolean | undefined>> = {},
): Record<string, string | number | boolean> {
  const properties: Record<string, string | number | boolean> = {
    "bootstrap.servers": settings.brokers,
    "client.id": "kf",
  };
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined) properties[name] = value;
  }
  return { ...properties, ...settings.properties };
}

const COMMON =
  /^(bootstrap|client\.id|connections|metadata|reconnect|request|retry|retries|socket|security|ssl|sasl)\b/;

/** Properties that every kind of client knows. */
export function commonProperties(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings.properties).filter(([name]) => COMMON.test(name)),
  );
}

function colors(mode: string): Settings["color"] {
  const chosen = oneOf(mode, "color", ["auto", "always", "never"]);
  if (chosen !== "auto") {
    return { stdout: chosen === "always", stderr: chosen === "always" };
  }
  if (variable("NO_COLOR") !== undefined || variable("TERM") === "dumb") {
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

async function readProject(): Promise<Project | undefined> {
  for (const folder of foldersUp()) {
    const path = `${folder}/.kf.yaml`;
    const text = readText(path);
    if (text === undefined) continue;
    const values = await parseYaml(path, text);
    for (const key of Object.keys(values)) {
      if (PROJECT_KEYS.includes(key)) continue;
      throw new UsageError(
        `Unknown key "${key}" in "${path}": one of ${PROJECT_KEYS.join(", ")}`,
      );
    }
    return { path, values };
  }
  return undefined;
}

function projectText(
  project: Project | undefined,
  name: string,
): string | undefined {
  const value = project?.values[name];
  return value === undefined || value === null ? undefined : String(value);
}

function projectProperties(
  project: Project | undefined,
): Record<string, string> {
  const values = project?.values["properties"] ?? {};
  if (!isMapping(values)) {
    throw new UsageError(
      `Cannot read "${project?.path}": properties must hold key: value`,
    );
  }
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, String(value)]),
  );
}
