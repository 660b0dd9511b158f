/**
 * An expression's text as tokens. Owns how literals are spelt; knows nothing
 * of what may stand where, but that a regular expression follows `=~` or `!~`.
 *
 * @module
 */
import { ExpressionError } from "./expression_error.ts";
import { parseRfc3339 } from "./time.ts";

/** One token; `at` is where it begins in the text. */
export type Token =
  | { readonly kind: "end"; readonly at: number }
  | { readonly kind: "name"; readonly at: number; readonly name: string }
  | { readonly kind: "symbol"; readonly at: number; readonly symbol: string }
  | { readonly kind: "number"; readonly at: number; readonly value: number }
  | { readonly kind: "string"; readonly at: number; readonly value: string }
  | {
    readonly kind: "regex";
    readonly at: number;
    readonly pattern: string;
    readonly ignoresCase: boolean;
  };

const SPACE = /[ \t\r\n]+/y;
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const TIME = /@[\d:TZ.]*(?:-\d[\d:TZ.]*|\+\d[\d:]*)*/y;
const STRING = /"((?:[^"\\]|\\[^])*)"|'((?:[^'\\]|\\[^])*)'/y;
const REGEX = /\/((?:[^/\\]|\\[^])*)\/(i?)/y;
const SYMBOL = /&&|\|\||[=!]~|[=!<>]=|[!<>+\-*/%()[\].,]/y;

const MEANT: Readonly<Record<string, string>> = {
  "=": "compare with ==",
  "&": "write && for and",
  "|": "write || for or",
  "~": "write =~ to match a regular expression",
};

/** Splits the text; the last token is the end. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  for (;;) {
    at += take(SPACE)?.[0].length ?? 0;
    if (at >= text.length) break;
    const last = tokens.at(-1);
    const isRegexDue = last?.kind === "symbol" &&
      (last.symbol === "=~" || last.symbol === "!~");
    const found = isRegexDue && text[at] === "/"
      ? regexToken(take(REGEX), { text, at })
      : nextToken(take, { text, at });
    tokens.push(found.token);
    at += found.length;
  }
  tokens.push({ kind: "end", at });
  return tokens;
}

interface Place {
  readonly text: string;
  readonly at: number;
}

interface Found {
  readonly token: Token;
  readonly length: number;
}

function nextToken(
  take: (pattern: RegExp) => RegExpExecArray | null,
  place: Place,
): Found {
  const { text, at } = place;
  const name = take(NAME)?.[0];
  if (name !== undefined) {
    return { token: { kind: "name", at, name }, length: name.length };
  }
  const number = take(NUMBER)?.[0];
  if (number !== undefined) {
    const value = numberValue(number, place);
    return { token: { kind: "number", at, value }, length: number.length };
  }
  if (text[at] === '"' || text[at] === "'") {
    const string = take(STRING);
    if (string === null) {
      throw new ExpressionError("the text that begins here has no end", place);
    }
    const value = unescape(string[1] ?? string[2]!, { text, at: at + 1 });
    return { token: { kind: "string", at, value }, length: string[0].length };
  }
  if (text[at] === "@") {
    const time = take(TIME)![0];
    const value = timeValue(time.slice(1), place);
    return { token: { kind: "number", at, value }, length: time.length };
  }
  const symbol = take(SYMBOL)?.[0];
  if (symbol !== undefined) {
    return { token: { kind: "symbol", at, symbol }, length: symbol.length };
  }
  const character = String.fromCodePoint(text.codePointAt(at)!);
  const meant = Object.hasOwn(MEANT, character)
    ? MEANT[character]!
    : `${JSON.stringify(character)} means nothing here`;
  throw new ExpressionError(meant, place);
}

function numberValue(digits: string, place: Place): number {
  const value = Number(digits);
  const after = place.text.slice(place.at + digits.length);
  if (/^[\p{L}\p{N}_$]/u.test(after)) {
    throw new ExpressionError("a number ends in a letter", place);
  }
  // Beyond these, two different numbers would compare as equal.
  const isExact = /^\d+$/.test(digits) ? Number.isSafeInteger(value) : true;
  if (Number.isFinite(value) && isExact) return value;
  throw new ExpressionError("the number is too large to be exact", place);
}

function timeValue(body: string, place: Place): number {
  const ms = /^\d+$/.test(body) ? Number(body) : parseRfc3339(body);
  if (ms !== undefined && Number.isSafeInteger(ms)) return ms;
  throw new ExpressionError(
    "write a time like @2026-01-31T12:00:00Z, @2026-01-31 or @1706700000000",
    place,
  );
}

function regexToken(match: RegExpExecArray | null, place: Place): Found {
  if (match === null) {
    throw new ExpressionError(
      "the regular expression that begins here has no end",
      place,
    );
  }
  const [all, pattern, flag] = match;
  const end = place.at + all.length;
  if (/^[\p{L}\p{N}_$]/u.test(place.text.slice(end))) {
    throw new ExpressionError("i is the only flag there is", {
      text: place.text,
      at: end,
    });
  }
  const token: Token = {
    kind: "regex",
    at: place.at,
    pattern: pattern!,
    ignoresCase: flag === "i",
  };
  return { token, length: all.length };
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
};

/** As in JSON; text that is no Unicode could never equal a record's. */
function unescape(raw: string, place: Place): string {
  const value = raw.replace(
    /\\(u([0-9a-fA-F]{4})|[^])/g,
    (_all, escape: string, hex: string | undefined, index: number) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (Object.hasOwn(ESCAPES, escape)) return ESCAPES[escape]!;
      throw new ExpressionError(
        `unknown escape \\${escape}: there are \\" \\' \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX`,
        { text: place.text, at: place.at + index },
      );
    },
  );
  if (value.isWellFormed()) return value;
  throw new ExpressionError("half a surrogate pair is no text", place);
}
