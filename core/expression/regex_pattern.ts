/**
 * A regular expression's text as a tree: RE2's syntax without Unicode classes
 * (`\pL`). What lies outside of it, such as back-references and look-around,
 * is refused by name, never understood as something else. It matches nothing
 * itself.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";

/** Pairs of first and last code points, sorted and apart. */
export type Ranges = readonly (readonly [number, number])[];

/** Zero-width conditions. */
export type Assertion =
  | "start"
  | "end"
  | "lineStart"
  | "lineEnd"
  | "edge"
  | "notEdge";

/** A pattern's tree. */
export type Pattern =
  | {
    readonly kind: "set";
    readonly ranges: Ranges;
    readonly isNegated: boolean;
    readonly ignoresCase: boolean;
  }
  | { readonly kind: "assert"; readonly assertion: Assertion }
  | { readonly kind: "sequence" | "either"; readonly items: readonly Pattern[] }
  | {
    readonly kind: "repeat";
    readonly item: Pattern;
    readonly min: number;
    readonly max: number;
  };

/** Thrown for text that is no pattern, or that is refused. */
export class RegexError extends Error {
  override readonly name = "RegexError";
  /** What is wrong, without the place. */
  readonly reason: string;
  /** An index into the pattern. */
  readonly at: number;

  constructor(reason: string, at: number) {
    super(`Cannot read the regular expression at column ${at + 1}: ${reason}`);
    this.reason = reason;
    this.at = at;
  }
}

const CODE_POINT_MAX = 0x10ffff;
/** RE2's own bound. */
const COUNT_MAX = 1000;

function ascii(...pairs: string[]): Ranges {
  return pairs.map((pair) => [pair.charCodeAt(0), pair.charCodeAt(1)]);
}

const DIGIT = ascii("09");
const WORD = ascii("09", "AZ", "__", "az");
const SPACE = ascii("\t\n", "\f\r", "  ");

const CLASSES: Readonly<Record<string, Ranges>> = {
  d: DIGIT,
  w: WORD,
  s: SPACE,
  D: complement(DIGIT),
  W: complement(WORD),
  S: complement(SPACE),
};

const NAMED_CLASSES: Readonly<Record<string, Ranges>> = {
  alnum: ascii("09", "AZ", "az"),
  alpha: ascii("AZ", "az"),
  ascii: ascii("\0\x7f"),
  blank: ascii("\t\t", "  "),
  cntrl: ascii("\0\x1f", "\x7f\x7f"),
  digit: DIGIT,
  graph: ascii("!~"),
  lower: ascii("az"),
  print: ascii(" ~"),
  punct: ascii("!/", ":@", "[`", "{~"),
  space: ascii("\t\r", "  "),
  upper: ascii("AZ"),
  word: WORD,
  xdigit: ascii("09", "AF", "af"),
};

const CONTROLS: Readonly<Record<string, number>> = {
  a: 7,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

/** Everything but `ranges`. */
function complement(ranges: Ranges): Ranges {
  const rest: [number, number][] = [];
  let from = 0;
  for (const [first, last] of ranges) {
    if (from < first) rest.push([from, first - 1]);
    from = last + 1;
  }
  if (from <= CODE_POINT_MAX) rest.push([from, CODE_POINT_MAX]);
  return rest;
}

/** Sorted, with what touches joined. */
function normalize(ranges: Ranges): Ranges {
  const joined: [number, number][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = joined.at(-1);
    if (before === undefined || before[1] + 1 < first) {
      joined.push([first, last]);
    } else before[1] = Math.max(before[1], last);
  }
  return joined;
}

/** What holds for the characters that follow, until the group ends. */
interface Mode {
  readonly ignoresCase: boolean;
  /** Whether `^` and `$` hold at every line's edges. */
  readonly isPerLine: boolean;
  /** Whether a dot takes the end of a line, too. */
  readonly isDotAll: boolean;
}

/** Reads a pattern; throws {@linkcode RegexError}. */
export function parsePattern(text: string, ignoresCase: boolean): Pattern {
  if (text.length > LIMITS.regexCharsMax) {
    throw new RegexError(
      `it is longer than ${LIMITS.regexCharsMax} characters`,
      LIMITS.regexCharsMax,
    );
  }
  const mode = { ignoresCase, isPerLine: false, isDotAll: false };
  return new PatternParser(text, mode).parse();
}

class PatternParser {
  readonly #text: string;
  #mode: Mode;
  #at = 0;
  #depth = 0;

  constructor(text: string, mode: Mode) {
    this.#text = text;
    this.#mode = mode;
  }

  parse(): Pattern {
    const pattern = this.#either();
    if (this.#at === this.#text.length) return pattern;
    throw new RegexError('")" closes no group', this.#at);
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** Takes what `pattern`, which is sticky, finds here. */
  #takesLike(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #either(): Pattern {
    const items = [this.#sequence()];
    while (this.#takes("|")) items.push(this.#sequence());
    return items.length === 1 ? items[0]! : { kind: "either", items };
  }

  #sequence(): Pattern {
    const items: Pattern[] = [];
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at]!;
      if (character === "|" || character === ")") break;
      if (this.#takes("\\Q")) items.push(...this.#quoted());
      else items.push(this.#counted(this.#item()));
    }
    return items.length === 1 ? items[0]! : { kind: "sequence", items };
  }

  /** `\Q…\E`, of which the last may repeat; without `\E` it has no end. */
  #quoted(): Pattern[] {
    const end = this.#text.indexOf("\\E", this.#at);
    const until = end < 0 ? this.#text.length : end;
    const characters = [...this.#text.slice(this.#at, until)];
    this.#at = end < 0 ? until : until + 2;
    const items = characters.map((one) =>
      this.#set(single(one.codePointAt(0)!))
    );
    const last = items.pop();
    return last === undefined ? [] : [...items, this.#counted(last)];
  }

  #counted(item: Pattern): Pattern {
    const count = this.#count();
    if (count === undefined) return item;
    // Whether it is greedy makes no difference to whether there is a match.
    this.#takes("?");
    const at = this.#at;
    if (this.#count() !== undefined) {
      throw new RegexError("a repetition can't be repeated", at);
    }
    return { kind: "repeat", item, ...count };
  }

  /** `* + ? {n} {n,} {n,m}`; any other brace is a character. */
  #count(): { min: number; max: number } | undefined {
    const from = this.#at;
    if (this.#takes("*")) return { min: 0, max: Infinity };
    if (this.#takes("+")) return { min: 1, max: Infinity };
    if (this.#takes("?")) return { min: 0, max: 1 };
    const match = this.#takesLike(/\{(\d+)(?:(,)(\d*))?\}/y);
    if (match === null) return undefined;
    const min = Number(match[1]);
    const max = match[2] === undefined
      ? min
      : match[3] === ""
      ? Infinity
      : Number(match[3]);
    if (max < min) throw new RegexError("the counts are out of order", from);
    if (min > COUNT_MAX || (max > COUNT_MAX && max !== Infinity)) {
      throw new RegexError(`a count is larger than ${COUNT_MAX}`, from);
    }
    return { min, max };
  }

  #item(): Pattern {
    const from = this.#at;
    if (this.#count() !== undefined) {
      throw new RegexError("there is nothing to repeat", from);
    }
    const { isPerLine, isDotAll } = this.#mode;
    if (this.#takes("(")) return this.#group(from);
    if (this.#takes("[")) return this.#class(from);
    if (this.#takes(".")) return this.#set(isDotAll ? [] : single(10), true);
    if (this.#takes("^")) return assertion(isPerLine ? "lineStart" : "start");
    if (this.#takes("$")) return assertion(isPerLine ? "lineEnd" : "end");
    if (this.#takes("\\A")) return assertion("start");
    if (this.#takes("\\z")) return assertion("end");
    if (this.#takes("\\b")) return assertion("edge");
    if (this.#takes("\\B")) return assertion("notEdge");
    return this.#set(this.#members());
  }

  #set(ranges: Ranges, isNegated = false): Pattern {
    const { ignoresCase } = this.#mode;
    return { kind: "set", ranges, isNegated, ignoresCase };
  }

  #group(from: number): Pattern {
    const outer = this.#mode;
    if (this.#takesLike(/\?P?<\w+>/y) === null && this.#takes("?")) {
      if (!this.#takesFlags(from)) {
        return { kind: "sequence", items: [] };
      }
    }
    if (++this.#depth > LIMITS.regexDepthMax) {
      throw new RegexError("groups are nested too deep", from);
    }
    const pattern = this.#either();
    this.#depth--;
    if (!this.#takes(")")) throw new RegexError('the group has no ")"', from);
    this.#mode = outer;
    return pattern;
  }

  /** `i:` and its like; false when they are for what follows, as in `(?i)`. */
  #takesFlags(from: number): boolean {
    if (this.#takesLike(/<?[=!]/y) !== null) {
      throw new RegexError("look-around is refused", from);
    }
    const match = this.#takesLike(/([imsU]*)(?:-([imsU]+))?([:)])/y);
    const [all = "", on = "", off = "", end] = match ?? [];
    if (match === null || all === ")") {
      throw new RegexError("groups are written (…), (?:…) or (?i:…)", from);
    }
    const isOn = (flag: string, now: boolean) =>
      off.includes(flag) ? false : on.includes(flag) || now;
    this.#mode = {
      ignoresCase: isOn("i", this.#mode.ignoresCase),
      isPerLine: isOn("m", this.#mode.isPerLine),
      isDotAll: isOn("s", this.#mode.isDotAll),
    };
    return end === ":";
  }

  #class(from: number): Pattern {
    const isNegated = this.#takes("^");
    const ranges: (readonly [number, number])[] = [];
    for (let isFirst = true;; isFirst = false) {
      // A bracket that comes first is a character.
      if (!isFirst && this.#takes("]")) break;
      if (this.#at >= this.#text.length) {
        throw new RegexError('the class has no "]"', from);
      }
      ranges.push(...this.#named() ?? this.#range());
    }
    return this.#set(normalize(ranges), isNegated);
  }

  /** `[:alpha:]` and its like. */
  #named(): Ranges | undefined {
    const at = this.#at;
    const match = this.#takesLike(/\[:(\^?)(\w+):\]/y);
    if (match === null) return undefined;
    const name = match[2]!;
    if (!Object.hasOwn(NAMED_CLASSES, name)) {
      throw new RegexError(`there is no class [:${name}:]`, at);
    }
    const ranges = NAMED_CLASSES[name]!;
    return match[1] === "" ? ranges : complement(ranges);
  }

  /** One member of a class, or all from one to another. */
  #range(): Ranges {
    const at = this.#at;
    const first = this.#members();
    if (!isSingle(first) || this.#takesLike(/-(?!\]|$)/y) === null) {
      return first;
    }
    const last = this.#members();
    if (!isSingle(last) || last[0]![0] < first[0]![0]) {
      throw new RegexError("the range is out of order", at);
    }
    return [[first[0]![0], last[0]![0]]];
  }

  /** One character, or the class that an escape stands for. */
  #members(): Ranges {
    const from = this.#at;
    const point = this.#text.codePointAt(from)!;
    this.#at += point > 0xffff ? 2 : 1;
    if (point !== 0x5c) return single(point);
    const code = this.#takesLike(
      /x([0-9a-fA-F]{2})|x\{([0-9a-fA-F]{1,6})\}|(0[0-7]{0,2}|[1-7][0-7]{1,2})/y,
    );
    if (code !== null) {
      const hex = code[1] ?? code[2];
      const value = hex === undefined
        ? parseInt(code[3]!, 8)
        : parseInt(hex, 16);
      if (value <= CODE_POINT_MAX) return single(value);
      throw new RegexError("there is no such character", from);
    }
    const letter = this.#text[this.#at++] ?? "";
    if (Object.hasOwn(CLASSES, letter)) return CLASSES[letter]!;
    if (Object.hasOwn(CONTROLS, letter)) return single(CONTROLS[letter]!);
    if (/^[1-9k]$/.test(letter)) {
      throw new RegexError("back-references are refused", from);
    }
    if (/^[pP]$/.test(letter)) {
      throw new RegexError(`the Unicode classes \\${letter} are refused`, from);
    }
    if (/^[!-/:-@[-`{-~ ]$/.test(letter)) return single(letter.charCodeAt(0));
    throw new RegexError(
      letter === "" ? "a backslash ends it" : `unknown escape \\${letter}`,
      from,
    );
  }
}

function assertion(assertion: Assertion): Pattern {
  return { kind: "assert", assertion };
}

function single(point: number): Ranges {
  return [[point, point]];
}

function isSingle(ranges: Ranges): boolean {
  return ranges.length === 1 && ranges[0]![0] === ranges[0]![1];
}
