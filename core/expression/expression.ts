/**
 * Expressions over a record, compiled to closures. Total: once an expression
 * is compiled, running it gives true or false for every record and never
 * throws. What can't be computed is null, and values of different kinds
 * are neither equal nor in order. It must never change a record.
 *
 * @module
 */
import { haveBytesAt, holdsBytes } from "./byte_search.ts";
import { parseExpression } from "./parse.ts";
import type {
  ArithmeticOperator,
  CompareOperator,
  Expression,
  PartOperator,
  PathStep,
  TextName,
} from "./syntax.ts";

/** What an expression sees of a record; a consumed record is one. */
export interface ExpressionRecord {
  /** Topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** Offset in the partition. */
  readonly offset: number;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** The key's bytes; null for none. */
  readonly key: Uint8Array | null;
  /** The value's bytes; null for a tombstone. */
  readonly value: Uint8Array | null;
  /** In order; names may repeat. */
  readonly headers: readonly {
    readonly key: string;
    readonly value: Uint8Array | null;
  }[];
}

/** Null, boolean, number or string; or a list or object out of JSON. */
type Value = unknown;
type Evaluate = (scope: Scope) => Value;

// A byte order mark is part of the text; bytes that are no UTF-8 are U+FFFD.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Compiles an expression to a predicate. The predicate is true where the
 * expression is, and false where it is false or no boolean. Throws an
 * {@linkcode ExpressionError} that names the column.
 *
 * ```ts
 * import { compileExpression } from "./mod.ts";
 *
 * const isLarge = compileExpression('value.total > 100 && key =~ /^eu-/');
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * const record = {
 *   topic: "orders",
 *   partition: 0,
 *   offset: 7,
 *   timestamp: 1706700000000,
 *   key: bytes("eu-1"),
 *   value: bytes('{"total":120}'),
 *   headers: [],
 * };
 * if (!isLarge(record)) throw new Error("120 is more than 100");
 * ```
 */
export function compileExpression(
  text: string,
): (record: ExpressionRecord) => boolean {
  const evaluate = compile(parseExpression(text));
  const scope = new Scope();
  return (record) => {
    scope.enter(record);
    return evaluate(scope) === true;
  };
}

/**
 * One record at a time, and what has been found out about it.
 *
 * 1. Text is decoded and JSON parsed at most once per record, and only when
 *    asked for.
 */
class Scope {
  record!: ExpressionRecord;
  readonly #texts = { key: undefined, value: undefined } as Record<
    TextName,
    string | null | undefined
  >;
  readonly #trees: Record<TextName, Value> = {
    key: undefined,
    value: undefined,
  };

  enter(record: ExpressionRecord): void {
    this.record = record;
    this.#texts.key = this.#texts.value = undefined;
    this.#trees.key = this.#trees.value = undefined;
  }

  text(name: TextName): string | null {
    return this.#texts[name] ??= decode(this.record[name]);
  }

  /** What the text says as JSON; null when it is none. */
  tree(name: TextName): Value {
    const known = this.#trees[name];
    if (known !== undefined) return known;
    const tree = parseJson(this.text(name));
    this.#trees[name] = tree;
    return tree;
  }

  /** The last header of that name. */
  header(name: string): string | null {
    const { headers } = this.record;
    for (let i = headers.length - 1; i >= 0; i--) {
      const { key, value } = headers[i]!;
      if (key === name) return decode(value);
    }
    return null;
  }
}

function decode(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : UTF8.decode(bytes);
}

function parseJson(text: string | null): Value {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function compile(expression: Expression): Evaluate {
  switch (expression.kind) {
    case "literal": {
      const { value } = expression;
      return () => value;
    }
    case "text": {
      const { name } = expression;
      return (scope) => scope.text(name);
    }
    case "path": {
      const { name, steps } = expression;
      return (scope) => follow(scope.tree(name), steps);
    }
    case "fact": {
      const { name } = expression;
      return (scope) => scope.record[name];
    }
    case "header": {
      const { name } = expression;
      return (scope) => scope.header(name);
    }
    case "toNumber": {
      const operand = compile(expression.operand);
      return (scope) => toNumber(operand(scope));
    }
    case "not": {
      const operand = compile(expression.operand);
      return (scope) => operand(scope) !== true;
    }
    case "negate": {
      const operand = compile(expression.operand);
      return (scope) => {
        const value = operand(scope);
        return typeof value === "number" ? 0 - value : null;
      };
    }
    case "and": {
      const operands = expression.operands.map(compile);
      return (scope) => operands.every((operand) => operand(scope) === true);
    }
    case "or": {
      const operands = expression.operands.map(compile);
      return (scope) => operands.some((operand) => operand(scope) === true);
    }
    case "arithmetic":
      return compileArithmetic(expression);
    case "compare":
      return compileBytesCompare(expression) ?? compileCompare(expression);
    case "part":
      return compileBytesPart(expression) ?? compilePart(expression);
    case "in": {
      const operand = compile(expression.operand);
      const list: ReadonlySet<Value> = new Set(expression.list);
      return (scope) => list.has(operand(scope));
    }
    case "match":
      return compileMatch(expression);
  }
}

/** A step that leads nowhere leads to null; only own members count. */
function follow(tree: Value, steps: readonly PathStep[]): Value {
  let value = tree;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (typeof value !== "object" || value === null) return null;
    if (Array.isArray(value) !== (typeof step === "number")) return null;
    if (!Object.hasOwn(value, step)) return null;
    value = (value as Record<PathStep, Value>)[step];
  }
  return value;
}

/** Text that is wholly a decimal number, as that number. */
function toNumber(value: Value): number | null {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.length > 400) return null;
  if (!/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/.test(value)) {
    return null;
  }
  return finite(Number(value));
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

const ARITHMETIC: Readonly<
  Record<ArithmeticOperator, (left: number, right: number) => number>
> = {
  "+": (left, right) => left + right,
  "-": (left, right) => left - right,
  "*": (left, right) => left * right,
  "/": (left, right) => left / right,
  "%": (left, right) => left % right,
};

function compileArithmetic(
  expression: Expression & { kind: "arithmetic" },
): Evaluate {
  const left = compile(expression.left);
  const right = compile(expression.right);
  const calculate = ARITHMETIC[expression.operator];
  return (scope) => {
    const a = left(scope);
    const b = right(scope);
    if (typeof a !== "number" || typeof b !== "number") return null;
    // Division by zero is not finite either.
    return finite(calculate(a, b));
  };
}

/** Lists and objects equal nothing: they would have to be walked. */
function isEqual(a: Value, b: Value): boolean {
  return a === b && (typeof a !== "object" || a === null);
}

const ORDER: Readonly<
  Record<
    Exclude<CompareOperator, "==" | "!=">,
    <T extends number | string>(left: T, right: T) => boolean
  >
> = {
  "<": (left, right) => left < right,
  "<=": (left, right) => left <= right,
  ">": (left, right) => left > right,
  ">=": (left, right) => left >= right,
};

function compileCompare(
  expression: Expression & { kind: "compare" },
): Evaluate {
  const { operator } = expression;
  const left = compile(expression.left);
  const right = compile(expression.right);
  if (operator === "==") {
    return (scope) => isEqual(left(scope), right(scope));
  }
  if (operator === "!=") {
    return (scope) => !isEqual(left(scope), right(scope));
  }
  const isInOrder = ORDER[operator];
  return (scope) => {
    const a = left(scope);
    const b = right(scope);
    if (typeof a === "number" && typeof b === "number") return isInOrder(a, b);
    if (typeof a === "string" && typeof b === "string") return isInOrder(a, b);
    return false;
  };
}

/** Key or value against text or null: no need to decode anything. */
function compileBytesCompare(
  expression: Expression & { kind: "compare" },
): Evaluate | undefined {
  const { operator, left, right } = expression;
  if (operator !== "==" && operator !== "!=") return undefined;
  const text = left.kind === "text" ? left : right;
  const literal = left.kind === "text" ? right : left;
  if (text.kind !== "text" || literal.kind !== "literal") return undefined;
  const { value } = literal;
  if (typeof value !== "string" && value !== null) return undefined;
  const wanted = value === null ? null : new TextEncoder().encode(value);
  const { name } = text;
  const isWanted = operator === "==";
  return ({ record }) => areSameBytes(record[name], wanted) === isWanted;
}

const TEXT_PARTS: Readonly<
  Record<PartOperator, (text: string, part: string) => boolean>
> = {
  contains: (text, part) => text.includes(part),
  startsWith: (text, part) => text.startsWith(part),
  endsWith: (text, part) => text.endsWith(part),
};

/** Of text, a part of it; of a list, one member. */
function compilePart(expression: Expression & { kind: "part" }): Evaluate {
  const { operator } = expression;
  const left = compile(expression.left);
  const right = compile(expression.right);
  const isPart = TEXT_PARTS[operator];
  return (scope) => {
    const whole = left(scope);
    const part = right(scope);
    if (typeof whole === "string") {
      return typeof part === "string" && isPart(whole, part);
    }
    if (!Array.isArray(whole)) return false;
    if (operator === "contains") {
      return whole.some((member) => isEqual(member, part));
    }
    return isEqual(whole.at(operator === "startsWith" ? 0 : -1), part);
  };
}

/** Part of key or value: UTF-8 has no text within another but as its bytes. */
function compileBytesPart(
  expression: Expression & { kind: "part" },
): Evaluate | undefined {
  const { operator, left, right } = expression;
  if (left.kind !== "text" || right.kind !== "literal") return undefined;
  if (typeof right.value !== "string") return undefined;
  const part = new TextEncoder().encode(right.value);
  const { name } = left;
  if (operator === "contains") {
    return ({ record }) => {
      const bytes = record[name];
      return bytes !== null && holdsBytes(bytes, part);
    };
  }
  return ({ record }) => {
    const bytes = record[name];
    if (bytes === null || bytes.length < part.length) return false;
    const at = operator === "startsWith" ? 0 : bytes.length - part.length;
    return haveBytesAt(bytes, { part, at });
  };
}

function areSameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && haveBytesAt(a, { part: b, at: 0 });
}

function compileMatch(expression: Expression & { kind: "match" }): Evaluate {
  const { regex, isNegated, operand: of } = expression;
  if (of.kind === "text" && regex.isText) {
    return ({ record }) => {
      const bytes = record[of.name];
      return (bytes !== null && regex.searchBytes(bytes)) !== isNegated;
    };
  }
  const operand = compile(of);
  return (scope) => {
    const value = operand(scope);
    return (typeof value === "string" && regex.search(value)) !== isNegated;
  };
}
