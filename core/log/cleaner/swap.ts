/**
 * How a cleaned segment takes the place of others, so that a crash at any
 * moment leaves the old ones or the new one whole: `.cleaned` while it is
 * written, `.swap` once it counts, `.deleted` for what it replaces. Owns these
 * endings and what a start makes of them, as Kafka does.
 *
 * | found at a start          | what it means                | what is done           |
 * | ------------------------- | ---------------------------- | ---------------------- |
 * | `.cleaned`                | it was being written         | removed                |
 * | `.cleaned` and `.swap`    | not all was renamed          | both removed           |
 * | `.log.swap`               | it counts, old ones may stay | old ones go, renamed   |
 * | `.index.swap` and the like| its `.log` has its name      | renamed                |
 *
 * @module
 */
import type { Disk } from "../../env/env.ts";
import { walkBatches } from "../scan.ts";
import { removeSnapshotsBefore } from "../snapshots.ts";
import { type Segment, SEGMENT_SUFFIXES } from "../segment.ts";

/** The ending of files that are being written. */
export const CLEANED = ".cleaned";
const SWAP = ".swap";
const PARTS = [...SEGMENT_SUFFIXES, ".txnindex"] as const;

/** Where a swap is done, and what the cleaned batches lack. */
export interface SwapOptions {
  readonly folder: string;
  /** Offset of the last marker that is not among them; −1: none is missing. */
  readonly lastMarkerGone: number;
}

/** Removes what an unfinished cleaning left at `path`. */
export function removeCleaned(disk: Disk, path: string): void {
  for (const part of PARTS) disk.unlink(`${path}${part}${CLEANED}`);
}

/**
 * Puts the cleaned files in the place of `old`, whose first one gave them
 * their name; gives the files that are left to delete. The folder is synced
 * between the steps: what a later one presumes must not vanish in a crash.
 */
export function swapIn(
  disk: Disk,
  old: readonly Segment[],
  { folder, lastMarkerGone }: SwapOptions,
): string[] {
  const { path } = old[0]!;
  // To an older snapshot its transaction would be open for ever.
  removeSnapshotsBefore(disk, folder, lastMarkerGone + 1);
  disk.syncDirectory(folder);
  renameAll(disk, path, { from: CLEANED, to: SWAP });
  disk.syncDirectory(folder);
  const marked = old.flatMap((segment) => segment.markDeleted());
  for (const segment of old.slice(1)) disk.unlink(`${segment.path}.snapshot`);
  disk.syncDirectory(folder);
  // The log first: as long as it is a `.swap`, indexes beside it are old ones.
  disk.rename(`${path}.log${SWAP}`, `${path}.log`);
  disk.syncDirectory(folder);
  renameAll(disk, path, { from: SWAP, to: "" });
  disk.syncDirectory(folder);
  return marked;
}

/**
 * Ends what a crash interrupted, one way or the other, and removes leftovers;
 * gives the names of all files in the folder.
 */
export function finishSwaps(disk: Disk, folder: string): string[] {
  const all = disk.list(folder).map(({ name }) => name);
  const names = all.filter((name) => /^\d{20}\./.test(name));
  const cleaned = names.filter((name) => name.endsWith(CLEANED));
  const swaps = names.filter((name) => name.endsWith(SWAP));
  if (cleaned.length + swaps.length === 0) return all;
  const remove = (some: readonly string[]) => {
    for (const name of some) disk.unlink(`${folder}/${name}`);
    if (some.length > 0) disk.syncDirectory(folder);
  };
  // Not all of its files came as far as `.swap`: the old ones are whole.
  const from = Math.min(...cleaned.map(offsetOf));
  // In this order: a `.swap` alone would look whole.
  remove(swaps.filter((name) => offsetOf(name) >= from));
  remove(cleaned);
  const whole = swaps.filter((name) => offsetOf(name) < from);
  remove(replacedBy(whole, { disk, folder, names }));
  const logs = whole.filter(isLog);
  for (const some of [logs, whole.filter((name) => !isLog(name))]) {
    for (const name of some) {
      const path = `${folder}/${name}`;
      disk.rename(path, path.slice(0, -SWAP.length));
    }
    disk.syncDirectory(folder);
  }
  return disk.list(folder).map(({ name }) => name);
}

/** The files among `names` that the swaps stand for. */
function replacedBy(
  swaps: readonly string[],
  { disk, folder, names }: {
    readonly disk: Disk;
    readonly folder: string;
    readonly names: readonly string[];
  },
): string[] {
  const spans = swaps.filter(isLog).map((name) => {
    const base = offsetOf(name);
    return { base, end: endOf(disk, `${folder}/${name}`, base) };
  });
  return names.filter((name) => {
    if (name.endsWith(SWAP) || name.endsWith(CLEANED)) return false;
    const offset = offsetOf(name);
    return spans.some(({ base, end }) =>
      offset < end &&
      // What was known of producers at the base is as true as before.
      (name.endsWith(".snapshot") ? offset > base : offset >= base)
    );
  });
}

function isLog(name: string): boolean {
  return name.endsWith(`.log${SWAP}`);
}

function offsetOf(name: string): number {
  return Number(name.slice(0, 20));
}

/** The offset behind the last batch; at least the one after `baseOffset`. */
function endOf(disk: Disk, path: string, baseOffset: number): number {
  const file = disk.open(path, "read");
  try {
    let end = baseOffset + 1;
    const size = file.size();
    for (const { batch } of walkBatches(file, { size, headersOnly: true })) {
      end = batch.nextOffset;
    }
    return end;
  } finally {
    file.close();
  }
}

function renameAll(
  disk: Disk,
  path: string,
  { from, to }: { readonly from: string; readonly to: string },
): void {
  for (const part of PARTS) {
    const name = `${path}${part}`;
    if (disk.stat(`${name}${from}`) === undefined) continue;
    disk.rename(`${name}${from}`, `${name}${to}`);
  }
}
