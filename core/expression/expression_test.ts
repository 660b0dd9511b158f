/**
 * Expressions over a record: what each one says of one record, how wrong ones
 * are refused, and that no text and no record make them throw anything else.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LIMITS } from "../limits.ts";
import { compileExpression, type ExpressionRecord } from "./expression.ts";
import { ExpressionError } from "./expression_error.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const RECORD: ExpressionRecord = {
  topic: "orders",
  partition: 3,
  offset: 42,
  timestamp: 1_706_700_000_000,
  key: bytes("eu-1"),
  value: bytes(JSON.stringify({
    total: 120,
    text: "5",
    user: { id: 7, "full name": "Zoë", tags: ["new", "vip", 3] },
    isPaid: true,
    none: null,
  })),
  headers: [
    { key: "trace", value: bytes("old") },
    { key: "trace", value: bytes("abc") },
    { key: "x-empty", value: null },
  ],
};

const TOMBSTONE: ExpressionRecord = { ...RECORD, key: null, value: null };
const BINARY: ExpressionRecord = {
  ...RECORD,
  value: Uint8Array.of(0xff, 0x61, 0x62, 0x61, 0x62, 0x63, 0xfe),
};

const HOLD = `
topic == "orders" && partition == 3 && offset == 42
timestamp == 1706700000000
time >= @2024-01-31T11:20:00Z
time < @2024-02-01
key == "eu-1"
'eu-1' == key
key != "us-1"
key =~ /^eu-\\d$/
key =~ "^EU-" or key =~ /^EU-/i
key !~ /us/
key startsWith "eu" and key endsWith "1" and key contains "u-"
value contains '"total":120'
value contains ""
not (value contains "nothing")
not value contains "nothing"
value.total > 80 && key =~ "^e"
value.total * 2 - 1 == 239 && -value.total < 0
value.total / 0 == null
value.total % 7 == 1
1 + 2 * 3 == 7
value.text == "5" && number(value.text) + 1 == 6
value.text != 5
value.user.id in [1, 7, "x"]
value.user.id not in [1, "7"]
value.none in [null]
value.user["full name"] == "Zo\\u00eb"
value["user"].tags[1] == "vip"
value.user.tags contains "vip"
value.user.tags contains 3
value.user.tags startsWith "new" && value.user.tags endsWith 3
value.isPaid
value.isPaid == true
!value.missing
value.missing == null
value.missing.deeper[3].still == null
value.none == null
value.user.tags[9] == null
value.user.tags["length"] == null
value.constructor == null
value.__proto__ == null && value.user.__proto__.x == null
key.anything == null
headers.trace == "abc"
header("trace") =~ /^a/
headers["x-empty"] == null
headers.none == null
"a" < "b" && not ("b" < "a")
not ("5" < 6) && not (6 < "5") && not (null < 1)
value.user != value.user
true || value.a.b.c
false or not false and true
`;

const FAIL = `
null
value
value.total
value.total == "120"
value.user == value.user
key == null
key =~ /^u/
key == "eu-1" and not key == "eu-1"
value contains "\\u0000"
value.user contains "id"
value.total contains 1
headers.trace == "old"
`;

const lines = (text: string) => text.trim().split("\n");

Deno.test("an expression says what holds for a record", () => {
  for (const line of lines(HOLD)) {
    assert(compileExpression(line)(RECORD), line);
  }
  for (const line of lines(FAIL)) {
    assert(!compileExpression(line)(RECORD), line);
  }
});

Deno.test("a record without key and value has null for them and their parts", () => {
  const hold = [
    "key == null && value == null",
    "value.a.b == null",
    'not (value contains "")',
    'not (key startsWith "")',
    "value !~ /x/",
    "not (value =~ //)",
    'value != ""',
  ];
  for (const line of hold) assert(compileExpression(line)(TOMBSTONE), line);
});

Deno.test("bytes that are no text can be searched for text", () => {
  const hold = [
    'value contains "abc"',
    'not (value startsWith "a")',
    'value =~ "ab.bc|abab"',
    "value.a == null",
    "value != null",
  ];
  for (const line of hold) assert(compileExpression(line)(BINARY), line);
});

Deno.test("one predicate serves many records", () => {
  const holds = compileExpression('value.total > 80 && key =~ "^e"');
  const answers = [RECORD, TOMBSTONE, RECORD, BINARY, RECORD].map(holds);
  assertEquals(answers, [true, false, true, false, true]);
});

Deno.test("what is no expression is refused, with its column", () => {
  const wrong: [string, number, RegExp][] = [
    ["", 1, /there is none/],
    ["valeu.total > 1", 1, /unknown name "valeu"/],
    ["value.total >", 14, /missing before the end/],
    ["value.total = 1", 13, /compare with ==/],
    ["a & b", 3, /&& for and/],
    ['key == "a', 8, /has no end/],
    ["key =~ /a", 8, /has no end/],
    ["key =~ /(a/", 9, /no "\)"/],
    ['key =~ "(a"', 8, /no "\)"/],
    ["key =~ key", 8, /regular expression is missing/],
    ["key =~ /(a)\\1/", 12, /back-references/],
    ["1 < 2 < 3", 7, /two comparisons/],
    ['key contains "a" in ["b"]', 18, /two comparisons/],
    ["key in 1", 8, /"\[" is missing/],
    ["key in [key]", 9, /a list holds/],
    ["key in [1 2]", 11, /"," is missing/],
    ["key not 1", 9, /"in" is missing/],
    ["(1", 3, /"\)" is missing/],
    ["1)", 2, /operator is missing/],
    ["headers == 1", 1, /name one header/],
    ["offset.a == 1", 7, /has no parts/],
    ["value. == 1", 8, /name is missing/],
    ["value[a] == 1", 7, /index or a name/],
    ["12ab == 1", 1, /ends in a letter/],
    ["offset == 9007199254740993", 11, /too large/],
    ["time > @yesterday", 8, /write a time/],
    ['key == "\\q"', 9, /unknown escape/],
    ['key == "\\ud800"', 9, /surrogate/],
    ["ключ == 1", 1, /unknown name/],
    ["(".repeat(65) + "1", 65, /deeper than 64/],
    ["not ".repeat(65) + "true", 257, /deeper than 64/],
    ["-" + "-".repeat(70) + "key", 65, /deeper than 64/],
    [" ".repeat(LIMITS.expressionCharsMax + 1), 4097, /longer than/],
  ];
  for (const [text, column, reason] of wrong) {
    const error = assertThrows(() => compileExpression(text), ExpressionError);
    assert(reason.test(error.message), `${text}: ${error.message}`);
    assertEquals(error.column, column, `${text}: ${error.message}`);
  }
});

const anyBytes = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.json({ maxDepth: 3 }).map(bytes),
    fc.constantFrom("[".repeat(100_000), '{"a":1e999}', "null", "").map(bytes),
  ),
);

const anyRecord: fc.Arbitrary<ExpressionRecord> = fc.record({
  topic: fc.string(),
  partition: fc.nat(),
  offset: fc.maxSafeNat(),
  timestamp: fc.integer(),
  key: anyBytes,
  value: anyBytes,
  headers: fc.array(fc.record({ key: fc.string(), value: anyBytes })),
});

const WORDS = [
  ..."()[].,!<>+-*/%",
  ..."key value value.a value[0] headers.a time offset true null".split(" "),
  ..."== != >= =~ !~ && || and or not in contains startsWith".split(" "),
  ...'"a" 1 0.5 /a*b/ /[/ @2026-01-31 @x number( ["a",1] \\ \u{1f600}'
    .split(" "),
];

Deno.test("any text is an expression or refused, and any record is answered", () => {
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom(...WORDS), { maxLength: 12 })
      .map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(text, anyRecord, (source, record) => {
      try {
        assertEquals(typeof compileExpression(source)(record), "boolean");
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        assert(error.column >= 1 && error.column <= source.length + 1);
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("a search of bytes finds what a search of text finds", () => {
  const unit = fc.constantFrom("a", "b", "é", "\u{1f600}");
  const text = fc.string({ unit, maxLength: 8 });
  fc.assert(
    fc.property(text, fc.string({ unit, maxLength: 3 }), (whole, part) => {
      const record = { ...RECORD, value: bytes(whole) };
      const holds = (operator: string) =>
        compileExpression(`value ${operator} ${JSON.stringify(part)}`)(record);
      assertEquals(holds("contains"), whole.includes(part));
      assertEquals(holds("startsWith"), whole.startsWith(part));
      assertEquals(holds("endsWith"), whole.endsWith(part));
      assertEquals(holds("=="), whole === part);
    }),
  );
});
