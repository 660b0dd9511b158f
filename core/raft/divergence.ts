/**
 * Where two copies of the metadata log part (KIP-595, KIP-630): what a leader
 * tells a replica whose log isn't a prefix of its own, and how far that one
 * then goes back. Decides only; it must never touch a log.
 *
 * @module
 */
import type { FetchVerdict } from "./messages.ts";
import type { SnapshotId } from "./snapshot.ts";
import type { QuorumEntry } from "./voter_history.ts";

/** What raft knows of the log of this replica. */
export interface ReplicaLog {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** Epoch of the last record, or of the snapshot before it; −1: none. */
  readonly lastEpoch: number;
  /** Who votes by the latest record, committed or not. */
  readonly quorum: QuorumEntry;
  /** Snapshots that can be served. */
  readonly oldestSnapshot: SnapshotId | undefined;
  readonly newestSnapshot: SnapshotId | undefined;
  /** The largest epoch up to `epoch` and its end; −1s when none is known. */
  endOffsetForEpoch(
    epoch: number,
  ): { readonly epoch: number; readonly endOffset: number };
}

/** What follows in `log` for a replica that ends at `offset` with `epoch`. */
export function follows(
  log: ReplicaLog,
  { offset, epoch }: { readonly offset: number; readonly epoch: number },
): FetchVerdict {
  const { logStartOffset, oldestSnapshot, newestSnapshot } = log;
  if (oldestSnapshot !== undefined && newestSnapshot !== undefined) {
    const isBefore = offset === 0 || offset < logStartOffset ||
      offset === logStartOffset && epoch !== oldestSnapshot.epoch ||
      epoch < oldestSnapshot.epoch;
    if (isBefore) return { type: "snapshot", id: newestSnapshot };
  } else if (offset === 0) {
    return { type: "records" };
  }
  const known = endOf(log, epoch);
  return known.epoch !== epoch || known.endOffset < offset
    ? { type: "diverging", ...known }
    : { type: "records" };
}

/** Where a log ends after it heard that its leader parts from it there. */
export function sharedEnd(
  log: ReplicaLog,
  diverging: { readonly epoch: number; readonly endOffset: number },
): number {
  const own = endOf(log, diverging.epoch);
  return own.epoch === diverging.epoch
    ? Math.min(own.endOffset, diverging.endOffset)
    : own.endOffset;
}

function endOf(
  log: ReplicaLog,
  epoch: number,
): { readonly epoch: number; readonly endOffset: number } {
  const known = log.endOffsetForEpoch(epoch);
  return known.endOffset >= 0
    ? known
    : { epoch: log.lastEpoch, endOffset: log.logEndOffset };
}
