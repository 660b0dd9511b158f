/**
 * What is told of the files of a log, row by row: the shapes that all decoders
 * of `dump_*.ts` yield. Types, and how offsets and times are checked to be
 * usable; it must never read anything.
 *
 * @module
 */
import type { CodecName } from "../record/compression.ts";
import type { TimestampType } from "../record/batch.ts";
import type { ControlType } from "../record/control.ts";
import type { LogRecord } from "../record/record.ts";
import type { CheckpointEntry } from "./checkpoint.ts";
import type { EpochEntry } from "./leader_epoch_cache.ts";
import type { SnapshotEntry } from "./producer_state.ts";

/** What every row tells. */
interface Placed {
  /** Byte of the file at which the thing begins. */
  readonly position: number;
}

/** A batch of a `.log`. */
export interface BatchRow extends Placed {
  readonly kind: "batch";
  readonly sizeInBytes: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Records in it, as its header says. */
  readonly count: number;
  /** The codec's id when there is no such codec. */
  readonly codec: CodecName | number;
  readonly partitionLeaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  /** Names of the control records in it; null when it isn't a control batch. */
  readonly control: readonly (ControlType | "UNKNOWN")[] | null;
  readonly timestampType: TimestampType;
  readonly maxTimestamp: number;
  readonly isCrcValid: boolean;
  /** When a compaction may drop its tombstones; null before it met any. */
  readonly deleteHorizonMs: number | null;
}

/** A record of the batch before it; its bytes live until the next row. */
export interface RecordRow extends Placed, LogRecord {
  readonly kind: "record";
  /** Name of the control record; null when it isn't one. */
  readonly control: ControlType | "UNKNOWN" | null;
}

/** An entry of an `.index`. */
export interface IndexRow extends Placed {
  readonly kind: "index";
  /** Last offset of the batch that it points at. */
  readonly offset: number;
  /** Where that batch begins in the `.log`. */
  readonly batchPosition: number;
}

/** An entry of a `.timeindex`. */
export interface TimeIndexRow extends Placed {
  readonly kind: "timeindex";
  /** Largest timestamp up to the offset. */
  readonly timestamp: number;
  readonly offset: number;
}

/** An entry of a `.txnindex`: an aborted transaction. */
export interface TxnIndexRow extends Placed {
  readonly kind: "txnindex";
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** One of the last batches of a producer, in a `.snapshot`. */
export interface ProducerRow extends Placed, SnapshotEntry {
  readonly kind: "producer";
}

/** A line of a `leader-epoch-checkpoint`. */
export interface EpochRow extends Placed, EpochEntry {
  readonly kind: "epoch";
}

/** A line of one of the offset checkpoints. */
export interface CheckpointRow extends Placed, CheckpointEntry {
  readonly kind: "checkpoint";
}

/** What a `partition.metadata` holds. */
export interface PartitionRow extends Placed {
  readonly kind: "partition";
  readonly topicId: string;
}

/** A value of `meta.properties`, `quorum-state` or `.kafka_cleanshutdown`. */
export interface PropertyRow extends Placed {
  readonly kind: "property";
  readonly name: string;
  /** What isn't a number is text, lists as JSON. */
  readonly value: string | number;
}

/** Something that isn't as it must be. */
export interface ProblemRow extends Placed {
  readonly kind: "problem";
  /** What is wrong, in words. */
  readonly problem: string;
}

/** What a decoder yields. */
export type DecodedRow =
  | BatchRow
  | RecordRow
  | IndexRow
  | TimeIndexRow
  | TxnIndexRow
  | ProducerRow
  | EpochRow
  | CheckpointRow
  | PartitionRow
  | PropertyRow
  | ProblemRow;

/** A problem at a position. */
export function problemAt(position: number, problem: string): ProblemRow {
  return { kind: "problem", position, problem };
}
