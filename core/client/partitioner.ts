/**
 * Which partition a record goes to: by its key's murmur2, as every Java client
 * does, or without a key to one partition until a batch's worth of bytes went
 * there (KIP-794). It must never send two equal keys to different partitions
 * while the partition count stays.
 *
 * @module
 */
import type { Random } from "../env/env.ts";
import { murmur2 } from "../record/murmur2.ts";

/** The partition of `key` among `partitions`. An empty key is a key. */
export function partitionOfKey(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** Keeps keyless records of one topic together. */
export class StickyPartitioner {
  readonly #stickBytes: number;
  readonly #random: Random;
  #partition = -1;
  #bytes = 0;

  constructor(stickBytes: number, random: Random) {
    this.#stickBytes = Math.max(1, stickBytes);
    this.#random = random;
  }

  /**
   * The partition for the next keyless record of about `bytes`, out of
   * `available` (those with a leader; all of them when none has).
   */
  next(bytes: number, available: readonly number[]): number {
    if (
      this.#partition < 0 || this.#bytes >= this.#stickBytes ||
      !available.includes(this.#partition)
    ) {
      this.#partition = available[this.#random.u32() % available.length] ?? 0;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#partition;
  }
}
