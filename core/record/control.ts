/**
 * Control batches: records that clients never see. Owns their keys and the
 * layout of transaction markers; the values of KRaft control records are bytes
 * to it.
 *
 * @module
 */
import {
  int16At,
  int32At,
  setInt16At,
  setInt32At,
} from "../bytes/big_endian.ts";
import { KafkaError } from "../errors.ts";
import type { BatchView } from "./batch.ts";
import { buildBatch, type BuildOptions } from "./builder.ts";
import { decodeRecords } from "./record.ts";

/** Ids of control records, as their keys carry them. */
const CONTROL_TYPES = {
  ABORT: 0,
  COMMIT: 1,
  LEADER_CHANGE: 2,
  SNAPSHOT_HEADER: 3,
  SNAPSHOT_FOOTER: 4,
  KRAFT_VERSION: 5,
  KRAFT_VOTERS: 6,
} as const;

/** Kind of a control record. */
export type ControlType = keyof typeof CONTROL_TYPES;

const NAMES = Object.keys(CONTROL_TYPES) as ControlType[];

/** A control record read from a batch. */
export interface ControlRecord {
  readonly offset: number;
  readonly timestamp: number;
  /** UNKNOWN: a type of a newer version, to be skipped. */
  readonly type: ControlType | "UNKNOWN";
  readonly value: Uint8Array;
}

/** One control batch of `records`, which must not be empty. */
export function controlBatch(
  records: readonly {
    readonly type: ControlType;
    readonly value: Uint8Array;
  }[],
  options: Omit<BuildOptions, "isControl"> & { readonly timestamp: number },
): Uint8Array<ArrayBuffer> {
  const { timestamp } = options;
  const inputs = records.map(({ type, value }) => ({
    timestamp,
    key: controlKey(type),
    value,
  }));
  return buildBatch(inputs, { ...options, isControl: true });
}

function controlKey(type: ControlType): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(4);
  setInt16At(key, 2, CONTROL_TYPES[type]);
  return key;
}

/** The records of a control batch; broken ones throw `CORRUPT_MESSAGE`. */
export function decodeControlRecords(view: BatchView): ControlRecord[] {
  return decodeRecords(view).map(({ offset, timestamp, key, value }) => {
    if (key === null || key.length < 4 || int16At(key, 0) < 0) {
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the control record at offset ${offset}: its key is not a version and a type`,
      );
    }
    const type = NAMES[int16At(key, 2)] ?? "UNKNOWN";
    return { offset, timestamp, type, value: value ?? new Uint8Array(0) };
  });
}

/** What is written where a transaction ends. */
export interface TxnMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly committed: boolean;
  /** 2: the producer's epoch grew with the transaction's end. */
  readonly transactionVersion: number;
}

/** Key and value of the control record of a marker. */
export function markerRecord(
  { committed, coordinatorEpoch }: Pick<
    TxnMarker,
    "committed" | "coordinatorEpoch"
  >,
): { key: Uint8Array<ArrayBuffer>; value: Uint8Array<ArrayBuffer> } {
  return {
    key: controlKey(committed ? "COMMIT" : "ABORT"),
    value: encodeEndTransactionValue(coordinatorEpoch),
  };
}

/** The control batch of a marker. */
export function markerBatch(
  marker: TxnMarker,
  timestamp: number,
): Uint8Array<ArrayBuffer> {
  const { producerId, producerEpoch } = marker;
  return buildBatch([{ timestamp, ...markerRecord(marker) }], {
    producerId,
    producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}

/** The end of a transaction as a log holds it. */
export interface EndTransactionMarker {
  readonly type: "COMMIT" | "ABORT";
  readonly coordinatorEpoch: number;
}

/** The marker that `view` holds, if it is one: most batches are not. */
export function markerOf(view: BatchView): EndTransactionMarker | undefined {
  return view.isControl && view.producerId >= 0
    ? endTransactionMarker(view)
    : undefined;
}

/** The value of an ABORT or COMMIT control record. */
export function encodeEndTransactionValue(
  coordinatorEpoch: number,
): Uint8Array<ArrayBuffer> {
  const value = new Uint8Array(6);
  setInt32At(value, 2, coordinatorEpoch);
  return value;
}

/**
 * The marker that a control batch holds; undefined when it holds another kind
 * of control record.
 */
export function endTransactionMarker(
  view: BatchView,
): EndTransactionMarker | undefined {
  const record = decodeControlRecords(view)[0];
  if (record?.type !== "ABORT" && record?.type !== "COMMIT") return undefined;
  if (record.value.length < 6 || int16At(record.value, 0) < 0) {
    throw new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot read the transaction marker at offset ${record.offset}: its value is not a version and an epoch`,
    );
  }
  return {
    type: record.type,
    coordinatorEpoch: int32At(record.value, 2),
  };
}
