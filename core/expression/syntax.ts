/**
 * The shape of an expression that has been read. Types only.
 *
 * @module
 */
import type { Regex } from "./regex.ts";

/** A member's name, or an index into a list. */
export type PathStep = string | number;

/** Names whose text may be JSON with a path into it. */
export type TextName = "key" | "value";

/** Names of single facts about a record. */
export type FactName = "topic" | "partition" | "offset" | "timestamp";

/** Arithmetic of two numbers. */
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";

/** Comparison of two values. */
export type CompareOperator = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** What a text or a list may have as its part. */
export type PartOperator = "contains" | "startsWith" | "endsWith";

/** What can be written out. */
export type Literal = null | boolean | number | string;

/** An expression. */
export type Expression =
  | { readonly kind: "literal"; readonly value: Literal }
  | { readonly kind: "text"; readonly name: TextName }
  | {
    readonly kind: "path";
    readonly name: TextName;
    readonly steps: readonly PathStep[];
  }
  | { readonly kind: "fact"; readonly name: FactName }
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "toNumber"; readonly operand: Expression }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "negate"; readonly operand: Expression }
  | {
    readonly kind: "and" | "or";
    /** Two or more. */
    readonly operands: readonly Expression[];
  }
  | {
    readonly kind: "arithmetic";
    readonly operator: ArithmeticOperator;
    readonly left: Expression;
    readonly right: Expression;
  }
  | {
    readonly kind: "compare";
    readonly operator: CompareOperator;
    readonly left: Expression;
    readonly right: Expression;
  }
  | {
    readonly kind: "part";
    readonly operator: PartOperator;
    readonly left: Expression;
    readonly right: Expression;
  }
  | {
    readonly kind: "in";
    readonly operand: Expression;
    readonly list: readonly Literal[];
  }
  | {
    readonly kind: "match";
    readonly operand: Expression;
    readonly regex: Regex;
    readonly isNegated: boolean;
  };
