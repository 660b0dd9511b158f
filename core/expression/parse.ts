/**
 * From tokens to an expression, by recursive descent. Owns precedence and the
 * bounds on length and depth; everything that can be wrong with an
 * expression is found here, so that running it can't fail.
 *
 * | binds | operators                                                   |                         |
 * | ----- | ----------------------------------------------------------- | ----------------------- |
 * | least | `\|\|` or `or`                                              | any number in a row     |
 * |       | `&&` or `and`                                               | any number in a row     |
 * |       | `not`                                                       | before its operand      |
 * |       | `== != < <= > >= =~ !~ in`, `contains startsWith endsWith`  | one, never two in a row |
 * |       | `+ -`                                                       | from the left           |
 * |       | `* / %`                                                     | from the left           |
 * | most  | `! -`                                                       | before their operand    |
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import { ExpressionError } from "./expression_error.ts";
import { Regex } from "./regex.ts";
import { RegexError } from "./regex_pattern.ts";
import type {
  ArithmeticOperator,
  CompareOperator,
  Expression,
  Literal,
  PartOperator,
  PathStep,
} from "./syntax.ts";
import { type Token, tokenize } from "./tokens.ts";

const COMPARE: readonly string[] = ["==", "!=", "<", "<=", ">", ">="];
const MATCH: readonly string[] = ["=~", "!~"];
const PARTS: readonly string[] = ["contains", "startsWith", "endsWith"];
const NAMES = "key, value, headers, topic, partition, offset, timestamp";

/** What people write out of habit. */
const MEANT: Readonly<Record<string, string>> = {
  headers: 'name one header, as headers.name or header("name")',
};

/** Reads an expression; throws {@linkcode ExpressionError}. */
export function parseExpression(text: string): Expression {
  if (text.length > LIMITS.expressionCharsMax) {
    throw new ExpressionError(
      `it is longer than ${LIMITS.expressionCharsMax} characters`,
      { text, at: LIMITS.expressionCharsMax },
    );
  }
  return new Parser(text).parse();
}

/** An expression and how deep it is. */
interface Sized {
  readonly expression: Expression;
  readonly depth: number;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  /** How many operands lie around the one that is being read. */
  #nesting = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
  }

  parse(): Expression {
    if (this.#tokens.length === 1) throw this.#wrong("there is none");
    const { expression } = this.#either();
    if (this.#token.kind === "end") return expression;
    throw this.#wrong(`an operator is missing before ${this.#shown()}`);
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #wrong(reason: string, at: number = this.#token.at): ExpressionError {
    return new ExpressionError(reason, { text: this.#text, at });
  }

  /** The token at hand, as it stands in the text. */
  #shown(): string {
    const { kind, at } = this.#token;
    if (kind === "end") return "the end";
    const until = this.#tokens[this.#next + 1]!.at;
    return JSON.stringify(this.#text.slice(at, until).trim());
  }

  #takeSymbol(wanted: readonly string[]): string | undefined {
    const token = this.#token;
    if (token.kind !== "symbol" || !wanted.includes(token.symbol)) return;
    this.#next++;
    return token.symbol;
  }

  #takeName(wanted: readonly string[]): string | undefined {
    const token = this.#token;
    if (token.kind !== "name" || !wanted.includes(token.name)) return;
    this.#next++;
    return token.name;
  }

  #expectSymbol(symbol: string): void {
    if (this.#takeSymbol([symbol]) !== undefined) return;
    throw this.#wrong(`"${symbol}" is missing before ${this.#shown()}`);
  }

  #sized(expression: Expression, parts: readonly Sized[], at: number): Sized {
    const depth = 1 + Math.max(0, ...parts.map((part) => part.depth));
    if (depth > LIMITS.expressionDepthMax) throw this.#tooDeep(at);
    return { expression, depth };
  }

  #tooDeep(at: number): ExpressionError {
    return this.#wrong(
      `it is nested deeper than ${LIMITS.expressionDepthMax}`,
      at,
    );
  }

  #either(): Sized {
    return this.#chain("or", ["||", "or"], () => this.#all());
  }

  #all(): Sized {
    return this.#chain("and", ["&&", "and"], () => this.#negation());
  }

  #chain(
    kind: "and" | "or",
    spellings: readonly string[],
    read: () => Sized,
  ): Sized {
    const { at } = this.#token;
    const first = read();
    const parts = [first];
    while (
      this.#takeSymbol(spellings) !== undefined ||
      this.#takeName(spellings) !== undefined
    ) parts.push(read());
    if (parts.length === 1) return first;
    const operands = parts.map((part) => part.expression);
    return this.#sized({ kind, operands }, parts, at);
  }

  #negation(): Sized {
    const { at } = this.#token;
    if (this.#takeName(["not"]) === undefined) return this.#comparison();
    if (++this.#nesting > LIMITS.expressionDepthMax) throw this.#tooDeep(at);
    const part = this.#negation();
    this.#nesting--;
    return this.#sized({ kind: "not", operand: part.expression }, [part], at);
  }

  #comparison(): Sized {
    const { at } = this.#token;
    const left = this.#sum();
    const result = this.#compared(left, at) ?? this.#matched(left, at) ??
      this.#part(left, at) ?? this.#in(left, at);
    if (result === undefined) return left;
    const token = this.#token;
    const isComparison = token.kind === "symbol"
      ? COMPARE.includes(token.symbol) || MATCH.includes(token.symbol)
      : token.kind === "name" && [...PARTS, "in"].includes(token.name);
    if (isComparison) {
      throw this.#wrong("two comparisons in a row: join them with &&");
    }
    return result;
  }

  #part(left: Sized, at: number): Sized | undefined {
    const operator = this.#takeName(PARTS) as PartOperator | undefined;
    if (operator === undefined) return undefined;
    const right = this.#sum();
    return this.#sized(
      {
        kind: "part",
        operator,
        left: left.expression,
        right: right.expression,
      },
      [left, right],
      at,
    );
  }

  /** `in [1, "a", null]`; the list holds nothing but literals. */
  #in(left: Sized, at: number): Sized | undefined {
    const isNegated = this.#takeName(["not"]) !== undefined;
    if (this.#takeName(["in"]) === undefined) {
      if (!isNegated) return undefined;
      throw this.#wrong(`"in" is missing before ${this.#shown()}`);
    }
    this.#expectSymbol("[");
    const list: Literal[] = [];
    while (this.#takeSymbol(["]"]) === undefined) {
      if (list.length > 0) this.#expectSymbol(",");
      const { at } = this.#token;
      const { expression } = this.#operand();
      if (expression.kind !== "literal") {
        throw this.#wrong('a list holds texts and numbers, as in ["a", 1]', at);
      }
      list.push(expression.value);
    }
    const operand = left.expression;
    const found = this.#sized({ kind: "in", operand, list }, [left], at);
    if (!isNegated) return found;
    return this.#sized({ kind: "not", operand: found.expression }, [found], at);
  }

  #compared(left: Sized, at: number): Sized | undefined {
    const operator = this.#takeSymbol(COMPARE) as CompareOperator | undefined;
    if (operator === undefined) return undefined;
    const right = this.#sum();
    return this.#sized(
      {
        kind: "compare",
        operator,
        left: left.expression,
        right: right.expression,
      },
      [left, right],
      at,
    );
  }

  #matched(left: Sized, at: number): Sized | undefined {
    const operator = this.#takeSymbol(MATCH);
    if (operator === undefined) return undefined;
    const regex = this.#regex();
    return this.#sized(
      {
        kind: "match",
        operand: left.expression,
        regex,
        isNegated: operator === "!~",
      },
      [left],
      at,
    );
  }

  /** `/pattern/` or `"pattern"`: nothing that is known only at run time. */
  #regex(): Regex {
    const token = this.#token;
    if (token.kind !== "regex" && token.kind !== "string") {
      throw this.#wrong(
        'a regular expression is missing: write it like /^a/ or "^a"',
      );
    }
    this.#next++;
    try {
      if (token.kind === "string") return new Regex(token.value);
      return new Regex(token.pattern, { ignoresCase: token.ignoresCase });
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      // Escapes have moved what is inside a text, so all of it is pointed at.
      const at = token.kind === "string" ? 0 : 1 + error.at;
      throw this.#wrong(error.reason, token.at + at);
    }
  }

  #sum(): Sized {
    return this.#arithmetic(["+", "-"], () => this.#product());
  }

  #product(): Sized {
    return this.#arithmetic(["*", "/", "%"], () => this.#operand());
  }

  #arithmetic(symbols: readonly string[], read: () => Sized): Sized {
    const { at } = this.#token;
    let left = read();
    for (;;) {
      const operator = this.#takeSymbol(symbols) as
        | ArithmeticOperator
        | undefined;
      if (operator === undefined) return left;
      const right = read();
      left = this.#sized(
        {
          kind: "arithmetic",
          operator,
          left: left.expression,
          right: right.expression,
        },
        [left, right],
        at,
      );
    }
  }

  #operand(): Sized {
    const { at } = this.#token;
    if (++this.#nesting > LIMITS.expressionDepthMax) throw this.#tooDeep(at);
    const result = this.#prefixed(at) ?? this.#primary();
    this.#nesting--;
    return result;
  }

  #prefixed(at: number): Sized | undefined {
    const symbol = this.#takeSymbol(["!", "-"]);
    if (symbol === undefined) return undefined;
    const token = this.#token;
    if (symbol === "-" && token.kind === "number") {
      this.#next++;
      return this.#sized({ kind: "literal", value: 0 - token.value }, [], at);
    }
    const part = this.#operand();
    const kind = symbol === "!" ? "not" : "negate";
    return this.#sized({ kind, operand: part.expression }, [part], at);
  }

  #primary(): Sized {
    const token = this.#token;
    if (this.#takeSymbol(["("]) !== undefined) {
      const inner = this.#either();
      this.#expectSymbol(")");
      return inner;
    }
    if (token.kind === "name") {
      this.#next++;
      return this.#named(token);
    }
    if (token.kind !== "number" && token.kind !== "string") {
      throw this.#wrong(`a value is missing before ${this.#shown()}`);
    }
    this.#next++;
    const literal = { kind: "literal", value: token.value } as const;
    this.#refuseSteps("a literal");
    return this.#sized(literal, [], token.at);
  }

  #named({ name, at }: Token & { kind: "name" }): Sized {
    if (name === "number") return this.#toNumber(at);
    return this.#sized(this.#leaf(name, at), [], at);
  }

  #leaf(name: string, at: number): Expression {
    switch (name) {
      case "true":
      case "false":
        return { kind: "literal", value: name === "true" };
      case "null":
        return { kind: "literal", value: null };
      case "key":
      case "value": {
        const steps = this.#steps();
        return steps.length === 0
          ? { kind: "text", name }
          : { kind: "path", name, steps };
      }
      case "time":
        this.#refuseSteps(name);
        return { kind: "fact", name: "timestamp" };
      case "topic":
      case "partition":
      case "offset":
      case "timestamp":
        this.#refuseSteps(name);
        return { kind: "fact", name };
      case "header":
        return { kind: "header", name: this.#headerArgument() };
      case "headers":
        return { kind: "header", name: this.#headerStep(at) };
    }
    if (Object.hasOwn(MEANT, name)) throw this.#wrong(MEANT[name]!, at);
    throw this.#wrong(
      `unknown name ${JSON.stringify(name)}: there are ${NAMES}`,
      at,
    );
  }

  #toNumber(at: number): Sized {
    this.#expectSymbol("(");
    const part = this.#either();
    this.#expectSymbol(")");
    return this.#sized(
      { kind: "toNumber", operand: part.expression },
      [part],
      at,
    );
  }

  #headerArgument(): string {
    this.#expectSymbol("(");
    const token = this.#token;
    if (token.kind !== "string") {
      throw this.#wrong('a header\'s name is missing: write header("name")');
    }
    this.#next++;
    this.#expectSymbol(")");
    this.#refuseSteps("a header");
    return token.value;
  }

  #headerStep(at: number): string {
    const step = this.#step();
    if (step === undefined) throw this.#wrong(MEANT.headers!, at);
    if (typeof step === "number") {
      throw this.#wrong("headers go by name, not by number", at);
    }
    this.#refuseSteps("a header");
    return step;
  }

  #steps(): PathStep[] {
    const steps: PathStep[] = [];
    for (;;) {
      const step = this.#step();
      if (step === undefined) return steps;
      steps.push(step);
    }
  }

  #step(): PathStep | undefined {
    if (this.#takeSymbol(["."]) !== undefined) {
      const token = this.#token;
      if (token.kind !== "name") {
        throw this.#wrong(
          `a name is missing before ${this.#shown()}: others go in brackets, as ["a b"]`,
        );
      }
      this.#next++;
      return token.name;
    }
    if (this.#takeSymbol(["["]) === undefined) return undefined;
    const token = this.#token;
    const isIndex = token.kind === "number" &&
      Number.isSafeInteger(token.value);
    if (token.kind !== "string" && !isIndex) {
      throw this.#wrong(
        'in brackets stands an index or a name, as [0] or ["a b"]',
      );
    }
    this.#next++;
    this.#expectSymbol("]");
    return token.value;
  }

  #refuseSteps(what: string): void {
    const token = this.#token;
    if (token.kind !== "symbol" || !/^[.[]$/.test(token.symbol)) return;
    throw this.#wrong(`${what} has no parts: key and value have`);
  }
}
