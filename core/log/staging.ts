/**
 * Gathers small batches so that one write serves many, and keeps the newest
 * bytes of a log at hand for readers at its tail. Owns one buffer per log that
 * is being written, given back when it falls idle; it never touches a file.
 *
 * Invariants:
 * 1. The buffer holds the file's bytes [start, start + length), of which those
 *    from `writtenTo` on are not in the file yet.
 *
 * @module
 */

/** Batches from this size on are written where they lie. */
export const GATHER_BELOW_BYTES = 16 * 1024;
/** What the buffer begins with: most logs see a small batch now and then. */
const FIRST_BYTES = 4 * 1024;
/** What it grows to. */
const BUFFER_BYTES = 128 * 1024;

/** The gathered tail of one log. */
export class Staging {
  #buffer: Uint8Array<ArrayBuffer> | undefined;
  #start = 0;
  #length = 0;
  #written = 0;

  /** Bytes that are not in the file yet. */
  get pendingBytes(): number {
    return this.#length - this.#written;
  }

  /** Whether `bytes` more fit behind what is gathered. */
  hasRoom(bytes: number): boolean {
    return this.#length + bytes <= BUFFER_BYTES;
  }

  /** Copies `bytes` in, which belong at file position `position`. */
  add(bytes: Uint8Array, position: number): void {
    if (this.#length === 0) this.#start = position;
    this.#roomFor(this.#length + bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The bytes to write, and where. */
  pending(): { bytes: Uint8Array; position: number } {
    return {
      bytes: this.#buffer!.subarray(this.#written, this.#length),
      position: this.#start + this.#written,
    };
  }

  /** Everything gathered is in the file now. */
  markWritten(): void {
    this.#written = this.#length;
  }

  /** A copy of up to `bytesMax` bytes of the tail from file position `position`. */
  tail(position: number, bytesMax: number): Uint8Array | undefined {
    const at = position - this.#start;
    if (this.#buffer === undefined || at < 0 || at >= this.#length) {
      return undefined;
    }
    return this.#buffer.slice(at, Math.min(this.#length, at + bytesMax));
  }

  #roomFor(need: number): Uint8Array<ArrayBuffer> {
    const size = this.#buffer?.length ?? 0;
    if (this.#buffer !== undefined && need <= size) return this.#buffer;
    let grown = Math.max(FIRST_BYTES, size);
    while (grown < need) grown *= 2;
    const buffer = new Uint8Array(grown);
    if (this.#buffer !== undefined) buffer.set(this.#buffer);
    return this.#buffer = buffer;
  }

  /** Forgets everything, written or not. */
  clear(): void {
    this.#length = 0;
    this.#written = 0;
  }

  /** Forgets everything and gives the buffer back. */
  release(): void {
    this.clear();
    this.#buffer = undefined;
  }
}
