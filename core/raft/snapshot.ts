/**
 * Snapshots of the metadata log: their names, their bytes and when one is due.
 * Owns the format (batches between SNAPSHOT_HEADER and SNAPSHOT_FOOTER);
 * touches no file and knows no record's meaning.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { batchesOf, type BatchView } from "../record/batch.ts";
import { buildBatch } from "../record/builder.ts";
import { controlBatch, decodeControlRecords } from "../record/control.ts";
import { decodeRecords } from "../record/record.ts";
import { encodeControlValue } from "./records.ts";
import {
  decodeQuorumRecord,
  quorumRecords,
  type QuorumVoters,
} from "./voter_set.ts";

/** Which log prefix a snapshot stands for. */
export interface SnapshotId {
  /** The first offset that it does not contain. */
  readonly endOffset: number;
  /** Epoch of the last record that it contains. */
  readonly epoch: number;
}

/** Bytes of record values after which a snapshot's batch is closed. */
const BATCH_BYTES = 512 * 1024;
const NAME = /^(\d{20})-(\d{10})\.checkpoint$/;

/** `%020d-%010d.checkpoint`. */
export function snapshotName({ endOffset, epoch }: SnapshotId): string {
  const end = String(endOffset).padStart(20, "0");
  return `${end}-${String(epoch).padStart(10, "0")}.checkpoint`;
}

/** The id in a file's name; undefined when it names no finished snapshot. */
export function parseSnapshotName(name: string): SnapshotId | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  return { endOffset: Number(match[1]), epoch: Number(match[2]) };
}

/** When to take a snapshot. */
export interface SnapshotPolicy {
  readonly maxBytes: number;
  /** 0: never because of time. */
  readonly intervalMs: number;
}

/** Whether a snapshot is due. */
export function isSnapshotDue(
  { maxBytes, intervalMs }: SnapshotPolicy,
  since: { readonly bytes: number; readonly ms: number },
): boolean {
  if (since.bytes === 0) return false;
  return since.bytes >= maxBytes || (intervalMs > 0 && since.ms >= intervalMs);
}

const STATIC: QuorumVoters = { kraftVersion: 0, voters: [] };

/** The batches of a snapshot that holds `values`, in order. */
export function* encodeSnapshot(
  values: Iterable<Uint8Array>,
  { id, nowMs, quorum = STATIC }: {
    readonly id: SnapshotId;
    readonly nowMs: number;
    readonly quorum?: QuorumVoters;
  },
): Generator<Uint8Array> {
  let baseOffset = 0;
  const options = () => ({
    baseOffset,
    partitionLeaderEpoch: id.epoch,
    timestamp: nowMs,
  });
  const header = encodeControlValue("SNAPSHOT_HEADER", {
    lastContainedLogTimestamp: nowMs,
  });
  const first = [
    { type: "SNAPSHOT_HEADER", value: header } as const,
    ...quorumRecords(quorum),
  ];
  yield controlBatch(first, options());
  baseOffset += first.length;
  let batch: Uint8Array[] = [];
  let bytes = 0;
  const build = () => {
    const records = batch.map((value) => ({
      timestamp: nowMs,
      key: null,
      value,
    }));
    const built = buildBatch(records, {
      baseOffset,
      partitionLeaderEpoch: id.epoch,
    });
    baseOffset += batch.length;
    batch = [];
    bytes = 0;
    return built;
  };
  for (const value of values) {
    batch.push(value);
    bytes += value.length;
    if (bytes >= BATCH_BYTES) yield build();
  }
  if (batch.length > 0) yield build();
  const footer = encodeControlValue("SNAPSHOT_FOOTER", {});
  yield controlBatch([{ type: "SNAPSHOT_FOOTER", value: footer }], options());
}

/** The values in a snapshot; `CORRUPT_MESSAGE` when it is not whole. */
export function decodeSnapshot(bytes: Uint8Array): Uint8Array[] {
  const values: Uint8Array[] = [];
  let isOpen = false;
  let isClosed = false;
  for (const view of batchesOf(bytes)) {
    if (isClosed || !view.isCrcValid()) throw damaged();
    if (!view.isControl) {
      if (!isOpen) throw damaged();
      values.push(...valuesOf(view));
      continue;
    }
    for (const { type } of decodeControlRecords(view)) {
      if (type === "SNAPSHOT_HEADER") isOpen = true;
      if (type === "SNAPSHOT_FOOTER") isClosed = isOpen;
    }
  }
  if (!isClosed) throw damaged();
  return values;
}

/** Who votes, by a snapshot that is whole; undefined: it doesn't say. */
export function snapshotQuorum(bytes: Uint8Array): QuorumVoters | undefined {
  let quorum: QuorumVoters | undefined;
  for (const view of batchesOf(bytes)) {
    if (!view.isControl) continue;
    for (const record of decodeControlRecords(view)) {
      const change = decodeQuorumRecord(record);
      if (change !== undefined) quorum = { ...quorum ?? STATIC, ...change };
    }
  }
  return quorum;
}

/** The values of a batch of the metadata log; none of a control batch. */
export function valuesOf(view: BatchView): Uint8Array[] {
  if (view.isControl) return [];
  return decodeRecords(view).map(({ value }) => value ?? new Uint8Array(0));
}

function damaged(): KafkaError {
  return new KafkaError(
    "CORRUPT_MESSAGE",
    "Snapshot is damaged: a batch, its header or its footer is missing or broken",
  );
}
