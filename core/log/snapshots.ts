/**
 * The `.snapshot` files of a log: which there are, writing and removing them.
 * Their content is `producer_state.ts`.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { replaceFile } from "./checkpoint.ts";
import type { ProducerStates } from "./producer_state.ts";
import { segmentName } from "./segment.ts";

const SUFFIX = ".snapshot";

/** Offsets of the snapshots among the files called `names`, rising. */
export function snapshotOffsets(names: readonly string[]): number[] {
  return names
    .filter((name) => /^\d{20}\.snapshot$/.test(name))
    .map((name) => Number(name.slice(0, -SUFFIX.length)))
    .sort((a, b) => a - b);
}

/** Offsets of the snapshots in `folder`, rising. */
export function snapshotsIn(disk: Disk, folder: string): number[] {
  return snapshotOffsets(disk.list(folder).map(({ name }) => name));
}

/** Path of the snapshot at `offset`. */
export function snapshotPath(folder: string, offset: number): string {
  return `${folder}/${segmentName(offset)}${SUFFIX}`;
}

/** Writes what is known of producers below `offset`. */
export function writeSnapshot(
  disk: Disk,
  { folder, offset, producers }: {
    readonly folder: string;
    readonly offset: number;
    readonly producers: ProducerStates;
  },
): void {
  replaceFile(disk, {
    folder,
    name: `${segmentName(offset)}${SUFFIX}`,
    content: producers.encode(),
  });
}

/** Removes snapshots that no recovery will need: all before `offset`. */
export function removeSnapshotsBefore(
  disk: Disk,
  folder: string,
  offset: number,
): void {
  for (const found of snapshotsIn(disk, folder)) {
    if (found < offset) disk.unlink(snapshotPath(folder, found));
  }
}

/** Removes snapshots of what a log that was cut at `offset` had further on. */
export function removeSnapshotsAfter(
  offset: number,
  { disk, folder, snapshots }: {
    readonly disk: Disk;
    readonly folder: string;
    readonly snapshots: readonly number[];
  },
): void {
  for (const found of snapshots) {
    if (found > offset) disk.unlink(snapshotPath(folder, found));
  }
}
