/**
 * Where a codec inflates to, and the copies that LZ77 codecs make in it. Owns
 * the growth of the buffer; it must never reach past its cap, whatever the
 * input claims.
 *
 * @module
 */
import { CompressionError } from "./compression_error.ts";

/** From here on a call into the engine beats a loop. */
const LOOP_MAX = 24;

/**
 * Output that grows.
 *
 * Invariants:
 * 1. `length ≤ bytes.length ≤ maxBytes`.
 */
export class InflateBuffer {
  /** The bytes so far, and room. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes written. */
  length = 0;
  /** Bytes that may be written in all. */
  readonly maxBytes: number;

  constructor(expectedBytes: number, maxBytes: number) {
    this.maxBytes = maxBytes;
    this.bytes = new Uint8Array(Math.min(expectedBytes, maxBytes));
  }

  /** Makes room for `n` more bytes, or throws when they pass the cap. */
  reserve(n: number): void {
    const need = this.length + n;
    if (need > this.maxBytes) throw tooLarge(this.maxBytes);
    if (need <= this.bytes.length) return;
    const size = Math.min(Math.max(need, this.bytes.length * 2), this.maxBytes);
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** A view of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }
}

/** The error for input that inflates past the cap. */
export function tooLarge(maxBytes: number): CompressionError {
  return new CompressionError(
    "too-large",
    `it inflates to more than ${maxBytes} bytes`,
  );
}

/** Copies `from[at, at + length)` to `to[toAt, …)`; the buffers differ. */
export function copyLiterals(
  { from, at, to, toAt, length }: {
    from: Uint8Array;
    at: number;
    to: Uint8Array;
    toAt: number;
    length: number;
  },
): void {
  if (length > LOOP_MAX) {
    to.set(from.subarray(at, at + length), toAt);
    return;
  }
  for (let i = 0; i < length; i++) to[toAt + i] = from[at + i]!;
}

/**
 * Repeats `length` bytes that stand `distance` before `at`; a distance below
 * the length repeats the bytes just written.
 */
export function copyMatch(
  bytes: Uint8Array,
  at: number,
  { distance, length }: { distance: number; length: number },
): void {
  const from = at - distance;
  if (length > LOOP_MAX && distance >= length) {
    bytes.copyWithin(at, from, from + length);
    return;
  }
  if (distance === 1 && length > LOOP_MAX) {
    bytes.fill(bytes[from]!, at, at + length);
    return;
  }
  for (let i = 0; i < length; i++) bytes[at + i] = bytes[from + i]!;
}
