/**
 * What was meant by a word that is none of those known. Pure; it knows neither
 * flags nor commands.
 *
 * @module
 */

/** Shorter beginnings fit too much. */
const PREFIX_MIN = 3;

/** The known word that `word` is most like; `undefined` when it is like none. */
export function nearest(
  word: string,
  known: Iterable<string>,
): string | undefined {
  let best: string | undefined;
  // About one slip in three letters, or the beginning of a longer word.
  let least = 1 + Math.min(3, Math.ceil(word.length / 3));
  for (const other of known) {
    const isBegun = word.length >= PREFIX_MIN && other.startsWith(word);
    const slips = isBegun ? 1 : distance(word, other);
    if (slips >= least) continue;
    best = other;
    least = slips;
  }
  return best;
}

/** Letters to add, drop, replace, or swap with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(
        last[j]! + 1,
        row[j - 1]! + 1,
        last[j - 1]! + (isSame ? 0 : 1),
      );
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, before[j - 2]! + 1);
      }
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
