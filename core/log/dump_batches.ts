/**
 * Batches and records of a `.log` as rows, with what is wrong with them. Holds
 * one batch at a time; it must never stop at a broken one while it is known
 * where the next begins.
 *
 * @module
 */
import { DecodeError } from "../bytes/reader.ts";
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { BatchView } from "../record/batch.ts";
import { codecName } from "../record/compression.ts";
import { type ControlRecord, decodeControlRecords } from "../record/control.ts";
import { decodeRecords } from "../record/record.ts";
import {
  type BatchRow,
  problemAt,
  type ProblemRow,
  type RecordRow,
} from "./dump_rows.ts";
import { type ByteSource, walkBatches } from "./scan.ts";

const ZERO_CHUNK_BYTES = 64 * 1024;

/** How {@linkcode decodeBatches} decodes. */
export interface DecodeBatchesOptions {
  /** Bytes of the file. */
  readonly size: number;
  /** Whether records are told, too. */
  readonly records?: boolean;
  /** The least offset that the first batch may have. */
  readonly startOffset?: number;
  /** Throws for a control record whose value can't be read. */
  readonly checkControl?: (record: ControlRecord) => void;
}

/** The rows of a `.log`, in order; returns the offset after the last batch. */
export function* decodeBatches(
  source: ByteSource,
  options: DecodeBatchesOptions,
): Generator<BatchRow | RecordRow | ProblemRow, number> {
  const { size, records = false, checkControl } = options;
  let nextOffset = options.startOffset ?? 0;
  const walk = walkBatches(source, {
    size,
    batchBytesMax: LIMITS.frameBytesMax,
  });
  for (;;) {
    const { value, done } = walk.next();
    if (done) {
      const { position, why } = value;
      if (why !== undefined && !isZero(source, position, size)) {
        yield problemAt(position, why);
      }
      return nextOffset;
    }
    const { position, batch } = value;
    const read = readBatch(batch, { position, records, checkControl });
    yield read.row;
    const { baseOffset, lastOffset } = read.row;
    const problem = read.problem ?? wrongOffset(read.row, nextOffset);
    if (problem !== undefined) yield problemAt(position, problem);
    yield* read.records;
    // A base offset lies outside the CRC: a wrong one must not hide the rest.
    if (Number.isSafeInteger(baseOffset) && lastOffset >= nextOffset) {
      nextOffset = lastOffset + 1;
    }
  }
}

interface ReadBatch {
  readonly row: BatchRow;
  readonly problem?: string | undefined;
  readonly records: readonly RecordRow[];
}

function readBatch(
  batch: BatchView,
  { position, records, checkControl }: {
    readonly position: number;
    readonly records: boolean;
    readonly checkControl: DecodeBatchesOptions["checkControl"];
  },
): ReadBatch {
  const isCrcValid = batch.isCrcValid();
  const plain: BatchRow = {
    kind: "batch",
    position,
    sizeInBytes: batch.sizeInBytes,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    count: batch.recordCount,
    codec: codecName(batch.codec) ?? batch.codec,
    partitionLeaderEpoch: batch.partitionLeaderEpoch,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    control: null,
    timestampType: batch.timestampType,
    maxTimestamp: batch.maxTimestamp,
    isCrcValid,
    deleteHorizonMs: batch.hasDeleteHorizon ? batch.baseTimestamp : null,
  };
  if (!isCrcValid) {
    return { row: plain, problem: "the batch's CRC is wrong", records: [] };
  }
  if (typeof plain.codec === "number") {
    const problem = `the batch's codec ${plain.codec} is none of Kafka's`;
    return { row: plain, problem, records: [] };
  }
  try {
    const controls = batch.isControl ? decodeControlRecords(batch) : null;
    const control = controls?.map(({ type }) => type) ?? null;
    const found = records ? recordsOf(batch, { position, control }) : [];
    const problem = controls?.map((each) => brokenValue(each, checkControl))
      .find((each) => each !== undefined);
    return { row: { ...plain, control }, problem, records: found };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return { row: plain, problem: error.message, records: [] };
  }
}

function brokenValue(
  record: ControlRecord,
  check: DecodeBatchesOptions["checkControl"],
): string | undefined {
  try {
    check?.(record);
    return undefined;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return `the control record ${record.type} at offset ${record.offset} can't be read: ${error.message}`;
  }
}

function recordsOf(
  batch: BatchView,
  { position, control }: Pick<BatchRow, "position" | "control">,
): RecordRow[] {
  return decodeRecords(batch).map((record, i) => ({
    kind: "record",
    position,
    ...record,
    control: control?.[i] ?? null,
  }));
}

function wrongOffset(row: BatchRow, nextOffset: number): string | undefined {
  const { baseOffset, lastOffset } = row;
  if (!Number.isSafeInteger(baseOffset) || baseOffset < nextOffset) {
    return `the batch's base offset is ${baseOffset}, where ${nextOffset} or more is next`;
  }
  if (lastOffset < baseOffset) {
    return `the batch ends at offset ${lastOffset}, before its base offset ${baseOffset}`;
  }
  return undefined;
}

/** Whether nothing but zeros follows `from`: room that was set aside. */
export function isZero(
  source: ByteSource,
  from: number,
  size: number,
): boolean {
  const chunk = new Uint8Array(Math.min(ZERO_CHUNK_BYTES, size - from));
  for (let at = from; at < size;) {
    const got = source.pread(chunk, at);
    if (got === 0) return true;
    if (chunk.subarray(0, got).some((byte) => byte !== 0)) return false;
    at += got;
  }
  return true;
}
