/**
 * Answers on stdout in three forms: a table for people, JSON, TSV. And what is
 * said on stderr. It must never print anything else on stdout.
 *
 * @module
 */
import { ItemsFailed, sentenceOf } from "./failure.ts";
import type { ClientOptions, TraceLevel } from "../net/client.ts";
import type { Settings } from "./settings.ts";
import {
  BrokenPipe,
  columns,
  isTerminal,
  printErr,
  printOut,
} from "./terminal.ts";

/** One cell. */
export type Cell = string | number | boolean | null;

/** An answer in its forms. */
export interface Answer {
  /** What JSON prints. */
  readonly json: unknown;
  /** Column names of table and TSV. */
  readonly columns: readonly string[];
  /** Rows of table and TSV. */
  readonly rows: readonly (readonly Cell[])[];
  /** What people read instead of an empty table. */
  readonly whenEmpty?: string;
  /** What makes it another answer to whoever watches; its text when absent. */
  readonly changesWith?: string;
}

/** Prints an answer in the form that was asked for. */
export async function printAnswer(
  answer: Answer,
  settings: Settings,
): Promise<void> {
  const text = await renderAnswer(answer, settings);
  if (text !== "") {
    try {
      printOut(text);
    } catch (error) {
      // Its reader has gone: what failed is still to be told.
      if (!(error instanceof BrokenPipe)) throw error;
    }
  } else if (!settings.isQuiet && answer.whenEmpty !== undefined) {
    printErr(`${answer.whenEmpty}\n`);
  }
}

/** An answer in the form that was asked for; an empty table is no text. */
export async function renderAnswer(
  answer: Answer,
  settings: Settings,
): Promise<string> {
  if (settings.format === "json") {
    return jsonText(answer.json) + "\n";
  }
  if (settings.format === "tsv") {
    return [answer.columns, ...answer.rows].map((row) =>
      row.map(tsvCell).join("\t") + "\n"
    ).join("");
  }
  if (answer.rows.length === 0) return "";
  const { gridText } = await import("./grid.ts");
  return await gridText({
    columns: answer.columns,
    rows: answer.rows.map((row) => row.map(textCell)),
    isNumeric: answer.columns.map((_, i) =>
      answer.rows.every((row) =>
        typeof row[i] === "number" || row[i] === null
      ) && answer.rows.some((row) => row[i] !== null)
    ),
  }, {
    isColored: settings.color.stdout,
    // Off a terminal nothing is ever cut.
    width: isTerminal.stdout() ? columns() : Infinity,
  });
}

/**
 * JSON in several lines for people; off a terminal a value is one line. It
 * escapes itself the control characters that drive a terminal but for these.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, isTerminal.stdout() ? 2 : 0)
    .replace(
      /[\x7f-\x9f]/g,
      (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
    );
}

/** How a client tells of trouble that it goes on after: as kf itself would. */
export function clientOptions(settings: Settings): ClientOptions {
  const levels: readonly TraceLevel[] = settings.isQuiet
    ? ["error"]
    : settings.isVerbose
    ? ["error", "warn", "info", "debug"]
    : ["error", "warn"];
  return {
    trace(level, event, fields = {}) {
      if (!levels.includes(level)) return;
      const said = Object.entries(fields).map(([name, value]) =>
        name === "error" ? `: ${sentenceOf(value)}` : ` ${name}=${value}`
      );
      printErr(`kf: ${event}${said.join("")}\n`);
    },
  };
}

/** Says something on stderr unless `--quiet`. */
export function say(text: string, settings: Settings): void {
  if (!settings.isQuiet) printErr(`kf: ${text}\n`);
}

/** Whether `path` is what somebody types, who is told so. */
export function sayTyped(
  what: string,
  path: string,
  settings: Settings,
): boolean {
  const isTyped = path === "-" && isTerminal.stdin();
  if (isTyped) say(`reading ${what} from the terminal; Ctrl-D ends`, settings);
  return isTyped;
}

/** Names every failed item on stderr; throws when there is one. */
export function throwFailed(
  items: readonly { readonly name: string; readonly error?: unknown }[],
  what: string,
): void {
  const failed = items.filter((item) => item.error !== undefined);
  for (const item of failed) {
    const why = sentenceOf(item.error);
    // The client's sentences name the item already; some brokers' don't.
    const said = why.startsWith("Cannot ")
      ? why
      : `Cannot ${what} "${item.name}": ${why}`;
    printErr(`kf: ${said}\n`);
  }
  if (failed.length > 0) throw new ItemsFailed(`${failed.length} failed`);
}

function textCell(cell: Cell): string {
  return cell === null ? "-" : printable(String(cell));
}

/** Control characters must not reach a person's terminal. */
export function printable(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A cell of TSV: what would end it is escaped, null is empty. */
export function tsvCell(cell: Cell): string {
  const escapes: Readonly<Record<string, string>> = {
    "\\": "\\\\",
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
  };
  return cell === null
    ? ""
    : String(cell).replace(/[\\\t\n\r]/g, (char) => escapes[char]!);
}
