/**
 * Reads Kafka's big-endian primitives from a view, bounds-checked. Owns no
 * bytes: strings are decoded, byte fields are views of the input. It must
 * never allocate more than the input's size on the word of a length field.
 *
 * @module
 */
import { int16At, int32At, uint32At } from "./big_endian.ts";
import { type Uuid, uuidFromBytes } from "./uuid.ts";

/** Input that does not parse: what was expected and where. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

// Without ignoreBOM a leading U+FEFF would be dropped from the text.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const TWO_32 = 4294967296;
/** Longest text that is looked up among the recent ones. */
const SHORT_TEXT_BYTES = 64;
const RECENT_TEXTS = 256;
/**
 * Topic names and client ids come again with every request: a text that was
 * read before is found by its bytes, not built anew.
 */
const recentTexts: string[] = new Array(RECENT_TEXTS).fill("");

/** A cursor over bytes. All reads throw {@linkcode DecodeError} past the end. */
export class Reader {
  /** The bytes under the cursor. */
  readonly bytes: Uint8Array;
  /** Next position to read, relative to the start of `bytes`. */
  position: number;
  /** One past the last readable position. */
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves past `n` bytes and returns where they began. */
  advance(n: number): number {
    const at = this.position;
    if (n < 0 || n > this.end - at) {
      throw new DecodeError(
        `Cannot read ${n} bytes at ${at}: ${this.end - at} left`,
      );
    }
    this.position = at + n;
    return at;
  }

  bool(): boolean {
    return this.bytes[this.advance(1)] !== 0;
  }

  int8(): number {
    return this.bytes[this.advance(1)]! << 24 >> 24;
  }

  int16(): number {
    return int16At(this.bytes, this.advance(2));
  }

  uint16(): number {
    return int16At(this.bytes, this.advance(2)) & 0xffff;
  }

  int32(): number {
    return int32At(this.bytes, this.advance(4));
  }

  uint32(): number {
    return uint32At(this.bytes, this.advance(4));
  }

  /**
   * A 64-bit integer as a number. 2⁶³−1 is `Infinity` and −2⁶³ is `-Infinity`;
   * other values outside the safe integers throw.
   */
  int64(): number {
    const at = this.advance(8);
    const high = int32At(this.bytes, at);
    const low = uint32At(this.bytes, at + 4);
    if (high >= -0x200000 && high < 0x200000) {
      const value = high * TWO_32 + low;
      if (value >= -Number.MAX_SAFE_INTEGER) return value;
    }
    if (high === 0x7fffffff && low === 0xffffffff) return Infinity;
    if (high === -0x80000000 && low === 0) return -Infinity;
    throw new DecodeError(`Cannot read int64 at ${at}: outside ±2^53`);
  }

  /** Signed 64 bits. */
  bits64(): bigint {
    const at = this.advance(8);
    return BigInt(int32At(this.bytes, at)) << 32n |
      BigInt(uint32At(this.bytes, at + 4));
  }

  float64(): number {
    const { buffer, byteOffset } = this.bytes;
    return new DataView(buffer, byteOffset).getFloat64(this.advance(8));
  }

  uuid(): Uuid {
    return uuidFromBytes(this.bytes, this.advance(16));
  }

  /** Unsigned LEB128 of at most 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes[this.advance(1)]!;
      if (shift === 28 && byte > 15) break;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new DecodeError(
      `Cannot read varint at ${this.position}: longer than 32 bits`,
    );
  }

  /** Zig-zag varint of 32 bits. */
  varint(): number {
    const value = this.uvarint();
    return value >>> 1 ^ -(value & 1);
  }

  /** Zig-zag varint of 64 bits as a safe number; otherwise it throws. */
  varlong(): number {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.advance(1)]!;
      low += (byte & 127) * scale;
      if (byte < 128) {
        if (low > Number.MAX_SAFE_INTEGER) break;
        return low % 2 === 0 ? low / 2 : -(low + 1) / 2;
      }
      scale *= 128;
    }
    throw new DecodeError(
      `Cannot read varlong at ${this.position}: outside ±2^52`,
    );
  }

  /** The next `n` bytes as a view, not a copy. */
  view(n: number): Uint8Array {
    const at = this.advance(n);
    return this.bytes.subarray(at, at + n);
  }

  /** The next `n` bytes decoded as UTF-8 (malformed bytes become U+FFFD). */
  utf8(n: number): string {
    const at = this.advance(n);
    if (n > SHORT_TEXT_BYTES) {
      return UTF8.decode(this.bytes.subarray(at, at + n));
    }
    let hash = n;
    for (let i = at; i < at + n; i++) hash = hash * 31 + this.bytes[i]! | 0;
    const slot = (hash ^ hash >>> 16) & (RECENT_TEXTS - 1);
    const recent = recentTexts[slot]!;
    if (this.#isText(recent, at, n)) return recent;
    const text = UTF8.decode(this.bytes.subarray(at, at + n));
    // As many characters as bytes: ASCII, which compares byte by byte.
    if (text.length === n) recentTexts[slot] = text;
    return text;
  }

  /** Whether `text`, which is ASCII, stands in the `n` bytes from `at` on. */
  #isText(text: string, at: number, n: number): boolean {
    if (text.length !== n) return false;
    for (let i = 0; i < n; i++) {
      if (text.charCodeAt(i) !== this.bytes[at + i]) return false;
    }
    return true;
  }

  /** A string behind an int16 length; −1 is null. */
  nullableString(): string | null {
    const n = this.int16();
    return n < 0 ? this.#absent(n) : this.utf8(n);
  }

  /** A string behind an int16 length. */
  string(): string {
    return this.nullableString() ?? this.#unexpectedNull("string");
  }

  /** A string behind a uvarint of its length + 1; 0 is null. */
  nullableCompactString(): string | null {
    const n = this.uvarint();
    return n === 0 ? null : this.utf8(n - 1);
  }

  /** A string behind a uvarint of its length + 1. */
  compactString(): string {
    return this.nullableCompactString() ?? this.#unexpectedNull("string");
  }

  /** A view behind an int32 length; −1 is null. */
  nullableBytes(): Uint8Array | null {
    const n = this.int32();
    return n < 0 ? this.#absent(n) : this.view(n);
  }

  /** A view behind an int32 length. */
  lengthBytes(): Uint8Array {
    return this.nullableBytes() ?? this.#unexpectedNull("bytes");
  }

  /** A view behind a uvarint of its length + 1; 0 is null. */
  nullableCompactBytes(): Uint8Array | null {
    const n = this.uvarint();
    return n === 0 ? null : this.view(n - 1);
  }

  /** A view behind a uvarint of its length + 1. */
  compactBytes(): Uint8Array {
    return this.nullableCompactBytes() ?? this.#unexpectedNull("bytes");
  }

  #absent(length: number): null {
    if (length === -1) return null;
    throw new DecodeError(
      `Cannot read a length before ${this.position}: ${length} is negative`,
    );
  }

  #unexpectedNull(what: string): never {
    throw new DecodeError(
      `Cannot read ${what} before ${this.position}: null is not allowed`,
    );
  }
}
