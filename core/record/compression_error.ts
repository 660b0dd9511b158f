/**
 * The one way in which compressed input fails. Types only, shared by the
 * codecs.
 *
 * @module
 */

/** Input that does not inflate, or not within the cap. */
export class CompressionError extends Error {
  override readonly name = "CompressionError";
  constructor(
    /** Whether the input is broken or would inflate past the cap. */
    readonly reason: "corrupt" | "too-large",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
