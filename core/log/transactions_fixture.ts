/**
 * What a list of batches says of producers and transactions, worked out from
 * the whole list each time, for tests that hold a log against it. Owns the
 * model and the making of batches; it must share nothing with the product.
 *
 * @module
 */
import { buildBatch } from "../record/builder.ts";
import { controlBatch, encodeEndTransactionValue } from "../record/control.ts";
import type { AbortedTransaction } from "./txn_index.ts";

/** One batch as the model keeps it. */
export interface Entry {
  readonly producerId: number;
  readonly epoch: number;
  readonly kind: "data" | "commit" | "abort";
  readonly isTransactional: boolean;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastSequence: number;
}

/** What is known of one producer; −1 stands for none. */
interface ProducerModel {
  epoch: number;
  lastSequence: number;
  lastTimestamp: number;
  coordinatorEpoch: number;
  openSince: number;
}

/** What a list of batches says of producers and transactions. */
export function replay(entries: readonly Entry[]) {
  const producers = new Map<number, ProducerModel>();
  const aborted: AbortedTransaction[] = [];
  const completed: { firstOffset: number; lastOffset: number }[] = [];
  for (const entry of entries) {
    const { producerId, epoch, firstOffset, lastOffset } = entry;
    const before = producers.get(producerId);
    const isMarker = entry.kind !== "data";
    const isSame = before?.epoch === epoch;
    const openSince = before?.openSince ?? -1;
    producers.set(producerId, {
      epoch,
      lastSequence: isMarker
        ? isSame ? before.lastSequence : -1
        : entry.lastSequence,
      lastTimestamp: lastOffset,
      coordinatorEpoch: isMarker ? 5 : before?.coordinatorEpoch ?? -1,
      openSince: isMarker
        ? -1
        : openSince >= 0 || !entry.isTransactional
        ? openSince
        : firstOffset,
    });
    if (!isMarker || openSince < 0) continue;
    completed.push({ firstOffset: openSince, lastOffset });
    if (entry.kind !== "abort") continue;
    const open = [...producers.values()].map(({ openSince }) => openSince)
      .filter((since) => since >= 0);
    const lastStableOffset = Math.min(lastOffset + 1, ...open);
    aborted.push({
      producerId,
      firstOffset: openSince,
      lastOffset,
      lastStableOffset,
    });
  }
  return { producers, aborted, completed };
}

/** A batch of `count` records of one producer. */
export function dataBatch(
  { count, timestamp, ...options }: {
    producerId: number;
    producerEpoch: number;
    baseSequence: number;
    count: number;
    timestamp: number;
    isTransactional: boolean;
  },
): Uint8Array<ArrayBuffer> {
  const records = Array.from({ length: count }, (_, i) => ({
    timestamp: timestamp + i,
    key: null,
    value: new Uint8Array(40),
  }));
  return buildBatch(records, options);
}

/** A marker as coordinators write it. */
export function markerBatch(
  producerId: number,
  producerEpoch: number,
  { kind, coordinatorEpoch = 5, timestamp = 0 }: {
    kind: "commit" | "abort";
    coordinatorEpoch?: number;
    timestamp?: number;
  },
): Uint8Array<ArrayBuffer> {
  const type = kind === "commit" ? "COMMIT" : "ABORT";
  const value = encodeEndTransactionValue(coordinatorEpoch);
  return controlBatch([{ type, value }], {
    timestamp,
    producerId,
    producerEpoch,
    isTransactional: true,
  });
}
