/**
 * Buffers that large reads of logs fill, lent again once what was read is sent:
 * a new one is zeroed first, and a few dozen of them make the collector look
 * through the whole heap. Owns which are free, and how many are kept; it must
 * never lend one that was not given back, and needs none of them back.
 *
 * @module
 */

/** Smaller ones are copied into an answer: nobody would give them back. */
const BYTES_MIN = 64 * 1024;
const BYTES_MAX = 2 * 1024 * 1024;
/** What all free ones may hold; without them as much lay in garbage. */
const FREE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The buffers of one broker.
 *
 * Invariants:
 * 1. A buffer is free, on loan to one holder, or forgotten.
 * 2. `#freeBytes` is the sum of what is free, and within its bound.
 */
export class ReadBuffers {
  /** The one that was given back last is at the end, and is lent first. */
  readonly #free: ArrayBufferLike[] = [];
  #freeBytes = 0;
  /** So many, the first ones, were free all the time since the last `trim()`. */
  #unused = 0;
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** Room for `bytes`, with whatever was there before. */
  lend(bytes: number): Uint8Array {
    if (bytes < BYTES_MIN || bytes > BYTES_MAX) return new Uint8Array(bytes);
    const at = this.#free.findLastIndex(({ byteLength }) =>
      byteLength >= bytes && byteLength <= bytes * 2
    );
    const buffer = at < 0 ? new ArrayBuffer(bytes) : this.#take(at);
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
    this.#freeBytes += buffer.byteLength;
    while (this.#freeBytes > FREE_BYTES_MAX) this.#take(0);
  }

  /** Forgets those that nobody has needed since the last time. */
  trim(): void {
    while (this.#unused > 0) this.#take(0);
    this.#unused = this.#free.length;
  }

  #take(at: number): ArrayBufferLike {
    const [buffer] = this.#free.splice(at, 1);
    this.#freeBytes -= buffer!.byteLength;
    if (at < this.#unused) this.#unused--;
    return buffer!;
  }
}
