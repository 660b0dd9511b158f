/**
 * What a fuzz target is: a maker of inputs and what is done with them. An input
 * is bytes and nothing else, so that it can be kept and run again.
 *
 * @module
 */
import type { Chance } from "../sim/chance.ts";
import { mutate } from "./mutate.ts";

/** One kind of input and the code that it is thrown at. */
export interface FuzzTarget {
  readonly name: string;
  /** Memory that an input may take beyond {@linkcode memoryBytesMax}'s share. */
  readonly extraBytesMax?: number;
  /** Milliseconds of the processor; {@linkcode INPUT_MS_MAX} unless given. */
  readonly inputMsMax?: number;
  /** Makes ready what inputs are thrown at. */
  prepare?(): Promise<void>;
  /** A new input. */
  generate(chance: Chance): Uint8Array | Promise<Uint8Array>;
  /** An input made of a kept one; bytes are damaged anywhere unless given. */
  vary?(input: Uint8Array, chance: Chance): Uint8Array;
  /** Throws or rejects when the code under it is wrong. */
  run(input: Uint8Array): void | Promise<void>;
  /** Gives back what the target holds; throws for what only the end shows. */
  close?(): Promise<void>;
}

/** Milliseconds of the processor that an input may take. */
export const INPUT_MS_MAX = 5000;

/** What an input may take on the heap: it is seldom held more than so often. */
export function memoryBytesMax(
  target: FuzzTarget,
  input: Uint8Array,
): number {
  return 32 * 1024 * 1024 + (target.extraBytesMax ?? 0) + 400 * input.length;
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const NEWLINE = 10;

/** Several bytes as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const result = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** An input that opens with a line which says what its bytes are. */
export function headed(head: string, body: Uint8Array): Uint8Array {
  return joined([ENCODER.encode(`${head}\n`), body]);
}

/** The line and the bytes of a {@linkcode headed} input. */
export function headOf(
  input: Uint8Array,
): { readonly head: string; readonly body: Uint8Array } {
  const end = input.indexOf(NEWLINE);
  return {
    head: DECODER.decode(input.subarray(0, Math.max(0, end))),
    body: input.subarray(end + 1),
  };
}

/** Damages what stands behind the line. */
export function varyBody(input: Uint8Array, chance: Chance): Uint8Array {
  const { head, body } = headOf(input);
  return headed(head, mutate(body, chance));
}

/** A class of errors. */
type ErrorClass = new (...args: never[]) => Error;

/** Runs `call`; gives undefined for the errors that bad input deserves. */
export function expecting<T>(
  expected: readonly ErrorClass[],
  call: () => T,
): T | undefined {
  try {
    return call();
  } catch (error) {
    if (expected.some((type) => error instanceof type)) return undefined;
    throw error;
  }
}
