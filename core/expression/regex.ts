/**
 * Regular expressions in time linear to the text, whatever the pattern:
 * Thompson's simulation takes every way through the pattern at once, where
 * JavaScript's own `RegExp` tries one after the other and may take years. It
 * finds out whether there is a match, never where.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import { holdsBytes } from "./byte_search.ts";
import {
  type Assertion,
  parsePattern,
  type Pattern,
  type Ranges,
  RegexError,
} from "./regex_pattern.ts";

/** One step of a program; all have one shape, which is what makes them fast. */
interface Step {
  readonly op: "set" | "assert" | "split" | "match";
  readonly set: CharacterSet | undefined;
  readonly assertion: Assertion | undefined;
  /** Where a split goes on; anything else goes on with the next step. */
  readonly first: number;
  readonly second: number;
}

/** What stands before the first and after the last character. */
const NOTHING = -1;

// As everywhere: a byte order mark is text, and what is no UTF-8 is U+FFFD.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A compiled pattern, in RE2's syntax.
 *
 * 1. A call takes time in proportion to text times pattern, and no memory.
 * 2. A step is reached at most once per position: `#marks` says where it
 *    was last, and positions count up for ever.
 */
export class Regex {
  /** The pattern's text. */
  readonly pattern: string;
  /** Whether it is a text without further meaning. */
  readonly isText: boolean;
  /** Text that every match holds, the longest that is known; may be empty. */
  readonly #needle: string;
  readonly #needleBytes: Uint8Array;
  readonly #steps: readonly Step[];
  /** Whether a match can only begin with the text. */
  readonly #isAnchored: boolean;
  /** ASCII characters that a match may begin with; absent when it may be empty. */
  readonly #firsts: Uint8Array | undefined;
  readonly #marks: Float64Array;
  readonly #stack: Int32Array;
  /** Steps that await a character, and those that follow it. */
  readonly #waiting: Int32Array;
  readonly #following: Int32Array;
  #waitingCount = 0;
  #followingCount = 0;
  #position = 0;
  #before = NOTHING;
  #after = NOTHING;
  #isWhole = false;
  #work = 0;

  /** Throws {@linkcode RegexError}, for more than `stepsMax` steps too. */
  constructor(
    pattern: string,
    options: { ignoresCase?: boolean; stepsMax?: number } = {},
  ) {
    this.pattern = pattern;
    const tree = parsePattern(pattern, options.ignoresCase ?? false);
    const needle = needleOf(tree);
    this.#needle = needle.text;
    this.#needleBytes = new TextEncoder().encode(needle.text);
    this.isText = needle.isAll;
    const stepsMax = options.stepsMax ?? LIMITS.regexStepsMax;
    const steps = new Compiler(stepsMax).compile(tree);
    const [first] = steps;
    this.#steps = steps;
    this.#isAnchored = first?.assertion === "start";
    this.#marks = new Float64Array(steps.length);
    this.#stack = new Int32Array(2 * steps.length + 1);
    this.#waiting = new Int32Array(steps.length);
    this.#following = new Int32Array(steps.length);
    this.#firsts = firstsOf(steps);
  }

  /** Steps that all calls so far took: the time that they cost. */
  get work(): number {
    return this.#work;
  }

  /**
   * Whether the text holds a match. Of a longer text only the first
   * `LIMITS.regexSubjectCharsMax` characters are looked at.
   */
  search(text: string): boolean {
    if (!text.includes(this.#needle)) return false;
    const isShort = text.length <= LIMITS.regexSubjectCharsMax;
    return this.isText && isShort || this.#run(text, false);
  }

  /** Whether the text that `bytes` are in UTF-8 holds a match. */
  searchBytes(bytes: Uint8Array): boolean {
    if (!holdsBytes(bytes, this.#needleBytes)) return false;
    const isShort = bytes.length <= LIMITS.regexSubjectCharsMax;
    return this.isText && isShort || this.#run(UTF8.decode(bytes), false);
  }

  /** Whether the whole text is a match. */
  matches(text: string): boolean {
    return this.#run(text, true);
  }

  #run(text: string, isWhole: boolean): boolean {
    const end = Math.min(text.length, LIMITS.regexSubjectCharsMax);
    const isAnchored = isWhole || this.#isAnchored;
    this.#isWhole = isWhole;
    this.#after = NOTHING;
    this.#followingCount = 0;
    for (let at = 0;;) {
      if (this.#followingCount === 0) {
        if (!isAnchored) at = this.#skip(text, { at, end });
        else if (at > 0) return false;
      }
      this.#before = this.#after;
      this.#after = at < text.length ? text.codePointAt(at)! : NOTHING;
      if (this.#arrive(at === 0 || !isAnchored)) return true;
      if (at >= end) return false;
      this.#advance();
      at += this.#after > 0xffff ? 2 : 1;
    }
  }

  /** Past characters that no match begins with. */
  #skip(text: string, span: { at: number; end: number }): number {
    const firsts = this.#firsts;
    let { at } = span;
    if (firsts === undefined) return at;
    while (at < span.end) {
      const unit = text.charCodeAt(at);
      if (unit > 127 || firsts[unit] === 1) break;
      at++;
    }
    if (at > span.at) this.#after = text.charCodeAt(at - 1);
    return at;
  }

  /** Goes on to every step that awaits a character; true at the end. */
  #arrive(mayBegin: boolean): boolean {
    this.#position++;
    this.#waitingCount = 0;
    for (let i = 0; i < this.#followingCount; i++) {
      if (this.#reach(this.#following[i]!)) return true;
    }
    return mayBegin && this.#reach(0);
  }

  #reach(from: number): boolean {
    const stack = this.#stack;
    let height = 0;
    let work = 0;
    let isMatch = false;
    stack[height++] = from;
    while (height > 0) {
      work++;
      const at = stack[--height]!;
      if (this.#marks[at] === this.#position) continue;
      this.#marks[at] = this.#position;
      const step = this.#steps[at]!;
      if (step.op === "set") this.#waiting[this.#waitingCount++] = at;
      else if (step.op === "split") {
        stack[height++] = step.second;
        stack[height++] = step.first;
      } else if (step.op === "assert") {
        if (this.#holds(step.assertion!)) stack[height++] = at + 1;
      } else if (!this.#isWhole || this.#after === NOTHING) {
        isMatch = true;
        break;
      }
    }
    this.#work += work;
    return isMatch;
  }

  #advance(): void {
    this.#followingCount = 0;
    for (let i = 0; i < this.#waitingCount; i++) {
      const at = this.#waiting[i]!;
      if (this.#steps[at]!.set!.has(this.#after)) {
        this.#following[this.#followingCount++] = at + 1;
      }
    }
  }

  #holds(assertion: Assertion): boolean {
    const before = this.#before;
    const after = this.#after;
    switch (assertion) {
      case "start":
        return before === NOTHING;
      case "end":
        return after === NOTHING;
      case "lineStart":
        return before === NOTHING || before === 10;
      case "lineEnd":
        return after === NOTHING || after === 10;
      case "edge":
        return isWord(before) !== isWord(after);
      case "notEdge":
        return isWord(before) === isWord(after);
    }
  }
}

function isWord(point: number): boolean {
  return (point >= 0x30 && point <= 0x39) || (point >= 0x41 && point <= 0x5a) ||
    point === 0x5f || (point >= 0x61 && point <= 0x7a);
}

/** The longest run of single characters that stands in every match. */
function needleOf(pattern: Pattern): { text: string; isAll: boolean } {
  const items = pattern.kind === "sequence" ? pattern.items : [pattern];
  const runs = [""];
  let isAll = true;
  for (const item of items) {
    const character = characterOf(item);
    if (character === undefined) {
      isAll = false;
      runs.push("");
    } else runs.push(runs.pop()! + character);
  }
  const longest = runs.reduce((a, b) => b.length > a.length ? b : a);
  return { text: longest, isAll };
}

function characterOf(item: Pattern): string | undefined {
  if (item.kind !== "set" || item.ignoresCase || item.isNegated) return;
  const [first, second] = item.ranges;
  if (first === undefined || second !== undefined) return;
  if (first[0] !== first[1]) return;
  const text = String.fromCodePoint(first[0]);
  // What is no UTF-8 is decoded as U+FFFD, of which the bytes know nothing.
  return text.isWellFormed() && text !== "\ufffd" ? text : undefined;
}

/** Every assertion is taken to hold: too many firsts are slow, not wrong. */
function firstsOf(steps: readonly Step[]): Uint8Array | undefined {
  const firsts = new Uint8Array(128);
  const seen = new Set([0]);
  for (const at of seen) {
    const step = steps[at]!;
    if (step.op === "match") return undefined;
    if (step.op === "split") seen.add(step.first).add(step.second);
    else if (step.op === "assert") seen.add(at + 1);
    else {
      for (let i = 0; i < 128; i++) if (step.set!.has(i)) firsts[i] = 1;
    }
  }
  return firsts;
}

/** Characters; ASCII is looked up, the rest is searched for. */
class CharacterSet {
  readonly #ranges: Ranges;
  readonly #isNegated: boolean;
  readonly #ignoresCase: boolean;
  readonly #ascii = new Uint8Array(128);

  constructor(set: Pattern & { kind: "set" }) {
    this.#ranges = set.ranges;
    this.#isNegated = set.isNegated;
    this.#ignoresCase = set.ignoresCase;
    for (let point = 0; point < 128; point++) {
      this.#ascii[point] = this.#search(point) ? 1 : 0;
    }
  }

  has(point: number): boolean {
    return point < 128 ? this.#ascii[point] === 1 : this.#search(point);
  }

  #search(point: number): boolean {
    const isListed = this.#lists(point) || (this.#ignoresCase &&
      otherCases(point).some((other) => this.#lists(other)));
    return isListed !== this.#isNegated;
  }

  #lists(point: number): boolean {
    const ranges = this.#ranges;
    let from = 0;
    let to = ranges.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const [first, last] = ranges[middle]!;
      if (point < first) to = middle;
      else if (point > last) from = middle + 1;
      else return true;
    }
    return false;
  }
}

/** Upper and lower cases, where these are one character. */
function otherCases(point: number): number[] {
  const text = String.fromCodePoint(point);
  const upper = text.toUpperCase();
  return [upper, text.toLowerCase(), upper.toLowerCase()]
    .filter((other) => [...other].length === 1)
    .map((other) => other.codePointAt(0)!);
}

/** From a tree to a program of bounded length. */
class Compiler {
  readonly #steps: Step[] = [];
  /** By node and by spelling: a long text has few different characters. */
  readonly #sets = new Map<Pattern | string, CharacterSet>();
  readonly #stepsMax: number;

  constructor(stepsMax: number) {
    this.#stepsMax = stepsMax;
  }

  compile(pattern: Pattern): Step[] {
    this.#emit(pattern);
    this.#add({ op: "match" });
    return this.#steps;
  }

  #add(step: Partial<Step> & Pick<Step, "op">): number {
    if (this.#steps.length >= this.#stepsMax) {
      throw new RegexError(
        "it is too large once its counts are written out",
        0,
      );
    }
    return this.#steps.push(shape(step)) - 1;
  }

  /** A split whose ways are set later. */
  #reserve(): number {
    return this.#add({ op: "split" });
  }

  #split(at: number, ways: { first: number; second: number }): void {
    this.#steps[at] = shape({ op: "split", ...ways });
  }

  #emit(node: Pattern): void {
    switch (node.kind) {
      case "set":
        this.#add({ op: "set", set: this.#setOf(node) });
        return;
      case "assert":
        this.#add({ op: "assert", assertion: node.assertion });
        return;
      case "sequence":
        for (const item of node.items) this.#emit(item);
        return;
      case "either":
        return this.#emitEither(node.items);
      case "repeat":
        return this.#emitRepeat(node);
    }
  }

  #setOf(node: Pattern & { kind: "set" }): CharacterSet {
    const known = this.#sets.get(node);
    if (known !== undefined) return known;
    const spelling = JSON.stringify(node);
    const set = this.#sets.get(spelling) ?? new CharacterSet(node);
    this.#sets.set(node, set).set(spelling, set);
    return set;
  }

  #emitEither(items: readonly Pattern[]): void {
    const jumps: number[] = [];
    for (const [i, item] of items.entries()) {
      if (i === items.length - 1) {
        this.#emit(item);
        break;
      }
      const at = this.#reserve();
      this.#emit(item);
      jumps.push(this.#reserve());
      this.#split(at, { first: at + 1, second: this.#steps.length });
    }
    const end = this.#steps.length;
    for (const at of jumps) this.#split(at, { first: end, second: end });
  }

  #emitRepeat(node: Pattern & { kind: "repeat" }): void {
    for (let i = 0; i < node.min; i++) {
      const { length } = this.#steps;
      this.#emit(node.item);
      // Nothing, a thousand times a thousand times, would take for ever.
      if (this.#steps.length === length) return;
    }
    const isEndless = node.max === Infinity;
    const skips: number[] = [];
    for (let i = node.min; i < (isEndless ? node.min + 1 : node.max); i++) {
      const at = this.#reserve();
      skips.push(at);
      this.#emit(node.item);
      if (isEndless) {
        this.#split(this.#reserve(), { first: at, second: at });
      }
    }
    const end = this.#steps.length;
    for (const at of skips) this.#split(at, { first: at + 1, second: end });
  }
}

function shape(step: Partial<Step> & Pick<Step, "op">): Step {
  return {
    op: step.op,
    set: step.set,
    assertion: step.assertion,
    first: step.first ?? 0,
    second: step.second ?? 0,
  };
}
