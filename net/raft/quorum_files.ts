/**
 * The files of a quorum's member beside its log: `quorum-state`, snapshots,
 * and a snapshot that is being fetched. Owns how they are written so that a
 * crash leaves the old one or the new one; decides nothing.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { type Disk, DiskError, type DiskFile } from "../../core/env/env.ts";
import type { ElectionState } from "../../core/raft/contract.ts";
import {
  decodeQuorumState,
  encodeQuorumState,
} from "../../core/raft/records.ts";
import { type SnapshotId, snapshotName } from "../../core/raft/snapshot.ts";
import { listSnapshots } from "../../core/raft/snapshot_files.ts";
import type { QuorumVoters } from "../../core/raft/voter_set.ts";

const STATE_FILE = "quorum-state";
/** Snapshots that stay: the newest, and one more should it be damaged. */
const SNAPSHOTS_KEPT = 2;

/** The files of the folder `__cluster_metadata-0`. */
export class QuorumFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  /** Finished snapshots that can be served, oldest first. */
  #snapshots: readonly SnapshotId[];
  #fetched: FetchedSnapshot | undefined;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    // What a kill left under its new name is believed from now on: a loss of power
    // must not bring an older state back, and with it a vote that was given.
    if (disk.stat(folder) !== undefined) disk.syncDirectory(folder);
    this.#snapshots = servable(disk, folder);
  }

  get oldestSnapshot(): SnapshotId | undefined {
    return this.#snapshots[0];
  }

  get newestSnapshot(): SnapshotId | undefined {
    return this.#snapshots.at(-1);
  }

  /** What was persisted; undefined when nothing was. */
  readState():
    | ElectionState & { readonly voterIds: readonly number[] }
    | undefined {
    let bytes: Uint8Array;
    try {
      bytes = this.#disk.readFile(`${this.#folder}/${STATE_FILE}`);
    } catch (error) {
      if (error instanceof DiskError && error.code === "NotFound") {
        return undefined;
      }
      throw error;
    }
    const state = decodeQuorumState(new TextDecoder().decode(bytes));
    const { leaderId, leaderEpoch: epoch, votedId } = state;
    const { votedDirectoryId, currentVoters } = state;
    const voterIds = currentVoters?.map(({ voterId }) => voterId) ?? [];
    return { leaderId, epoch, votedId, votedDirectoryId, voterIds };
  }

  /** Makes the state durable, with the voters that it was reached with. */
  writeState(
    { leaderId, epoch, votedId, votedDirectoryId }: ElectionState,
    { kraftVersion, voters }: QuorumVoters,
  ): void {
    const state = { leaderId, leaderEpoch: epoch, votedId };
    const text = kraftVersion === 0
      ? encodeQuorumState({
        ...state,
        currentVoters: voters.map(({ id }) => ({ voterId: id })),
      }, 0)
      : encodeQuorumState({
        ...state,
        votedDirectoryId: votedDirectoryId ?? ZERO_UUID,
      }, 1);
    this.#write(STATE_FILE, [new TextEncoder().encode(text)]);
  }

  /** Makes a snapshot durable. */
  writeSnapshot(id: SnapshotId, batches: Iterable<Uint8Array>): void {
    this.#write(snapshotName(id), batches);
    this.#snapshots = servable(this.#disk, this.#folder);
  }

  /**
   * Removes old snapshots, those from which the log doesn't go on, and of the log
   * what none that stays needs.
   */
  prune(
    log: {
      readonly logStartOffset: number;
      deleteRecordsBefore(offset: number): void;
    },
  ): void {
    if (this.#disk.stat(this.#folder) === undefined) return;
    const kept = this.#snapshots
      .filter(({ endOffset }) => endOffset >= log.logStartOffset)
      .slice(-SNAPSHOTS_KEPT);
    for (const id of this.#snapshots) {
      if (kept.includes(id)) continue;
      this.#disk.unlink(`${this.#folder}/${snapshotName(id)}`);
    }
    for (const { name } of this.#disk.list(this.#folder)) {
      if (!name.endsWith(".checkpoint.part")) continue;
      if (name !== this.#fetched?.name) {
        this.#disk.unlink(`${this.#folder}/${name}`);
      }
    }
    this.#snapshots = kept;
    const isSafe = kept.length === SNAPSHOTS_KEPT;
    // What a crash has brought back has no epochs any more.
    log.deleteRecordsBefore(isSafe ? kept[0]!.endOffset : 0);
  }

  /** A piece of a snapshot and the size of all; undefined when it is gone. */
  readSnapshot(
    id: SnapshotId,
    { position, maxBytes }: {
      readonly position: number;
      readonly maxBytes: number;
    },
  ): { readonly bytes: Uint8Array; readonly size: number } | undefined {
    const isThere = this.#snapshots.some(({ endOffset, epoch }) =>
      endOffset === id.endOffset && epoch === id.epoch
    );
    if (!isThere) return undefined;
    const path = `${this.#folder}/${snapshotName(id)}`;
    const file = this.#disk.open(path, "read");
    try {
      const size = file.size();
      const isWithin = position >= 0 && position < size;
      const length = isWithin ? Math.min(size - position, maxBytes) : 0;
      const bytes = new Uint8Array(Math.max(0, length));
      const read = bytes.length > 0 ? file.pread(bytes, position) : 0;
      return { bytes: bytes.subarray(0, read), size };
    } finally {
      file.close();
    }
  }

  /** Begins to take in a snapshot; one that was begun before is given up. */
  beginFetched(id: SnapshotId): void {
    this.abandonFetched();
    const name = `${snapshotName(id)}.part`;
    const file = this.#disk.open(`${this.#folder}/${name}`, "create");
    file.truncate(0);
    this.#fetched = { id, name, file };
  }

  /** Takes in the next piece. */
  writeFetched(bytes: Uint8Array, position: number): void {
    this.#fetched?.file.pwriteAll(bytes, position);
  }

  /** The snapshot is whole: it is durable and bears its name from now on. */
  finishFetched(): void {
    if (this.#fetched === undefined) return;
    const { id, name, file } = this.#fetched;
    file.syncDataSync();
    this.abandonFetched();
    const path = `${this.#folder}/${snapshotName(id)}`;
    this.#disk.rename(`${this.#folder}/${name}`, path);
    this.#disk.syncDirectory(this.#folder);
    this.#snapshots = servable(this.#disk, this.#folder);
  }

  /** Nothing is taken in any more. */
  abandonFetched(): void {
    this.#fetched?.file.close();
    this.#fetched = undefined;
  }

  #write(name: string, parts: Iterable<Uint8Array>): void {
    const disk = this.#disk;
    disk.mkdir(this.#folder);
    const path = `${this.#folder}/${name}`;
    const file = disk.open(`${path}.part`, "create");
    try {
      file.truncate(0);
      let position = 0;
      for (const part of parts) {
        file.pwriteAll(part, position);
        position += part.length;
      }
      file.syncDataSync();
    } finally {
      file.close();
    }
    disk.rename(`${path}.part`, path);
    disk.syncDirectory(this.#folder);
  }
}

interface FetchedSnapshot {
  readonly id: SnapshotId;
  readonly name: string;
  readonly file: DiskFile;
}

/** 0-0 is what Apache Kafka begins a log with, and is never served. */
function servable(disk: Disk, folder: string): SnapshotId[] {
  return listSnapshots(disk, folder).filter(({ endOffset }) => endOffset > 0);
}
