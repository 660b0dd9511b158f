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

/** No line of the help is longer where there is room. */
const COLUMNS = 80;
/** What stands beside something else takes so much at least. */
const BESIDE_MIN = 24;
/** How far a line that goes on is indented. */
const HANGING = 4;

/** The help of kf, of a family, or of one command, in lines of `columns`. */
export function helpText(
  route: readonly string[],
  columns: number = COLUMNS,
): string {
  return textOf(route).map((part) =>
    typeof part === "string" ? lines(part, columns) : table(part, columns)
  ).join("");
}

function textOf(route: readonly string[]): Part[] {
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

/** Lines, or rows of what is explained and its explanation. */
type Part = string | readonly Row[];

interface Row {
  readonly left: string;
  readonly right: string;
  /** Whether the left is for the shell, which `\\` lets go on in the next line. */
  readonly isCode?: boolean;
}

function overview(): Part[] {
  const rows: Row[] = [];
  for (const spec of COMMANDS) {
    const left = spec.path.split(" ")[0]!;
    const isFamily = Object.hasOwn(FAMILIES, left);
    if (rows.some((row) => row.left === left)) continue;
    rows.push({ left, right: isFamily ? FAMILIES[left]! : spec.summary });
  }
  return [
    "kf: a streaming platform that speaks Kafka\n\n",
    "Usage: kf COMMAND [ARGUMENTS] [FLAGS]\n\n",
    "Commands:\n",
    rows,
    "\nFlags of every command:\n",
    GLOBAL_FLAGS.map(flagRow),
    "\nFirst steps:\n",
    [
      { left: "kf dev", right: "start a broker to try things on" },
      { left: "seq 1 5 | kf produce nums", right: "write five records" },
      { left: "kf consume nums -e", right: "read them" },
    ],
    "\nkf COMMAND --help says more.\n",
  ];
}

function familyHelp(family: string): Part[] {
  const rows = COMMANDS.filter((spec) => spec.path.startsWith(`${family} `))
    .map(({ path, summary }) => ({ left: path, right: summary }));
  return [
    `kf ${family}: ${FAMILIES[family]}\n\nCommands:\n`,
    rows,
    `\nkf ${family} COMMAND --help says more.\n`,
  ];
}

function commandHelp(spec: CommandSpec): Part[] {
  const given = spec.arguments;
  const usage = given === undefined
    ? ""
    : given.min === 0
    ? ` [${given.name.replace(" [", "] [").replace(/\]$/, "")}]`
    : ` ${given.name}`;
  const parts: Part[] = [
    `kf ${spec.path}: ${spec.summary}\n`,
    `\nUsage: kf ${spec.path}${usage} [FLAGS]\n`,
  ];
  if (spec.script !== undefined) {
    parts.push(`\nStands for Kafka's ${spec.script}.\n`);
  }
  if (given !== undefined) {
    parts.push("\nArguments:\n", [{ left: given.name, right: given.brief }]);
  }
  if (spec.flags.length > 0) {
    parts.push("\nFlags:\n", spec.flags.map(flagRow));
  }
  if (spec.more !== undefined) parts.push(`\n${spec.more}\n`);
  if (spec.path === "consume") {
    parts.push(`\n${FORMAT_HELP}`, `\n${EXPRESSION_HELP}`);
  }
  if (spec.json !== undefined) parts.push(`\nJSON: ${spec.json}\n`);
  parts.push("\nFlags of every command:\n", GLOBAL_FLAGS.map(flagRow));
  const examples = spec.examples.map(({ line, does }) => ({
    left: line,
    right: does,
    isCode: true,
  }));
  parts.push("\nExamples:\n", examples);
  return parts;
}

function flagRow(flag: FlagSpec): Row {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value}`;
  const again = flag.repeats ? " (may repeat)" : "";
  return {
    left: `${short}--${flag.name}${value}`,
    right: flag.brief + again,
  };
}

/** Two columns; what the left has no room for stands above. */
function table(rows: readonly Row[], columns: number): string {
  const room = columns - 4 - BESIDE_MIN;
  const fits = rows.map(({ left }) => left.length).filter((n) => n <= room);
  const width = Math.max(HANGING, ...fits);
  const indent = " ".repeat(2 + width + 2);
  return rows.map(({ left, right, isCode }) => {
    const beside = wrapped(right.match(WORDS), columns - indent.length)
      .map((line) => `${indent}${line}\n`).join("");
    if (left.length > width) return above(left, columns, isCode) + beside;
    return `  ${left.padEnd(width)}  ${beside.slice(indent.length)}`;
  }).join("");
}

/** The left alone on its lines. */
function above(left: string, columns: number, isCode = false): string {
  const room = columns - 2 - HANGING - 2;
  const end = isCode ? " \\" : "";
  return `  ${
    wrapped(left.match(isCode ? CODE : WORDS), room)
      .join(`${end}\n  ${" ".repeat(HANGING)}`)
  }\n`;
}

function lines(text: string, columns: number): string {
  return text.split("\n").map((line) =>
    line.length <= columns ? line : wrapped(
      line.match(WORDS),
      columns - HANGING,
    ).join(`\n${" ".repeat(HANGING)}`)
  ).join("\n");
}

/** Words, and the parts of a shape of JSON, each with the blanks behind it. */
const WORDS = /(?:[^ ,]|,(?!["{]))*(?:,| +|$)/g;
/** Words of the shell: what is quoted is one. */
const CODE = /(?:'[^']*'|"[^"]*"|[^ '"])+ */g;

/** Words in lines of at most `columns`, where they are not longer themselves. */
function wrapped(words: readonly string[] | null, columns: number): string[] {
  const found: string[] = [];
  for (const word of words ?? []) {
    const last = found.at(-1);
    const isFull = (last + word.trimEnd()).length > columns;
    if (last === undefined || isFull) found.push(word);
    else found[found.length - 1] += word;
  }
  return found.map((line) => line.trimEnd());
}
