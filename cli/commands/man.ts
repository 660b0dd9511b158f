/**
 * `kf man`: the manual page of kf in roff, made from the table of commands.
 * It never says anything that the table doesn't.
 *
 * @module
 */
import type { Call, CommandSpec, FlagSpec } from "../command.ts";
import { COMMANDS, GLOBAL_FLAGS } from "../commands.ts";
import { printOut } from "../terminal.ts";

/** Runs `kf man`. */
export function run(_call: Call): Promise<void> {
  printOut([
    `.TH KF 1 "" "kf" "kf manual"`,
    ".nh",
    ".ad l",
    ".SH NAME",
    text("kf - a streaming platform that speaks Kafka"),
    ".SH SYNOPSIS",
    ".B kf",
    ".I COMMAND",
    text("[ARGUMENTS] [FLAGS]"),
    ".SH COMMANDS",
    ...COMMANDS.flatMap(commandLines),
    ".SH FLAGS OF EVERY COMMAND",
    ...GLOBAL_FLAGS.flatMap(flagLines),
    ".SH EXIT STATUS",
    ...itemLines("0", "done; the end or a limit was reached"),
    ...itemLines("1", "the cluster, or any single item, failed"),
    ...itemLines("2", "wrong use of the command line"),
    ...itemLines("130, 143", "ended by a second SIGINT or SIGTERM"),
    "",
  ].join("\n"));
  return Promise.resolve();
}

function commandLines(spec: CommandSpec): string[] {
  const given = spec.arguments;
  const usage = given === undefined ? "" : ` ${given.name}`;
  const lines = [`.SS ${text(`kf ${spec.path}${usage}`)}`, text(spec.summary)];
  if (spec.script !== undefined) {
    lines.push(".PP", text(`Stands for Kafka's ${spec.script}.`));
  }
  if (given !== undefined) lines.push(...itemLines(given.name, given.brief));
  lines.push(...spec.flags.flatMap(flagLines));
  if (spec.more !== undefined) {
    lines.push(".PP", ".nf", ...spec.more.split("\n").map(text), ".fi");
  }
  if (spec.json !== undefined) {
    // A shape is one long word: it may break behind each comma.
    const shape = text(`JSON: ${spec.json}`).replaceAll(",", ",\\:");
    lines.push(".PP", shape);
  }
  lines.push(".PP", "Examples:");
  for (const { line, does } of spec.examples) {
    lines.push(...itemLines(line, does));
  }
  return lines;
}

function flagLines(flag: FlagSpec): string[] {
  const short = flag.short === undefined ? "" : `-${flag.short}, `;
  const value = flag.value === undefined ? "" : ` ${flag.value}`;
  const again = flag.repeats ? " (may repeat)" : "";
  return itemLines(`${short}--${flag.name}${value}`, flag.brief + again);
}

function itemLines(term: string, description: string): string[] {
  return [".TP", `.B ${text(term)}`, text(description)];
}

/** Text that roff takes as it stands: a line must not begin with a control. */
function text(plain: string): string {
  const escaped = plain.replaceAll("\\", "\\e").replaceAll("-", "\\-")
    .replaceAll("…", "...").replaceAll('"', "\\(dq").replaceAll("'", "\\(aq");
  return escaped.startsWith(".") ? `\\&${escaped}` : escaped;
}
