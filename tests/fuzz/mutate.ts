/**
 * Damage to bytes, as a fuzzer does it: flips, cuts, copies, lengths that lie.
 * Owns no knowledge of any format.
 *
 * @module
 */
import type { Chance } from "../sim/chance.ts";

/** What length fields and varints turn into. */
const LIES: readonly (readonly number[])[] = [
  [0x7f, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
  [0x00, 0x00, 0x00, 0x00],
  [0x00, 0x00, 0x00, 0x01],
  [0x00, 0x00, 0xff, 0xff],
  [0x80, 0x00],
  [0xff],
  [0x7f],
];

/** A damaged copy of `bytes`; `words` are pieces that may be put in. */
export function mutate(
  bytes: Uint8Array,
  chance: Chance,
  words: readonly Uint8Array[] = [],
): Uint8Array {
  let result = bytes;
  for (let left = 1 + chance.size(8); left > 0; left--) {
    result = damage(result, chance, words);
  }
  return result;
}

function damage(
  bytes: Uint8Array,
  chance: Chance,
  words: readonly Uint8Array[],
): Uint8Array {
  const at = chance.below(bytes.length + 1);
  const length = Math.min(chance.size(64), bytes.length - at);
  switch (chance.below(words.length > 0 ? 9 : 8)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ 1 << chance.below(8));
    case 1:
      return changed(bytes, at, () => chance.below(256));
    case 2:
      return changed(bytes, at, (byte) => byte + chance.pick([1, -1, 16, -16]));
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return spliced(bytes, { at, remove: length, insert: [] });
    case 5:
      return spliced(bytes, {
        at,
        remove: 0,
        insert: bytes.subarray(at, at + length),
      });
    case 6: {
      const lie = chance.pick(LIES);
      const remove = chance.oneIn(4) ? 0 : lie.length;
      return spliced(bytes, { at, remove, insert: lie });
    }
    case 7:
      return spliced(bytes, {
        at,
        remove: chance.oneIn(2) ? 0 : length,
        insert: chance.bytes(chance.size(32)),
      });
    default:
      return spliced(bytes, { at, remove: 0, insert: chance.pick(words) });
  }
}

function changed(
  bytes: Uint8Array,
  at: number,
  change: (byte: number) => number,
): Uint8Array {
  const result = bytes.slice();
  if (at < result.length) result[at] = change(result[at]!);
  return result;
}

function spliced(
  bytes: Uint8Array,
  { at, remove, insert }: {
    readonly at: number;
    readonly remove: number;
    readonly insert: ArrayLike<number>;
  },
): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const result = new Uint8Array(at + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}
