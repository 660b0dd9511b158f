/**
 * The one assertion of the product. It stays on in production: a broken
 * invariant stops the operation instead of writing something wrong. It must
 * never be used for bad input, which has error codes.
 *
 * @module
 */

/** Thrown when the code's own reasoning turned out wrong. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Throws {@linkcode InvariantError} with `message` unless `condition` holds. */
export function invariant(
  condition: unknown,
  message: string,
): asserts condition {
  if (!condition) throw new InvariantError(`Invariant broken: ${message}`);
}
