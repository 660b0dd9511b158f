/**
 * A growing buffer that records are printed into before they go to stdout in
 * one write. It never writes anything itself.
 *
 * @module
 */

const encoder = new TextEncoder();

/**
 * Bytes under construction.
 *
 * 1. `length <= bytes.length`, and what lies before `length` is final.
 */
export class ByteSink {
  /** Content, then room. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of content. */
  length = 0;

  constructor(capacityBytes = 64 * 1024) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** The content, valid until the next change. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Adds one byte. */
  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Adds bytes. */
  push(from: Uint8Array): void {
    const size = from.length;
    this.reserve(size);
    if (size < 32) {
      const into = this.bytes;
      let at = this.length;
      for (let i = 0; i < size; i++) into[at++] = from[i]!;
      this.length = at;
      return;
    }
    this.bytes.set(from, this.length);
    this.length += size;
  }

  /** Adds text as UTF-8. */
  text(text: string): void {
    this.reserve(text.length * 3);
    const { written } = encoder.encodeInto(
      text,
      this.bytes.subarray(this.length),
    );
    this.length += written;
  }
}
