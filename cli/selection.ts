/**
 * Which records of those that are read are wanted: `--filter`, `--where` and
 * `--key` as one predicate. It looks at one record at a time and keeps none.
 *
 * @module
 */
import type { ConsumerRecord, ExpressionRecord } from "../net/client.ts";
import type { Flags } from "./command.ts";
import { UsageError } from "./failure.ts";

/** Whether a record is wanted. */
export type KeepRecord = (record: ConsumerRecord) => boolean;

/** All of `--filter` and `--where`; undefined when every record is wanted. */
export async function readSelection(
  flags: Flags,
): Promise<KeepRecord | undefined> {
  const filters = flags.all("filter");
  const wheres = flags.all("where");
  if (filters.length === 0 && wheres.length === 0) return undefined;
  const { compileExpression, Regex } = await import("../net/client.ts");
  const tests = [
    ...filters.map((text) => {
      const [what, pattern] = splitFilter(text);
      const regex = asUsage(`--filter "${text}"`, () => new Regex(pattern));
      return (record: ConsumerRecord) =>
        subjects(record, what).some((subject) =>
          subject !== null && regex.searchBytes(subject)
        );
    }),
    ...wheres.map((text): (record: ExpressionRecord) => boolean =>
      asUsage(`--where "${text}"`, () => compileExpression(text))
    ),
  ];
  if (tests.length === 1) return tests[0]!;
  return (record) => tests.every((test) => test(record));
}

/** What a filter looks at: the key, the value, or the headers of a name. */
type Subject = { of: "key" | "value" } | { of: "header"; name: string };

function splitFilter(text: string): [Subject, string] {
  if (text.startsWith("k:")) return [{ of: "key" }, text.slice(2)];
  if (text.startsWith("v:")) return [{ of: "value" }, text.slice(2)];
  const at = text.indexOf("=");
  if (text.startsWith("h:") && at > 2) {
    return [{ of: "header", name: text.slice(2, at) }, text.slice(at + 1)];
  }
  throw new UsageError(
    `Cannot read "${text}" as a filter: write k:REGEX, v:REGEX or h:NAME=REGEX`,
  );
}

function subjects(
  record: ConsumerRecord,
  what: Subject,
): (Uint8Array | null)[] {
  if (what.of !== "header") return [record[what.of]];
  return record.headers.filter(({ key }) => key === what.name)
    .map(({ value }) => value);
}

/** Runs `compile`; what it can't read is wrong use of the flag. */
export function asUsage<T>(what: string, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`Cannot use ${what}: ${error.message}`, {
      cause: error,
    });
  }
}
