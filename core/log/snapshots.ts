/**
 * The `.snapshot` files of a log: which there are, writing and removing them.
 * Their content is `producer_state.ts`.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { replaceFile, replaceFileLater } from "./checkpoint.ts";
import { digestOfProducers } from "./clean_stop.ts";
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

/**
 * Writes the snapshots of one log, each durable with all else that is new in
 * the folder.
 */
export class SnapshotWriter {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #producers: ProducerStates;
  #offset: number;
  #digest: number;

  constructor(
    disk: Disk,
    { folder, producers, offset }: {
      readonly folder: string;
      readonly producers: ProducerStates;
      readonly offset: number;
    },
  ) {
    this.#disk = disk;
    this.#folder = folder;
    this.#producers = producers;
    this.#offset = offset;
    this.#digest = digestOfProducers(producers);
  }

  /** Up to which a snapshot in the folder knows all producers. */
  get offset(): number {
    return this.#offset;
  }

  /** At the log's end it is what producers are now. */
  set offset(offset: number) {
    this.#offset = offset;
    this.#digest = digestOfProducers(this.#producers);
  }

  /** Digest of the snapshot at the log's end, where that is `offset`. */
  get digest(): number {
    return this.#digest;
  }

  /** Writes one at `offset`, unless that is there. */
  write(offset: number): void {
    // A log to which nothing was appended has one, or is empty.
    if (offset === this.offset) return;
    replaceFile(this.#disk, this.#fileAt(offset));
    this.offset = offset;
  }

  /** The same, without keeping anybody waiting for the disk. */
  async writeLater(offset: number): Promise<void> {
    if (offset === this.offset) return;
    const file = this.#fileAt(offset);
    this.#digest = digestOfProducers(this.#producers);
    await replaceFileLater(this.#disk, { ...file, syncsFolder: true });
    this.#offset = offset;
  }

  #fileAt(offset: number) {
    const name = `${segmentName(offset)}${SUFFIX}`;
    return { folder: this.#folder, name, content: this.#producers.encode() };
  }
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
