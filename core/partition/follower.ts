/**
 * What a follower asks its leader for, and what it makes of the answer: append,
 * or cut where the logs part (KIP-101, KIP-595). Owns these decisions; whether
 * an answer is still the one to what was asked is the partition's to know.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type { Log } from "../log/log.ts";
import { BATCH_OVERHEAD, BatchView } from "../record/batch.ts";

/** What to ask the leader for. */
export interface FetchTarget {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly offset: number;
  /** Epoch of the last record; −1 when there is none. */
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
  readonly highWatermark: number;
}

/** What the leader answered, when it had no error. */
export interface FollowerAnswer {
  readonly highWatermark: number;
  readonly logStartOffset: number;
  /** The leader's largest epoch up to the one asked with, and its end. */
  readonly divergingEpoch:
    | { readonly epoch: number; readonly endOffset: number }
    | undefined;
  readonly records: Uint8Array;
}

/** What an answer led to. */
export type FollowerStep = "appended" | "truncated" | "nothing" | "stale";

/** Brings the log as much closer to the leader's as the answer allows. */
export function takeIn(
  log: Log,
  { leaderEpoch }: FetchTarget,
  { divergingEpoch, records, logStartOffset }: FollowerAnswer,
): FollowerStep {
  if (divergingEpoch !== undefined) {
    // A leader that knows no epoch of ours can't tell where to cut.
    if (divergingEpoch.endOffset < 0) return "nothing";
    log.truncateTo(sharedEnd(log, divergingEpoch));
    return "truncated";
  }
  const before = log.logEndOffset;
  if (records.length >= BATCH_OVERHEAD) {
    beginWithin(log, records);
    log.appendAsFollower(records, { leaderEpochMax: leaderEpoch });
  }
  log.deleteRecordsBefore(Math.min(logStartOffset, log.logEndOffset));
  if (log.logEndOffset > before) return "appended";
  if (records.length >= BATCH_OVERHEAD) throw foreign(log, records);
  return "nothing";
}

/** Asked for again at once, it would be the same: it was damaged, or led by another. */
function foreign({ name }: Log, records: Uint8Array): KafkaError {
  const { baseOffset, partitionLeaderEpoch } = new BatchView(records);
  return new KafkaError(
    "CORRUPT_MESSAGE",
    `Cannot append to ${name}: the batch at ${baseOffset} is of epoch ${partitionLeaderEpoch}, which its leader doesn't lead in`,
  );
}

/**
 * Up to where both logs may be the same. The leader's epoch may be unknown
 * here: then what follows the largest one below it goes, and the next fetch
 * asks with that.
 */
function sharedEnd(
  log: Log,
  leader: { readonly epoch: number; readonly endOffset: number },
): number {
  const own = log.endOffsetForEpoch(leader.epoch);
  const end = log.logEndOffset;
  if (own.endOffset < 0) return Math.min(leader.endOffset, end);
  if (own.epoch !== leader.epoch) return Math.min(own.endOffset, end);
  return Math.min(own.endOffset, leader.endOffset, end);
}

/** A leader's log may begin within a batch, which an empty log takes whole. */
function beginWithin(log: Log, records: Uint8Array): void {
  const { logStartOffset, logEndOffset } = log;
  const { baseOffset, lastOffset } = new BatchView(records);
  const isWithin = logStartOffset === logEndOffset &&
    baseOffset < logEndOffset && lastOffset >= logEndOffset;
  if (isWithin) log.truncateFullyAndStartAt(baseOffset);
}
