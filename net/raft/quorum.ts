/**
 * Drives raft for the metadata log: persists, then acts. Owns `quorum-state`
 * and the snapshots in the `__cluster_metadata-0` folder, and through an
 * injected log its segments. It never decides who leads and never reads a
 * record's meaning.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import type { Clock, Disk, Random } from "../../core/env/env.ts";
import { DiskError } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { invariant } from "../../core/invariant.ts";
import type { ElectionState } from "../../core/raft/contract.ts";
import type { ReplicaLog } from "../../core/raft/divergence.ts";
import { Raft } from "../../core/raft/raft.ts";
import {
  decodeQuorumState,
  encodeQuorumState,
} from "../../core/raft/records.ts";
import { leaderChangeBatch, storedBatches } from "../../core/raft/batches.ts";
import {
  encodeSnapshot,
  isSnapshotDue,
  type SnapshotId,
  snapshotName,
  type SnapshotPolicy,
} from "../../core/raft/snapshot.ts";
import {
  listSnapshots,
  newestSnapshot,
} from "../../core/raft/snapshot_files.ts";

/** The log that raft needs; a partition's log satisfies it. */
export interface RaftLog {
  /** Whether the disk failed it for good. */
  readonly isOffline: boolean;
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Epoch of the last batch; below 0 when there is none. */
  readonly latestEpoch: number;
  /** The largest epoch up to `epoch` and its end; −1s when none is known. */
  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: number };
  /** Stamps and appends one batch at the end. */
  appendAsLeader(
    batch: Uint8Array,
    options: { readonly leaderEpoch: number; readonly nowMs: number },
  ): { readonly lastOffset: number };
  /** Hands what is appended to the file; throws when the disk refuses it. */
  writeStaged(): void;
  assignEpoch(epoch: number): void;
  /** Whole batches from the one that contains `offset`. */
  read(offset: number, options: {
    readonly maxBytes: number;
    readonly upperOffset: number;
    readonly minOneBatch: boolean;
  }): Uint8Array;
  /** Resolves when all that is appended by now is durable. */
  flush(): Promise<void>;
  deleteRecordsBefore(offset: number): void;
  truncateFullyAndStartAt(offset: number): void;
}

/** What a quorum is made of. */
export interface QuorumOptions {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "wallMs" | "monoMs">;
  readonly random: Pick<Random, "u32">;
  /** The folder `__cluster_metadata-0`. */
  readonly folder: string;
  readonly log: RaftLog;
  readonly nodeId: number;
  readonly snapshots: SnapshotPolicy;
  /** Called after the high watermark moved. */
  readonly onCommitted: (highWatermark: number) => void;
  /** Called once when the log can't be made durable: the node must stop. */
  readonly onFailed: (error: unknown) => void;
}

/** Snapshots that stay: the newest, and one more should it be damaged. */
const SNAPSHOTS_KEPT = 2;
const READ_BYTES = 1024 * 1024;
const TIMEOUTS = { electionMs: 1000, fetchMs: 2000, backoffMaxMs: 1000 };
const STATE_FILE = "quorum-state";

/**
 * The metadata log of one voter.
 *
 * Invariants:
 * 1. What `quorum-state` must hold is durable before a record of the epoch is
 *    appended.
 * 2. At most one sync is in flight; the high watermark moves only after it.
 * 3. Log start ≤ end of the oldest kept snapshot ≤ high watermark.
 */
export class Quorum {
  readonly #options: QuorumOptions;
  readonly #raft: Raft;
  #snapshot: SnapshotId | undefined;
  /** The newest snapshot as it was found at the start, until it is replayed. */
  #found: ReturnType<typeof newestSnapshot>;
  #snapshotMs: number;
  #bytesSinceSnapshot = 0;
  #announced = -1;
  #syncing: Promise<void> | undefined;
  /** Why the log can't be made durable, in an array of one. */
  #failure: readonly [unknown] | undefined;

  /** Reads what the folder holds; nothing is written before `start()`. */
  constructor(options: QuorumOptions) {
    const { disk, folder, log, nodeId, clock } = options;
    this.#options = options;
    this.#snapshotMs = clock.monoMs();
    const found = newestSnapshot(disk, folder);
    this.#snapshot = found?.id;
    this.#found = found;
    const end = found?.id.endOffset ?? 0;
    if (log.logEndOffset < end) log.truncateFullyAndStartAt(end);
    if (log.logStartOffset > end) {
      throw new KafkaError(
        "KAFKA_STORAGE_ERROR",
        `Cannot open metadata log "${folder}": it begins at offset ${log.logStartOffset}, and no whole snapshot reaches that far`,
      );
    }
    this.#raft = new Raft({
      nodeId,
      directoryId: ZERO_UUID,
      voters: [nodeId],
      bootstrapServers: 0,
      persisted: readState(disk, folder),
      log: this.#replicaLog(),
      random: options.random,
      timeouts: TIMEOUTS,
      nowMs: clock.monoMs(),
      canReach: () => false,
    });
  }

  /** The log as raft knows it: a snapshot's end goes on in the log. */
  #replicaLog(): ReplicaLog {
    const { log } = this.#options;
    const snapshot = () => this.#snapshot;
    return {
      get logStartOffset() {
        return log.logStartOffset;
      },
      get logEndOffset() {
        return log.logEndOffset;
      },
      get lastEpoch() {
        return Math.max(log.latestEpoch, snapshot()?.epoch ?? -1);
      },
      get oldestSnapshot() {
        return snapshot();
      },
      get newestSnapshot() {
        return snapshot();
      },
      endOffsetForEpoch: (epoch) => log.endOffsetForEpoch(epoch),
    };
  }

  get logEndOffset(): number {
    return this.#options.log.logEndOffset;
  }

  /** Records below are committed; −1: not known yet. */
  get highWatermark(): number {
    return this.#raft.highWatermark;
  }

  get epoch(): number {
    return this.#raft.epoch;
  }

  /** Values of all records, of the snapshot first, then of the log. */
  *replay(): Generator<Uint8Array> {
    const { disk, folder, log } = this.#options;
    const snapshot = this.#found ?? newestSnapshot(disk, folder);
    this.#found = undefined;
    yield* snapshot?.values ?? [];
    const from = snapshot?.id.endOffset ?? 0;
    let offset = from;
    this.#bytesSinceSnapshot = 0;
    while (offset < log.logEndOffset) {
      const bytes = log.read(offset, {
        maxBytes: READ_BYTES,
        upperOffset: log.logEndOffset,
        minOneBatch: true,
      });
      const before = offset;
      for (const batch of storedBatches(bytes)) {
        offset = batch.nextOffset;
        if (batch.baseOffset < from) continue;
        this.#bytesSinceSnapshot += batch.sizeInBytes;
        yield* batch.values;
      }
      if (offset > before) continue;
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the metadata log at offset ${offset}: no batch is there`,
      );
    }
  }

  /** Has itself elected; resolves when the epoch's first record is committed. */
  async start(): Promise<void> {
    this.#raft.tick(this.#options.clock.monoMs());
    this.#run();
    await this.settled();
    if (this.#failure !== undefined) throw this.#failure[0];
  }

  /** Appends a batch to be committed and returns its last offset. */
  append(batch: Uint8Array): number {
    if (this.#failure !== undefined) {
      throw new KafkaError(
        "KAFKA_STORAGE_ERROR",
        "The metadata log has failed",
      );
    }
    this.#raft.requireLeader();
    let lastOffset: number;
    try {
      lastOffset = this.#append(batch);
    } catch (error) {
      // Without its log a controller can do nothing any more.
      if (this.#options.log.isOffline) this.#fail(error);
      throw error;
    }
    this.#run();
    return lastOffset;
  }

  /** Resolves when nothing is left to be synced. */
  async settled(): Promise<void> {
    while (this.#syncing !== undefined) await this.#syncing;
  }

  /** Whether enough was written since the last snapshot for another one. */
  get isSnapshotDue(): boolean {
    return isSnapshotDue(this.#options.snapshots, {
      bytes: this.#bytesSinceSnapshot,
      ms: this.#options.clock.monoMs() - this.#snapshotMs,
    });
  }

  /**
   * Writes `values`, the state as of `endOffset`, as a snapshot and drops the
   * log that no kept snapshot needs.
   */
  writeSnapshot(values: Iterable<Uint8Array>, endOffset: number): void {
    const { disk, folder, clock, log } = this.#options;
    invariant(endOffset <= this.highWatermark, "a snapshot is committed");
    if (endOffset <= (this.#snapshot?.endOffset ?? 0)) return;
    const id = { endOffset, epoch: this.epoch };
    const batches = encodeSnapshot(values, { id, nowMs: clock.wallMs() });
    writeDurably(disk, { folder, name: snapshotName(id) }, batches);
    this.#snapshot = id;
    this.#snapshotMs = clock.monoMs();
    this.#bytesSinceSnapshot = 0;
    const [oldest] = prune(disk, folder);
    if (oldest !== undefined) log.deleteRecordsBefore(oldest.endOffset);
  }

  /** Gives up leading and waits for what is in flight. */
  async close(): Promise<void> {
    await this.settled();
    this.#raft.step({ type: "resign" });
  }

  /** Carries out what raft wants, until it wants nothing or waits for a sync. */
  #run(): void {
    for (;;) {
      const { persist, startEpoch, syncTo } = this.#raft.ready();
      if (persist !== undefined) {
        this.#persist(persist);
        this.#raft.step({ type: "persisted" });
      } else if (startEpoch !== undefined) {
        this.#options.log.assignEpoch(startEpoch);
        this.#append(this.#leaderChange());
      } else {
        if (syncTo !== undefined) this.#syncing ??= this.#sync();
        return;
      }
    }
  }

  #append(batch: Uint8Array): number {
    const { log, clock } = this.#options;
    const { lastOffset } = log.appendAsLeader(batch, {
      leaderEpoch: this.epoch,
      nowMs: clock.wallMs(),
    });
    // A full disk refuses this change; found out at the sync it would end us.
    log.writeStaged();
    this.#bytesSinceSnapshot += batch.length;
    this.#raft.step({ type: "appended" });
    return lastOffset;
  }

  #leaderChange(): Uint8Array {
    const { nodeId, clock } = this.#options;
    return leaderChangeBatch(nodeId, clock.wallMs());
  }

  /** Syncs until all is durable. A failed sync is never tried again. */
  async #sync(): Promise<void> {
    const { log, onCommitted } = this.#options;
    try {
      for (;;) {
        const { syncTo } = this.#raft.ready();
        if (syncTo === undefined) break;
        await log.flush();
        this.#raft.step({ type: "synced", endOffset: syncTo });
        const { highWatermark } = this.#raft;
        if (highWatermark <= this.#announced) continue;
        this.#announced = highWatermark;
        onCommitted(highWatermark);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#syncing = undefined;
    }
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = [error];
    this.#options.onFailed(error);
  }

  #persist({ leaderId, epoch, votedId }: ElectionState): void {
    const { disk, folder, nodeId } = this.#options;
    const text = encodeQuorumState({
      leaderId,
      leaderEpoch: epoch,
      votedId,
      currentVoters: [{ voterId: nodeId }],
    }, 0);
    const bytes = new TextEncoder().encode(text);
    writeDurably(disk, { folder, name: STATE_FILE }, [bytes]);
  }
}

function readState(disk: Disk, folder: string): ElectionState | undefined {
  let bytes: Uint8Array;
  try {
    bytes = disk.readFile(`${folder}/${STATE_FILE}`);
  } catch (error) {
    if (error instanceof DiskError && error.code === "NotFound") {
      return undefined;
    }
    throw error;
  }
  const state = decodeQuorumState(new TextDecoder().decode(bytes));
  const { leaderId, leaderEpoch: epoch, votedId } = state;
  return { leaderId, epoch, votedId };
}

/** Removes old snapshots and half-written files; returns what stays. */
function prune(disk: Disk, folder: string): SnapshotId[] {
  const ids = listSnapshots(disk, folder);
  const kept = ids.slice(-SNAPSHOTS_KEPT);
  for (const id of ids.slice(0, -SNAPSHOTS_KEPT)) {
    disk.unlink(`${folder}/${snapshotName(id)}`);
  }
  for (const { name } of disk.list(folder)) {
    if (name.endsWith(".checkpoint.part")) disk.unlink(`${folder}/${name}`);
  }
  return kept.length < SNAPSHOTS_KEPT ? [] : kept;
}

/** Writes a file so that a crash leaves the old one or the new one. */
function writeDurably(
  disk: Disk,
  { folder, name }: { readonly folder: string; readonly name: string },
  parts: Iterable<Uint8Array>,
): void {
  disk.mkdir(folder);
  const path = `${folder}/${name}`;
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
  disk.syncDirectory(folder);
}
