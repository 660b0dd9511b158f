/**
 * Cuts a connection's bytes into frames. Every byte is written once and never
 * overwritten, so frames may be held as views. It must never allocate for a
 * frame above its limit.
 *
 * @module
 */
import { DecodeError } from "../../core/bytes/reader.ts";
import type { Connection } from "../tcp/transport.ts";

const CHUNK_BYTES = 65536;

/**
 * Reads size-prefixed frames.
 *
 * 1. `#start <= #end <= #chunk.length`; unread bytes lie between the two.
 * 2. Bytes below `#end` are never written again.
 */
export class FrameReader {
  readonly #connection: Connection;
  readonly #frameBytesMax: number;
  #chunk: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(connection: Connection, frameBytesMax: number) {
    this.#connection = connection;
    this.#frameBytesMax = frameBytesMax;
  }

  /** The next frame without its size; `null` at the end of the stream. */
  async next(): Promise<Uint8Array | null> {
    if (!await this.#fill(4)) {
      if (this.#end > this.#start) {
        throw new DecodeError("Cannot read frame: the stream ended inside it");
      }
      return null;
    }
    const size = this.#size();
    if (size < 4 || size > this.#frameBytesMax) {
      throw new DecodeError(
        `Cannot read frame: ${size} bytes is not between 4 and ${this.#frameBytesMax}`,
      );
    }
    if (!await this.#fill(4 + size)) {
      throw new DecodeError("Cannot read frame: the stream ended inside it");
    }
    const from = this.#start + 4;
    this.#start = from + size;
    return this.#chunk.subarray(from, from + size);
  }

  /** Reads until `n` unread bytes are there; false at the end of the stream. */
  async #fill(n: number): Promise<boolean> {
    while (this.#end - this.#start < n) {
      this.#makeRoom(n);
      const read = await this.#connection.read(this.#chunk.subarray(this.#end));
      if (read === null) return false;
      this.#end += read;
    }
    return true;
  }

  #makeRoom(n: number): void {
    const unread = this.#end - this.#start;
    if (
      this.#end < this.#chunk.length && this.#start + n <= this.#chunk.length
    ) {
      return;
    }
    // Growing in steps keeps a false size from costing memory up front.
    const size = Math.max(
      CHUNK_BYTES,
      Math.min(n, 16 * (unread + CHUNK_BYTES)),
    );
    const chunk = new Uint8Array(size);
    chunk.set(this.#chunk.subarray(this.#start, this.#end));
    this.#chunk = chunk;
    this.#start = 0;
    this.#end = unread;
  }

  #size(): number {
    const at = this.#start;
    const bytes = this.#chunk;
    return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
      bytes[at + 3]!;
  }
}
