/**
 * Murmur2 as Kafka's default partitioner hashes keys. Owns the hash only; the
 * choice of a partition belongs to the partitioner.
 *
 * @module
 */

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;

/** Kafka's murmur2 of `bytes`, a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
      bytes[at + 3]! << 24;
    word = Math.imul(word, MULTIPLIER);
    word ^= word >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER);
  }
  const rest = length - at;
  if (rest > 0) {
    if (rest > 2) hash ^= bytes[at + 2]! << 16;
    if (rest > 1) hash ^= bytes[at + 1]! << 8;
    hash = Math.imul(hash ^ bytes[at]!, MULTIPLIER);
  }
  hash = Math.imul(hash ^ hash >>> 13, MULTIPLIER);
  return hash ^ hash >>> 15;
}
