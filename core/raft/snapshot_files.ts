/**
 * The snapshots in the folder of a metadata log, found and read. Owns which of
 * them counts when one is damaged; it must never write.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import {
  decodeSnapshot,
  parseSnapshotName,
  type SnapshotId,
  snapshotName,
  snapshotQuorum,
} from "./snapshot.ts";
import type { QuorumVoters } from "./voter_set.ts";

/** A snapshot as it was read. */
export interface StoredSnapshot {
  readonly id: SnapshotId;
  readonly values: Uint8Array[];
  /** Undefined: it doesn't say who votes. */
  readonly quorum: QuorumVoters | undefined;
}

/** Finished snapshots, oldest first. */
export function listSnapshots(disk: Disk, folder: string): SnapshotId[] {
  if (disk.stat(folder) === undefined) return [];
  return disk.list(folder)
    .map(({ name }) => parseSnapshotName(name))
    .filter((id) => id !== undefined)
    .sort((a, b) => a.endOffset - b.endOffset || a.epoch - b.epoch);
}

/** The newest snapshot that is whole; undefined when there is none. */
export function newestSnapshot(
  disk: Disk,
  folder: string,
): StoredSnapshot | undefined {
  for (const id of listSnapshots(disk, folder).reverse()) {
    try {
      const bytes = disk.readFile(`${folder}/${snapshotName(id)}`);
      const values = decodeSnapshot(bytes);
      return { id, values, quorum: snapshotQuorum(bytes) };
    } catch (error) {
      const isDamaged = error instanceof KafkaError &&
        error.error === "CORRUPT_MESSAGE";
      // The one before it, and the log from there, say the same.
      if (!isDamaged) throw error;
    }
  }
  return undefined;
}
