/**
 * `kf log dump`: what is in the files of a log, or what is wrong with them.
 * It prints rows as they are read; nothing of a file is held back.
 *
 * @module
 */
import type { DumpRow } from "../../core/log.ts";
import { ByteSink } from "../byte_sink.ts";
import type { Call } from "../command.ts";
import { ItemsFailed } from "../failure.ts";
import { type Cell, printable, say, tsvCell } from "../output.ts";
import { envelopeText } from "../record_format.ts";
import { wholePath, writeOut } from "../terminal.ts";

const FLUSH_BYTES = 64 * 1024;
/** Where `kf broker` keeps its data when nothing else is said. */
const DATA = "kf-data";

/** Prints one row into a sink. */
type PrintRow = (row: DumpRow, sink: ByteSink) => void;

/** Runs `kf log dump`; a problem is exit code 1. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const verify = flags.has("verify");
  const records = flags.has("records");
  const { dumpLog } = await import("../../core/log.ts");
  const paths = (args.length > 0 ? args : [DATA]).map(namingItsTopic);
  const print = settings.format === "json"
    ? printJson
    : settings.format === "tsv"
    ? printTsv
    : verify
    ? printProblem
    : textPrinter();
  const sink = new ByteSink(FLUSH_BYTES * 2);
  const flush = () => {
    writeOut(sink.view());
    sink.length = 0;
  };
  const count = { batches: 0, entries: 0, problems: 0 };
  for (const row of dumpLog(paths, { verify, records })) {
    if (row.kind === "problem") count.problems++;
    else if (row.kind === "batch") count.batches++;
    else if (row.kind !== "record") count.entries++;
    if (verify && row.kind !== "problem") continue;
    print(row, sink);
    if (sink.length >= FLUSH_BYTES) flush();
  }
  flush();
  const { batches, entries, problems } = count;
  if (verify || problems > 0) {
    say(
      `${named(batches, "batch", "batches")} and ${
        named(entries, "entry", "entries")
      } read, ${named(problems, "problem", "problems")}`,
      settings,
    );
  }
  if (problems > 0) throw new ItemsFailed(`${problems} problems`);
}

/**
 * A file of one of Kafka's own topics is known by its folder. Where the path as
 * given leaves that out, its records would be told raw, secrets and all.
 */
function namingItsTopic(path: string): string {
  const own = /(^|\/)__[a-z_]+-\d+(\/|$)/;
  if (own.test(path)) return path;
  const whole = wholePath(path);
  return own.test(whole) ? whole : path;
}

function named(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The row as JSON prints it: bytes as text, headers as pairs. */
function plain(row: DumpRow): Readonly<Record<string, unknown>> {
  if (row.kind !== "record") return { ...row };
  const { key, value, headers, decoded, ...rest } = row;
  return {
    ...rest,
    key: envelopeText(key),
    value: envelopeText(value),
    headers: headers.map((header) => [header.key, envelopeText(header.value)]),
    decoded: decoded && withoutBytes(decoded),
  };
}

/** `tree` as JSON can hold it. */
function withoutBytes(tree: unknown): unknown {
  if (tree instanceof Uint8Array) return envelopeText(tree);
  if (Array.isArray(tree)) return tree.map(withoutBytes);
  if (typeof tree !== "object" || tree === null) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([name, each]) => [name, withoutBytes(each)]),
  );
}

function printJson(row: DumpRow, sink: ByteSink): void {
  sink.text(`${JSON.stringify(plain(row))}\n`);
}

function printTsv(row: DumpRow, sink: ByteSink): void {
  const cells = Object.values(plain(row)).map(cellOf);
  sink.text(`${cells.map(tsvCell).join("\t")}\n`);
}

function printProblem(row: DumpRow, sink: ByteSink): void {
  if (row.kind !== "problem") return;
  sink.text(
    printable(
      `${row.file} at ${row.position}: ${row.problem}; ${row.remedy}`,
    ) + "\n",
  );
}

/** What people are spared when it has been decoded. */
const RAW: ReadonlySet<string> = new Set(["key", "value", "headers"]);

/** A line per row under a line per file: `kind name=value …`. */
function textPrinter(): PrintRow {
  let file: string | undefined;
  return (row, sink) => {
    if (row.file !== file) {
      if (file !== undefined) sink.text("\n");
      sink.text(`${printable(row.file)}\n`);
      file = row.file;
    }
    const { file: _, kind, ...rest } = plain(row);
    const isDecoded = (rest["decoded"] ?? null) !== null;
    const values = Object.entries(rest)
      .filter(([, value]) => value !== null)
      .filter(([name]) => !isDecoded || !RAW.has(name))
      .map(([name, value]) => ` ${name}=${textOf(value)}`);
    sink.text(`  ${kind}${values.join("")}\n`);
  };
}

/** Text that can be told from what stands beside it. */
function textOf(value: unknown): string {
  return typeof value === "string" && /^[\w.:-]+$/.test(value)
    ? value
    : printable(JSON.stringify(value));
}

function cellOf(value: unknown): Cell {
  const isCell = value === null || typeof value !== "object";
  return isCell ? value as Cell : JSON.stringify(value);
}
