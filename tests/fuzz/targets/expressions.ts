/**
 * Expressions over records and regular expressions: an error with a place, or
 * an answer in time linear to the text. Where JavaScript's own `RegExp` means
 * the same, both answer alike.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { compileExpression } from "../../../core/expression/expression.ts";
import { ExpressionError } from "../../../core/expression/expression_error.ts";
import { Regex } from "../../../core/expression/regex.ts";
import { RegexError } from "../../../core/expression/regex_pattern.ts";
import type { Chance } from "../../sim/chance.ts";
import { mutate } from "../mutate.ts";
import { expecting, type FuzzTarget, headed, headOf } from "../target.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

const ATOMS = [
  "key",
  "value",
  "value.a.b[0]",
  'value["x y"]',
  "headers.h",
  'header("h")',
  "topic",
  "partition",
  "offset",
  "timestamp",
  "null",
  "true",
  "1.5e3",
  "-7",
  '"a\\u00e9"',
  'now - "1h"',
  '"2024-01-01T00:00:00Z"',
];
const OPERATORS = [
  "==",
  "!=",
  "<",
  ">=",
  "+",
  "-",
  "*",
  "/",
  "%",
  "and",
  "or",
  "&&",
  "||",
  "=~",
  "!~",
  "contains",
  "startsWith",
  "endsWith",
];
const PIECES = [
  "a",
  "b",
  ".",
  "x*",
  "(a|b)+",
  "[a-c]",
  "[^\\d]",
  "\\w",
  "\\b",
  "^",
  "$",
  "(?:",
  "(?i)",
  ")",
  "{2,5}",
  "{1000}",
  "?",
  "*?",
  "|",
  "\\p{L}",
  "\\x{1f600}",
  "é",
  "\\Qa.b\\E",
];
/** What both kinds of regular expression mean alike. */
const COMMON = /^(?:[abc.|]|\(\?:|\)|\[abc\]|[*+?](?![*+?{]))*$/;

const RECORD = {
  topic: "t",
  partition: 1,
  offset: 7,
  timestamp: 1_800_000_000_000,
  key: ENCODER.encode("eu-1"),
  value: ENCODER.encode('{"a":{"b":[1,"x"]},"total":120,"x y":null}'),
  headers: [{ key: "h", value: ENCODER.encode("é") }],
};

function expression(chance: Chance, depth = 0): string {
  if (depth > 4 || chance.oneIn(3)) return chance.pick(ATOMS);
  const left = expression(chance, depth + 1);
  const operator = chance.pick(OPERATORS);
  const right = operator.includes("~")
    ? JSON.stringify(pattern(chance))
    : expression(chance, depth + 1);
  const whole = `${left} ${operator} ${right}`;
  return chance.oneIn(3) ? `not (${whole})` : whole;
}

function pattern(chance: Chance): string {
  return Array.from({ length: chance.below(12) }, () => chance.pick(PIECES))
    .join("");
}

function runExpression(text: string): void {
  const holds = expecting([ExpressionError], () => compileExpression(text));
  if (holds === undefined) return;
  const first = holds(RECORD);
  holds({ ...RECORD, key: null, value: null, headers: [] });
  assertEquals(holds(RECORD), first, "one record, one answer");
}

const SUBJECTS = [
  "",
  "a",
  "abc",
  "ab\ncab",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
  "é한\u{1f600}\ud800",
  "abcabc".repeat(200),
];

function runRegex(text: string): void {
  const regex = expecting([RegexError], () => new Regex(text));
  if (regex === undefined) return;
  const own = COMMON.test(text) ? ownRegExp(text) : undefined;
  for (const subject of SUBJECTS) {
    const found = regex.search(subject);
    if (subject.isWellFormed()) {
      assertEquals(
        regex.searchBytes(ENCODER.encode(subject)),
        found,
        `${text} in bytes`,
      );
    }
    if (regex.matches(subject) && !found) {
      throw new Error(`${text} matches all of a text in which it isn't`);
    }
    if (own !== undefined && subject.length < 20) {
      assertEquals(found, own.test(subject), `${text} in ${subject}`);
    }
  }
}

function ownRegExp(text: string): RegExp | undefined {
  try {
    return new RegExp(text, "u");
  } catch {
    return undefined;
  }
}

export const expressions: FuzzTarget = {
  name: "expressions",
  generate(chance) {
    const kind = chance.pick(["expression", "regex"]);
    const text = kind === "regex" ? pattern(chance) : expression(chance);
    const words = (kind === "regex" ? PIECES : [...ATOMS, ...OPERATORS])
      .map((word) => ENCODER.encode(word));
    const body = ENCODER.encode(text);
    return headed(kind, chance.oneIn(2) ? body : mutate(body, chance, words));
  },
  run(input) {
    const { head, body } = headOf(input);
    const text = DECODER.decode(body);
    if (head === "expression") runExpression(text);
    if (head === "regex") runRegex(text);
  },
};
