/**
 * A batch without the records that a cleaning removes: the same offsets,
 * sequences and codec, in new bytes only when something changed. Owns the
 * delete horizon in a batch (KIP-534); which records go is its caller's to say.
 *
 * @module
 */
import { setInt16At, setInt32At, setInt64At } from "../../bytes/big_endian.ts";
import { crc32c } from "../../bytes/crc32c.ts";
import { Writer } from "../../bytes/writer.ts";
import {
  AT,
  ATTRIBUTE,
  BATCH_OVERHEAD,
  type BatchView,
  LOG_OVERHEAD,
} from "../../record/batch.ts";
import { compress } from "../../record/compression.ts";
import type { RecordCursor } from "../../record/record.ts";

const NO_TIMESTAMP = -1;
/** A batch may hold more records than one slice of the event loop takes. */
const RECORDS_PER_STEP = 256;

/** What becomes of a batch. */
export interface BatchRetention {
  /** Whether the record under the cursor stays. */
  readonly keeps: (cursor: RecordCursor) => boolean;
  /** Whether the header stays when no record does. */
  readonly keepsEmpty: boolean;
  /** Whether it is a marker whose transaction has no records any more. */
  readonly isEmptyTransaction: boolean;
  /** The delete horizon of a batch that has none and now needs one. */
  readonly deleteHorizonMs: number;
}

/**
 * What is left of the batch, of which all must lie under `view`: its own
 * bytes, new ones, or undefined for nothing. Every yield is a moment at which
 * others may have a turn, as long as view and cursor are left alone.
 */
export function* filterBatch(
  view: BatchView,
  cursor: RecordCursor,
  retention: BatchRetention,
): Generator<undefined, Uint8Array | undefined> {
  const kept: KeptRecord[] = [];
  let hasTombstone = false;
  cursor.open(view);
  let count = 0;
  for (let start = 0; cursor.next(); start = cursor.recordEnd) {
    if (++count % RECORDS_PER_STEP === 0) yield;
    if (!retention.keeps(cursor)) continue;
    kept.push({ start, end: cursor.recordEnd, timestamp: cursor.timestamp });
    if (cursor.valueLength < 0) hasTombstone = true;
  }
  if (kept.length === 0) {
    return retention.keepsEmpty ? emptied(view) : undefined;
  }
  const needsHorizon = !view.hasDeleteHorizon &&
    (hasTombstone || retention.isEmptyTransaction);
  if (kept.length === view.recordCount && !needsHorizon) return view.bytes;
  return yield* rebuilt(view, {
    inflated: cursor.bytes,
    kept,
    baseTimestamp: needsHorizon
      ? retention.deleteHorizonMs
      : view.baseTimestamp,
    hasHorizon: needsHorizon || view.hasDeleteHorizon,
  });
}

/** Where a record lies in the inflated section, and its time. */
interface KeptRecord {
  readonly start: number;
  readonly end: number;
  readonly timestamp: number;
}

/** The header alone: it tells the last sequence and offset. */
function emptied(view: BatchView): Uint8Array {
  const bytes = view.bytes.slice(0, BATCH_OVERHEAD);
  setInt64At(bytes, AT.baseTimestamp, NO_TIMESTAMP);
  return sealed(bytes, {
    attributes: view.attributes & ~(ATTRIBUTE.codec | ATTRIBUTE.deleteHorizon),
    recordCount: 0,
  });
}

function* rebuilt(
  view: BatchView,
  { inflated, kept, baseTimestamp, hasHorizon }: {
    readonly inflated: Uint8Array;
    readonly kept: readonly KeptRecord[];
    readonly baseTimestamp: number;
    readonly hasHorizon: boolean;
  },
): Generator<undefined, Uint8Array> {
  const isSameBase = baseTimestamp === view.baseTimestamp;
  const writer = new Writer(inflated.length + 16);
  for (const [i, record] of kept.entries()) {
    if (i % RECORDS_PER_STEP === RECORDS_PER_STEP - 1) yield;
    if (isSameBase) writer.raw(inflated.subarray(record.start, record.end));
    else {
      putWithDelta(writer, inflated, {
        ...record,
        delta: record.timestamp - baseTimestamp,
      });
    }
  }
  const records = compress(view.codec, writer.finish());
  const bytes = new Uint8Array(BATCH_OVERHEAD + records.length);
  bytes.set(view.bytes.subarray(0, BATCH_OVERHEAD));
  bytes.set(records, BATCH_OVERHEAD);
  setInt64At(bytes, AT.baseTimestamp, baseTimestamp);
  if (view.timestampType === "CreateTime") {
    const largest = kept.reduce(
      (max, { timestamp }) => Math.max(max, timestamp),
      NO_TIMESTAMP,
    );
    setInt64At(bytes, AT.maxTimestamp, largest);
  }
  return sealed(bytes, {
    attributes: view.attributes | (hasHorizon ? ATTRIBUTE.deleteHorizon : 0),
    recordCount: kept.length,
  });
}

/** Writes the record with another distance to the batch's base timestamp. */
function putWithDelta(
  writer: Writer,
  inflated: Uint8Array,
  { start, end, delta }: {
    readonly start: number;
    readonly end: number;
    readonly delta: number;
  },
): void {
  const attributesAt = behindVarint(inflated, start);
  const rest = inflated.subarray(behindVarint(inflated, attributesAt + 1), end);
  const head = new Writer(16);
  head.raw(inflated.subarray(attributesAt, attributesAt + 1));
  head.varlong(delta);
  const front = head.finish();
  writer.varint(front.length + rest.length);
  writer.raw(front);
  writer.raw(rest);
}

/** Where the varint that begins at `at`, and was read before, ends. */
function behindVarint(bytes: Uint8Array, at: number): number {
  let end = at;
  while (bytes[end]! >= 128) end++;
  return end + 1;
}

function sealed(
  bytes: Uint8Array,
  { attributes, recordCount }: {
    readonly attributes: number;
    readonly recordCount: number;
  },
): Uint8Array {
  setInt32At(bytes, AT.batchLength, bytes.length - LOG_OVERHEAD);
  setInt16At(bytes, AT.attributes, attributes);
  setInt32At(bytes, AT.recordCount, recordCount);
  setInt32At(bytes, AT.crc, crc32c(bytes, AT.attributes));
  return bytes;
}
