/**
 * Big-endian integers at a position of a byte array, for headers that are read
 * and patched in place without a cursor or a DataView per buffer. Owns no
 * bytes and checks no bounds: callers have done so.
 *
 * @module
 */
import { invariant } from "../invariant.ts";

const TWO_32 = 4294967296;

/** Reads a signed 16-bit integer. */
export function int16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 >> 16) | bytes[at + 1]!;
}

/** Reads a signed 32-bit integer. */
export function int32At(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
    bytes[at + 3]!;
}

/** Reads an unsigned 32-bit integer. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) >>> 0;
}

/**
 * Reads a 64-bit integer as a number: 2⁶³−1 is `Infinity`, −2⁶³ is
 * `-Infinity`, and other values outside the safe integers lose low bits (so
 * `Number.isSafeInteger` tells whether the value may be used).
 */
export function int64At(bytes: Uint8Array, at: number): number {
  const high = int32At(bytes, at);
  const low = uint32At(bytes, at + 4);
  if (high === 0x7fffffff && low === 0xffffffff) return Infinity;
  if (high === -0x80000000 && low === 0) return -Infinity;
  return high * TWO_32 + low;
}

/** Writes the low 16 bits of `value`. */
export function setInt16At(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
}

/** Writes the low 32 bits of `value`. */
export function setInt32At(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24;
  bytes[at + 1] = value >> 16;
  bytes[at + 2] = value >> 8;
  bytes[at + 3] = value;
}

/** Writes a safe integer, or ±Infinity for the 64-bit extremes. */
export function setInt64At(bytes: Uint8Array, at: number, value: number): void {
  if (value === Infinity || value === -Infinity) {
    const filler = value > 0 ? 0xff : 0;
    bytes.fill(filler, at, at + 8);
    bytes[at] = value > 0 ? 0x7f : 0x80;
    return;
  }
  invariant(Number.isSafeInteger(value), `int64 ${value} is a safe integer`);
  setInt32At(bytes, at, Math.floor(value / TWO_32));
  setInt32At(bytes, at + 4, value % TWO_32);
}
