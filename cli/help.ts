/**
 * Help for people and for programs, read from the table of commands. It never
 * loads a command's code.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "./command.ts";
import { COMMANDS, FAMILIES, GLOBAL_FLAGS } from "./commands.ts";

const FORMAT_HELP = `Record format (-f):
  %t topic   %p partition   %o offset   %T timestamp (ms)   %h headers
  %k key     %v or %s value   %K %V %S lengths (-1 for null)   %R = %S{big32}
  %k{hex} %v{base64}   %T{rfc3339}   %V{big32} length prefixes; %% is a %
  \\n \\r \\t \\0 \\\\ \\xNN
`;

const EXPRESSION_HELP = `Expressions (--where):
  key, value   their text; value.user.id or value["a b"][0] what is in its JSON
  headers.NAME topic partition offset timestamp   a header's text; facts
  == != < <= > >=   =~ !~ "regex" or /regex/i   contains startsWith endsWith
  in ["a", 1]   and or not (also && || !)   + - * / %   number(value.total)
  "text" 'text' 12.5 true false null   @2026-01-31T12:00:00Z a time
  What is missing, no JSON or of another kind is null, never an error.
`;

/** The help of kf, of a family, or of one command. */
export function helpText(route: readonly string[]): string {
  const path = route.join(" ");
  const command = COMMANDS.find((spec) => spec.path === path);
  if (command !== undefined) return commandHelp(command);
  const family = route[0];
  if (family !== undefined && Object.hasOwn(FAMILIES, family)) {
    return familyHelp(family);
  }
  return overview();
}

/** All commands and flags, for programs. */
export function helpJson(): string {
  const commands = COMMANDS.map((
    { load: _load, arguments: given, ...spec },
  ) => ({
    ...spec,
    arguments: given === undefined ? null : {
      ...given,
      max: Number.isFinite(given.max) ? given.max : null,
    },
  }));
  return JSON.stringify({ name: "kf", globalFlags: GLOBAL_FLAGS, commands });
}

function overview(): string {
  const rows: [string, string][] = [];
  for (const spec of COMMANDS) {
    const head = spec.path.split(" ")[0]!;
    const isFamily = Object.hasOwn(FAMILIES, head);
    if (rows.some(([name]) => name === head)) continue;
    rows.push([head, isFamily ? FAMILIES[head]! : spec.summary]);
  }
  return `kf: a streaming platform that speaks Kafka

Usage: kf COMMAND [ARGUMENTS] [FLAGS]

Commands:
${table(rows)}
Flags of every command:
${table(GLOBAL_FLAGS.map(flagRow))}
First steps:
  kf dev                       start a broker to try things on
  seq 1 5 | kf produce nums    write five records
  kf consume nums -e           read them

kf COMMAND --help says more.
`;
}

function familyHelp(family: string): string {
  const rows = COMMANDS.filter((spec) => spec.path.startsWith(`${family} `))
    .map((spec): [string, string] => [spec.path, spec.summary]);
  return `kf ${family}: ${FAMILIES[family]}

Commands:
${table(rows)}
kf ${family} COMMAND --help says more.
`;
}

function commandHelp(spec: CommandSpec): string {
  const given = spec.arguments;
  const usage = given === undefined
    ? ""
    : given.min === 0
    ? ` [${given.name.replace(" [", "] [").replace(/\]$/, "")}]`
    : ` ${given.name}`;
  const parts = [
    `kf ${spec.path}: ${spec.summary}\n`,
    `Usage: kf ${spec.path}${usage} [FLAGS]\n`,
  ];
  if (spec.script !== undefined) {
    parts.push(`Stands for Kafka's ${spec.script}.\n`);
  }
  if (given !== undefined) {
    parts.push(`Arguments:\n${table([[given.name, given.brief]])}`);
  }
  if (spec.flags.length > 0) {
    parts.push(`Flags:\n${table(spec.flags.map(flagRow))}`);
  }
  if (spec.path === "consume") parts.push(FORMAT_HELP, EXPRESSION_HELP);
  if (spec.json !== undefined) parts.push(`JSON: ${spec.json}\n`);
  parts.push(`Flags of every command:\n${table(GLOBAL_FLAGS.map(flagRow))}`);
  const examples = spec.examples.map((example): [string, string] => [
    example.line,
    example.does,
  ]);
  parts.push(`Examples:\n${table(examples)}`);
  return parts.join("\n");
}

function flagRow(flag: FlagSpec): [string, string] {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value}`;
  const again = flag.repeats ? " (may repeat)" : "";
  return [`${short}--${flag.name}${value}`, flag.brief + again];
}

function table(rows: readonly [string, string][]): string {
  const width = Math.min(40, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) =>
    left.length > width
      ? `  ${left}\n  ${" ".repeat(width)}  ${right}\n`
      : `  ${left.padEnd(width)}  ${right}\n`
  ).join("");
}
