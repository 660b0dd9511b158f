/**
 * Regular expressions: RE2's syntax, JavaScript's answers wherever both speak
 * of the same, and time in proportion to the text for every pattern.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LIMITS } from "../limits.ts";
import { Regex } from "./regex.ts";
import { RegexError } from "./regex_pattern.ts";

/** Pattern, texts that hold a match, texts that hold none. */
const SEARCHES: readonly [string, string[], string[]][] = [
  ["", ["", "a"], []],
  ["b", ["b", "abc"], ["", "a"]],
  ["^b", ["b", "bc"], ["ab", "a\nb"]],
  ["b$", ["b", "ab"], ["ba", "b\n"]],
  ["^$", [""], ["a", "\n"]],
  ["a.c", ["abc", "a\u{1f600}c", "a\rc"], ["ac", "a\nc"]],
  ["(?s)a.c", ["a\nc"], ["ac"]],
  ["(?m)^b$", ["a\nb\nc", "b"], ["a\nbc"]],
  ["(?i)straße", ["STRAßE", "straße"], ["strasse"]],
  ["(?i:a)b", ["Ab", "ab"], ["aB"]],
  ["(?i)a(?-i)b", ["Ab"], ["AB"]],
  ["(?i)a|b", ["B"], ["c"]],
  ["((?i)a)b", ["Ab"], ["AB"]],
  ["(?i)[^a]", ["b"], ["A", "a"]],
  ["a|", ["", "b"], []],
  ["ab|cd", ["xcd", "ab"], ["ac", "bd"]],
  ["x(ab|cd)*y", ["xy", "xabcdy"], ["xabcy", "xacy"]],
  ["^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]],
  ["^a{2}$", ["aa"], ["a", "aaa"]],
  ["^a{2,}$", ["aa", "aaaaa"], ["a"]],
  ["^a{,2}$", ["a{,2}"], ["aa"]],
  ["a{0}b", ["b"], ["a"]],
  ["a+?b", ["aab"], ["b"]],
  ["^*a", ["a"], ["b"]],
  ["[a-c]+", ["b"], ["d", "-"]],
  ["[a-]", ["-"], ["b"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[^]a]", ["b"], ["]", "a"]],
  ["[\\d-z]", ["5", "-", "z"], ["y"]],
  ["[\\]\\\\]", ["]", "\\"], ["["]],
  ["[[:alpha:]_]", ["q", "_"], ["1", ":"]],
  ["^[[:^digit:]]$", ["q", "é"], ["1"]],
  ["\\d\\D\\w\\W\\s\\S", ["1aa- x"], ["1aa-xx", "1aa-\vx"]],
  ["\\bfoo\\b", ["a foo b", "foo"], ["afoo", "foo_"]],
  ["\\Bo", ["foo"], ["o"]],
  ["\\Aa\\z", ["a"], ["ba", "ab"]],
  ["^\\Qa.c\\E+$", ["a.ccc"], ["abc", "a.ca.c"]],
  ["\\Q*", ["*"], ["a"]],
  ["\\x41\\x{1f600}\\101\\t", ["A\u{1f600}A\t"], ["A"]],
  ["\\.\\/\\-\\ ", ["./- "], ["a/- "]],
  ["(?P<year>\\d+)-(?<month>\\d+)", ["2026-01"], ["2026"]],
  ["é", ["café"], ["cafe"]],
  ["[à-ý]", ["é"], ["e"]],
  ["😀{2}", ["😀😀"], ["😀"]],
  ["(a*)*$", ["", "aaa", "b"], []],
  ["(|a)+b", ["b", "aab"], ["a"]],
  ["(){1000}a", ["a"], ["b"]],
];

Deno.test("a search finds what RE2 finds", () => {
  for (const [pattern, held, missing] of SEARCHES) {
    const regex = new Regex(pattern);
    for (const text of held) {
      assert(regex.search(text), `/${pattern}/ in ${JSON.stringify(text)}`);
    }
    for (const text of missing) {
      assert(
        !regex.search(text),
        `/${pattern}/ not in ${JSON.stringify(text)}`,
      );
    }
  }
});

Deno.test("a whole match leaves nothing before or after it", () => {
  const wholes: [string, string[], string[]][] = [
    ["a|ab", ["a", "ab"], ["abc", "ba", ""]],
    ["topic-.*", ["topic-", "topic-1"], ["my-topic-1"]],
    ["(a|b)*", ["", "abba"], ["abc"]],
    ["^a$", ["a"], ["aa"]],
    ["", [""], ["a"]],
  ];
  for (const [pattern, held, missing] of wholes) {
    const regex = new Regex(pattern);
    for (const text of held) assert(regex.matches(text), `${pattern}: ${text}`);
    for (const text of missing) {
      assert(!regex.matches(text), `${pattern}: ${text}`);
    }
  }
});

Deno.test("what is no pattern or can't be linear is refused, with its place", () => {
  const wrong: [string, number, RegExp][] = [
    ["(a)\\1", 3, /back-references/],
    ["a(?=b)", 1, /look-around/],
    ["a(?<!b)", 1, /look-around/],
    ["\\pL", 0, /Unicode classes/],
    ["*a", 0, /nothing to repeat/],
    ["a**", 2, /can't be repeated/],
    ["a{2}{3}", 4, /can't be repeated/],
    ["a{3,2}", 1, /out of order/],
    ["a{1001}", 1, /larger than 1000/],
    ["(a", 0, /no "\)"/],
    ["a)", 1, /closes no group/],
    ["[a", 0, /no "\]"/],
    ["[b-a]", 1, /out of order/],
    ["[a-\\d]", 1, /out of order/],
    ["[[:no:]]", 1, /no class/],
    ["(?x)a", 0, /groups are written/],
    ["(?)a", 0, /groups are written/],
    ["\\q", 0, /unknown escape \\q/],
    ["a\\", 1, /backslash ends it/],
    ["\\x{110000}", 0, /no such character/],
    ["((a{1000}){1000}){1000}", 0, /too large/],
    ["(".repeat(201) + ")".repeat(201), 200, /too deep/],
    ["a".repeat(LIMITS.regexCharsMax + 1), LIMITS.regexCharsMax, /longer/],
  ];
  for (const [pattern, at, reason] of wrong) {
    const error = assertThrows(() => new Regex(pattern), RegexError);
    assertEquals(error.at, at, pattern);
    assert(reason.test(error.message), `${pattern}: ${error.message}`);
  }
});

Deno.test("patterns that take RegExp years take time in proportion to the text", () => {
  // Steps are not to be had, so the whole of it has to end at all.
  const text = "a".repeat(20_000);
  for (
    const pattern of [
      "(a*)*b",
      "(a+)+b",
      "(a|aa)+b",
      "(a|a)*b",
      "(.*)(.*)(.*)(.*)(.*)b",
      "((a?){50}){20}b",
      "^(([a-z])+.)+[A-Z]([a-z])+$",
    ]
  ) {
    const regex = new Regex(pattern);
    assert(!regex.search(text), pattern);
    assert(!regex.matches(text), pattern);
  }
});

Deno.test("nothing repeated a thousand times a thousand times is compiled at once", () => {
  assert(new Regex("((((){1000}){1000}){1000}){1000}a").search("a"));
  assertThrows(() => new Regex("(((|){1000}){1000}){1000}"), RegexError);
});

Deno.test("bytes that are no UTF-8 are searched as the text that they decode to", () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0x62);
  for (const pattern of ["a", "b$", "a.b", "\ufffd", "a\ufffdb", "^a"]) {
    assert(new Regex(pattern).searchBytes(bytes), pattern);
  }
  for (const pattern of ["ab", "\\x{d800}", "a\\x{d800}b", "ÿ"]) {
    assert(!new Regex(pattern).searchBytes(bytes), pattern);
  }
});

Deno.test("text beyond the bound is not looked at", () => {
  const text = "a".repeat(LIMITS.regexSubjectCharsMax) + "b";
  assert(!new Regex("b").search(text));
  assert(!new Regex("a*b").matches(text));
  assert(new Regex("b").search(text.slice(2)));
});

/** Patterns that mean the same to JavaScript. */
const shared = fc.letrec<{ pattern: string; atom: string }>((tie) => ({
  atom: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom("a", "b", "A", "é", ".", "\\d", "\\W", "[ab]", "[^a]"),
    fc.constantFrom("^", "$", "\\b", "\\B", "[0-9A]", "\\.", "(?:)"),
    tie("pattern").map((inner) => `(${inner})`),
  ),
  pattern: fc.array(
    fc.tuple(
      tie("atom"),
      fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,2}", "*?", "|"),
    ),
    { maxLength: 4 },
  ).map((parts) =>
    parts.map(([atom, count]) =>
      // JavaScript knows no repetition of what is no character.
      /^(\^|\$|\\b|\\B)$/.test(atom) && count !== "|" ? atom : atom + count
    ).join("")
  ),
}));

Deno.test("it agrees with JavaScript on what both understand", () => {
  const texts = fc.string({
    unit: fc.constantFrom("a", "b", "A", "é", "1", ".", " ", "\n"),
    maxLength: 8,
  });
  fc.assert(
    fc.property(
      shared.pattern,
      texts,
      fc.boolean(),
      (pattern, text, ignoresCase) => {
        // A dot of JavaScript's leaves out other ends of lines than \n, too.
        const flags = ignoresCase ? "ui" : "u";
        const regex = new Regex(pattern, { ignoresCase });
        const isHeld = new RegExp(pattern, flags).test(text);
        assertEquals(regex.search(text), isHeld);
        assertEquals(
          regex.searchBytes(new TextEncoder().encode(text)),
          isHeld,
        );
        const whole = new RegExp(`^(?:${pattern})$`, flags);
        assertEquals(regex.matches(text), whole.test(text));
      },
    ),
    { numRuns: 3000 },
  );
});

Deno.test("any text is a pattern or refused, and never anything else", () => {
  const unit = fc.constantFrom(
    ..."ab()[]{}*+?|^$.\\-,:=!<>P1d\u{1f600}é\ud800",
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit, maxLength: 20 }), fc.string()),
      fc.string({ unit, maxLength: 20 }),
      (pattern, text) => {
        try {
          new Regex(pattern).search(text);
        } catch (error) {
          if (!(error instanceof RegexError)) throw error;
          assert(error.at >= 0 && error.at <= pattern.length);
        }
      },
    ),
    { numRuns: 5000 },
  );
});
