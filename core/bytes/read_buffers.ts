/**
 * Buffers that large reads of logs fill, lent again once what was read is sent:
 * a new one is zeroed first, and a few dozen of them make the collector look
 * through the whole heap. Owns which are free, and keeps a handful; it must
 * never lend one that was not given back, and needs none of them back.
 *
 * @module
 */

/** Smaller ones are copied into an answer: nobody would give them back. */
const BYTES_MIN = 64 * 1024;
const BYTES_MAX = 2 * 1024 * 1024;
const FREE_MAX = 16;

/**
 * The buffers of one broker.
 *
 * Invariants:
 * 1. A buffer is free, on loan to one holder, or forgotten.
 */
export class ReadBuffers {
  /** The one that was given back last is at the end, and is lent first. */
  readonly #free: ArrayBufferLike[] = [];
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** Room for `bytes`, with whatever was there before. */
  lend(bytes: number): Uint8Array {
    if (bytes < BYTES_MIN || bytes > BYTES_MAX) return new Uint8Array(bytes);
    const at = this.#free.findLastIndex(({ byteLength }) =>
      byteLength >= bytes && byteLength <= bytes * 2
    );
    const [free] = at < 0 ? [] : this.#free.splice(at, 1);
    const buffer = free ?? new ArrayBuffer(bytes);
    this.#lent.add(buffer);
    return new Uint8Array(buffer, 0, bytes);
  }

  /**
   * Takes back what `bytes` lie in, if it was lent. Only once nothing refers to
   * them any more: the write that sends them has settled.
   */
  giveBack({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer)) return;
    this.#free.push(buffer);
    if (this.#free.length > FREE_MAX) this.#free.shift();
  }
}
