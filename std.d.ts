/**
 * Types, in our own words, of the parts of @std that the project uses. The npm
 * copy of @std comes without types; this file is the typed door to it and
 * must never grow beyond what is used.
 *
 * @module
 */

declare module "@std/assert" {
  /** Thrown by every assertion here. */
  export class AssertionError extends Error {
    constructor(message: string, options?: ErrorOptions);
  }

  /** Any class whose instances a check may ask for. */
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are contravariant: only `any` takes every class
  type AnyClass<T> = abstract new (...args: any[]) => T;

  /** Fails unless `condition` is truthy. */
  export function assert(
    condition: unknown,
    message?: string,
  ): asserts condition;

  /** Fails when `condition` is truthy. */
  export function assertFalse(
    condition: unknown,
    message?: string,
  ): asserts condition is false;

  /** Fails unless both are equal in depth. */
  export function assertEquals<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails when both are equal in depth. */
  export function assertNotEquals<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails unless both are the same by `Object.is`. */
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    message?: string,
  ): asserts actual is T;

  /** Fails when both are the same by `Object.is`. */
  export function assertNotStrictEquals<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails when `actual` is `null` or `undefined`. */
  export function assertExists<T>(
    actual: T,
    message?: string,
  ): asserts actual is NonNullable<T>;

  /** Fails unless `actual` is made by `type`. */
  export function assertInstanceOf<T>(
    actual: unknown,
    type: AnyClass<T>,
    message?: string,
  ): asserts actual is T;

  /** Fails unless every property of `expected` is in `actual`. */
  export function assertObjectMatch(
    actual: object,
    expected: object,
    message?: string,
  ): void;

  /** Fails unless `actual` holds every element of `expected`. */
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T>,
    expected: ArrayLike<T>,
    message?: string,
  ): void;

  /** Fails unless `actual` contains `expected`. */
  export function assertStringIncludes(
    actual: string,
    expected: string,
    message?: string,
  ): void;

  /** Fails unless `actual` matches `pattern`. */
  export function assertMatch(
    actual: string,
    pattern: RegExp,
    message?: string,
  ): void;

  /** Fails when `actual` matches `pattern`. */
  export function assertNotMatch(
    actual: string,
    pattern: RegExp,
    message?: string,
  ): void;

  /** Fails unless `actual` lies within `tolerance` of `expected`. */
  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    message?: string,
  ): void;

  /** Fails unless `actual` is greater. */
  export function assertGreater<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails unless `actual` is greater or equal. */
  export function assertGreaterOrEqual<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails unless `actual` is less. */
  export function assertLess<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails unless `actual` is less or equal. */
  export function assertLessOrEqual<T>(
    actual: T,
    expected: T,
    message?: string,
  ): void;

  /** Fails unless `fn` throws; returns what it threw. */
  export function assertThrows(fn: () => unknown, message?: string): unknown;
  /** Fails unless `fn` throws a `type` whose message includes `includes`. */
  export function assertThrows<E extends Error>(
    fn: () => unknown,
    type: AnyClass<E>,
    includes?: string,
    message?: string,
  ): E;

  /** Fails unless `fn` rejects; returns why. */
  export function assertRejects(
    fn: () => PromiseLike<unknown>,
    message?: string,
  ): Promise<unknown>;
  /** Fails unless `fn` rejects with a `type` whose message includes `includes`. */
  export function assertRejects<E extends Error>(
    fn: () => PromiseLike<unknown>,
    type: AnyClass<E>,
    includes?: string,
    message?: string,
  ): Promise<E>;

  /** Fails, always. */
  export function fail(message?: string): never;

  /** Fails: the code that calls it can't be reached. */
  export function unreachable(reason?: string): never;
}

declare module "@std/yaml" {
  /** Reads one YAML document; throws `SyntaxError`. */
  export function parse(text: string): unknown;
}

declare module "@std/yaml/stringify" {
  /** A value as YAML text. */
  export function stringify(value: unknown): string;
}
