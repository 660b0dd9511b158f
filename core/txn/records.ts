/**
 * The records of `__transaction_state`: their schemas, and transactional ids
 * as keys and values. Owns the format only. A record that is not understood is
 * told as such and never an error: newer coordinators share the topic.
 *
 * @module
 */
import { DecodeError, Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { decode, encodeInto } from "../schema/codec.ts";
import {
  array,
  int16,
  int32,
  int64,
  int8,
  message,
  string,
} from "../schema/schema.ts";
import {
  stateOf,
  STATES,
  type Transaction,
  type TxnPartitions,
} from "./transaction.ts";

/** Key of a transactional id, after its type. */
export const TRANSACTION_LOG_KEY = message({
  name: "TransactionLogKey",
  versions: "0",
  flexible: "none",
}, {
  transactionalId: string("0"),
});

/** A transactional id's state, after its version. */
export const TRANSACTION_LOG_VALUE = message({
  name: "TransactionLogValue",
  versions: "0-1",
  flexible: "1+",
}, {
  producerId: int64("0+"),
  previousProducerId: int64("1+", { tag: 0, default: -1 }),
  nextProducerId: int64("1+", { tag: 1, default: -1 }),
  producerEpoch: int16("0+"),
  nextProducerEpoch: int16("1+", { tag: 3, default: -1 }),
  transactionTimeoutMs: int32("0+"),
  transactionStatus: int8("0+"),
  transactionPartitions: array("0+", {
    topic: string("0+"),
    partitionIds: array("0+", int32()),
  }, { nullable: "0+" }),
  transactionLastUpdateTimestampMs: int64("0+"),
  transactionStartTimestampMs: int64("0+"),
  clientTransactionVersion: int16("1+", { tag: 2 }),
});

const TRANSACTION_TYPE = 0;
const KEY_VERSION = 0;
const VALUE_VERSION_MAX = 1;

/** A transactional id's state as it is stored; null deletes the id. */
export interface TransactionRecord {
  readonly type: "Transaction";
  readonly transactionalId: string;
  readonly transaction: Transaction | null;
  /** Version of the value: 1 can tell of transaction version 2. */
  readonly version: number;
}

/** Key and value of a log record that holds `record`. */
export function encodeTransactionRecord(
  { transactionalId, transaction, version }: TransactionRecord,
): { key: Uint8Array<ArrayBuffer>; value: Uint8Array<ArrayBuffer> | null } {
  const key = new Writer();
  key.int16(TRANSACTION_TYPE);
  encodeInto(key, TRANSACTION_LOG_KEY, KEY_VERSION, { transactionalId });
  if (transaction === null) return { key: key.view(), value: null };
  const value = new Writer();
  value.int16(version);
  encodeInto(value, TRANSACTION_LOG_VALUE, version, {
    producerId: transaction.producerId,
    producerEpoch: transaction.producerEpoch,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStatus: STATES.indexOf(transaction.state),
    transactionPartitions: transaction.state === "Empty" ? null : [
      ...transaction.partitions,
    ].map(([topic, ids]) => ({ topic, partitionIds: [...ids] })),
    transactionLastUpdateTimestampMs: transaction.updateMs,
    transactionStartTimestampMs: transaction.startMs,
    ...(version === 0 ? {} : {
      previousProducerId: transaction.previousProducerId,
      nextProducerId: transaction.nextProducerId,
      clientTransactionVersion: transaction.clientVersion,
    }),
  });
  return { key: key.view(), value: value.view() };
}

/** Reads a log record of `__transaction_state`. */
export function decodeTransactionRecord(
  { key, value }: {
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
  },
): TransactionRecord | { readonly type: "Unknown" } {
  if (key === null) {
    throw new DecodeError("Cannot decode transaction record: it has no key");
  }
  const reader = new Reader(key);
  if (reader.int16() !== TRANSACTION_TYPE) return { type: "Unknown" };
  const { transactionalId } = decode(TRANSACTION_LOG_KEY, KEY_VERSION, reader);
  const type = "Transaction";
  if (value === null) {
    return { type, transactionalId, transaction: null, version: 0 };
  }
  const body = new Reader(value);
  const version = body.int16();
  if (version < 0 || version > VALUE_VERSION_MAX) return { type: "Unknown" };
  const read = decode(TRANSACTION_LOG_VALUE, version, body);
  const partitions: TxnPartitions = new Map(
    (read.transactionPartitions ?? [])
      .map(({ topic, partitionIds }) => [topic, new Set(partitionIds)]),
  );
  const transaction: Transaction = {
    producerId: read.producerId,
    previousProducerId: read.previousProducerId,
    nextProducerId: read.nextProducerId,
    producerEpoch: read.producerEpoch,
    lastProducerEpoch: -1,
    timeoutMs: read.transactionTimeoutMs,
    state: stateOf(read.transactionStatus),
    partitions,
    startMs: read.transactionStartTimestampMs,
    updateMs: read.transactionLastUpdateTimestampMs,
    clientVersion: read.clientTransactionVersion,
  };
  return { type, transactionalId, transaction, version };
}
