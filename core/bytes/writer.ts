/**
 * Writes Kafka's big-endian primitives into a growing buffer. Owns that buffer
 * until `finish()`; byte fields are copied in, or kept beside it when they
 * are so large that a copy costs more than another write to the socket.
 *
 * @module
 */
import { invariant } from "../invariant.ts";
import { type Uuid, uuidToBytes } from "./uuid.ts";

const UTF8 = new TextEncoder();
/** Longest text that is worth copying character by character. */
const ASCII_CHARS_MAX = 48;
const TWO_32 = 4294967296;

/** A value that has no encoding: which, and why. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
}

/** Bytes of `value` as an unsigned LEB128. */
export function uvarintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Bytes that stand at `at` of the buffer without being in it. */
interface Kept {
  at: number;
  readonly bytes: Uint8Array;
}

/**
 * An append-only buffer.
 *
 * Invariants:
 * 1. `#kept` rises by `at`, and `#keptLength` is the sum of its lengths.
 * 2. With the default `keepFrom` nothing is ever kept.
 */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;
  #length = 0;
  readonly #keepFrom: number;
  #kept: Kept[] = [];
  #keptLength = 0;

  /** Byte fields of `keepFrom` bytes and more are not copied in. */
  constructor(capacity = 256, { keepFrom = Infinity } = {}) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
    this.#keepFrom = keepFrom;
  }

  /** Bytes written so far, kept ones included. */
  get length(): number {
    return this.#length + this.#keptLength;
  }

  /** Bytes of the buffer, written or not. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): void {
    this.#length = 0;
    this.#kept = [];
    this.#keptLength = 0;
  }

  /** Makes room for `n` bytes and returns where they begin. */
  reserve(n: number): number {
    const at = this.#length;
    const need = at + n;
    if (need > this.#bytes.length) {
      // Room behind a large field, so that what follows doesn't copy it again.
      const capacity = Math.max(need + 256, this.#bytes.length * 2);
      const grown = new Uint8Array(capacity);
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = need;
    return at;
  }

  bool(value: boolean): void {
    const at = this.reserve(1);
    this.#bytes[at] = value ? 1 : 0;
  }

  int8(value: number): void {
    const at = this.reserve(1);
    this.#bytes[at] = value;
  }

  int16(value: number): void {
    const at = this.reserve(2);
    this.#view.setInt16(at, value);
  }

  uint16(value: number): void {
    const at = this.reserve(2);
    this.#view.setUint16(at, value);
  }

  int32(value: number): void {
    const at = this.reserve(4);
    this.#view.setInt32(at, value);
  }

  uint32(value: number): void {
    const at = this.reserve(4);
    this.#view.setUint32(at, value);
  }

  /** A safe integer, or ±Infinity for the 64-bit extremes. */
  int64(value: number): void {
    const at = this.reserve(8);
    if (value === Infinity) {
      this.#view.setUint32(at, 0x7fffffff);
      this.#view.setUint32(at + 4, 0xffffffff);
      return;
    }
    if (value === -Infinity) {
      this.#view.setUint32(at, 0x80000000);
      this.#view.setUint32(at + 4, 0);
      return;
    }
    if (!Number.isSafeInteger(value)) {
      throw new EncodeError(
        `Cannot write int64: ${value} is not a safe integer`,
      );
    }
    this.#view.setInt32(at, Math.floor(value / TWO_32));
    this.#view.setUint32(at + 4, value >>> 0);
  }

  /** Signed 64 bits. */
  bits64(value: bigint): void {
    const at = this.reserve(8);
    this.#view.setBigInt64(at, value);
  }

  float64(value: number): void {
    const at = this.reserve(8);
    this.#view.setFloat64(at, value);
  }

  uuid(value: Uuid): void {
    const at = this.reserve(16);
    uuidToBytes(value, this.#bytes, at);
  }

  /** Unsigned LEB128 of a non-negative safe integer. */
  uvarint(value: number): void {
    let rest = value;
    while (rest >= 128) {
      this.int8(rest % 128 | 128);
      rest = Math.floor(rest / 128);
    }
    this.int8(rest);
  }

  /** Zig-zag varint of 32 bits. */
  varint(value: number): void {
    this.uvarint((value << 1 ^ value >> 31) >>> 0);
  }

  /** Zig-zag varint of an integer within ±2^52. */
  varlong(value: number): void {
    this.uvarint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** Copies `bytes` in, or keeps them when they are large. */
  raw(bytes: Uint8Array): void {
    if (bytes.length >= this.#keepFrom) {
      this.#kept.push({ at: this.#length, bytes });
      this.#keptLength += bytes.length;
      return;
    }
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** UTF-8 bytes of `text`, without a length. */
  utf8(text: string): void {
    this.raw(UTF8.encode(text));
  }

  /** Overwrites four bytes written before. */
  patchInt32(at: number, value: number): void {
    this.#view.setInt32(at, value);
  }

  /** A view of what was written; valid until the next write or `reset()`. */
  view(): Uint8Array<ArrayBuffer> {
    invariant(this.#kept.length === 0, "what was kept is not in the view");
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written as views, kept bytes where they belong. */
  parts(): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of this.#kept) {
      if (at > from) parts.push(this.#bytes.subarray(from, at));
      parts.push(bytes);
      from = at;
    }
    if (this.#length > from) {
      parts.push(this.#bytes.subarray(from, this.#length));
    }
    return parts;
  }

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    invariant(this.#kept.length === 0, "what was kept is not in the copy");
    return this.#bytes.slice(0, this.#length);
  }

  /** A string behind its int16 length. */
  string(text: string): void {
    const start = this.reserve(2);
    const n = this.#ascii(text) ? text.length : this.#encoded(text);
    if (n > 32767) {
      this.#length = start;
      throw new EncodeError(`Cannot write string: ${n} bytes exceed 32767`);
    }
    this.#view.setInt16(start, n);
  }

  /** A string behind a uvarint of its length + 1. */
  compactString(text: string): void {
    const start = this.#length;
    this.uvarint(text.length + 1);
    if (this.#ascii(text)) return;
    this.#length = start;
    const encoded = UTF8.encode(text);
    this.uvarint(encoded.length + 1);
    this.raw(encoded);
  }

  /**
   * Begins content whose length, a uvarint, stands before it; returns what
   * {@linkcode Writer.endSized} takes.
   */
  beginSized(): number {
    return this.reserve(1) + this.#keptLength;
  }

  /** Ends content begun at `start`: writes its length, moving it when needed. */
  endSized(start: number): void {
    const size = this.length - start - 1;
    const extra = uvarintSize(size) - 1;
    let at = start;
    let keptBefore = 0;
    for (const kept of this.#kept) {
      // Kept before the content: `start` counts it, the buffer does not.
      if (kept.at + keptBefore <= start) {
        at -= kept.bytes.length;
        keptBefore += kept.bytes.length;
      } else kept.at += extra;
    }
    const end = this.#length + extra;
    if (extra > 0) {
      this.reserve(extra);
      this.#bytes.copyWithin(at + 1 + extra, at + 1, end - extra);
    }
    this.#length = at;
    this.uvarint(size);
    this.#length = end;
  }

  #encoded(text: string): number {
    const encoded = UTF8.encode(text);
    this.raw(encoded);
    return encoded.length;
  }

  /** Copies short ASCII text in; writes nothing and says no to any other. */
  #ascii(text: string): boolean {
    const n = text.length;
    if (n > ASCII_CHARS_MAX) return false;
    const at = this.reserve(n);
    for (let i = 0; i < n; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) {
        this.#length = at;
        return false;
      }
      this.#bytes[at + i] = code;
    }
    return true;
  }
}
