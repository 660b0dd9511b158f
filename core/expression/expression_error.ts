/**
 * How an expression is wrong: the one error of this folder, thrown while an
 * expression is read and never when it runs.
 *
 * @module
 */

/** Thrown for text that is no expression; names the place. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  /** The column, counted in characters from 1. */
  readonly column: number;

  /** `at` is an index into `text`. */
  constructor(reason: string, options: { text: string; at: number }) {
    const column = [...options.text.slice(0, options.at)].length + 1;
    super(`Cannot read the expression at column ${column}: ${reason}`);
    this.column = column;
  }
}
