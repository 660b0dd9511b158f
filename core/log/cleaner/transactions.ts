/**
 * Transactions as a cleaning meets them, batch after batch: which data was
 * aborted and which markers have no data left. Owns what a `.txnindex` holds
 * of the batches that stay.
 *
 * @module
 */
import type { BatchView } from "../../record/batch.ts";
import { markerOf } from "../../record/control.ts";
import type { Segment } from "../segment.ts";
import type { AbortedTransaction } from "../txn_index.ts";

/** The aborted transactions that end at `from` or later. */
export function abortedTransactions(
  segments: readonly Segment[],
  from = 0,
): AbortedTransaction[] {
  return segments
    .flatMap(({ txnIndex }) => txnIndex.collect(from, Infinity).aborted)
    .sort((a, b) => a.firstOffset - b.firstOffset);
}

/**
 * The transactions of one walk over batches with rising offsets.
 *
 * Invariants:
 * 1. A producer is in `#aborted` from the first offset of its aborted
 *    transaction to the marker.
 */
export class CleanedTransactions {
  readonly #pending: AbortedTransaction[];
  /** Ongoing aborted ones by producer, and whether data of them was met. */
  readonly #aborted = new Map<
    number,
    { readonly transaction: AbortedTransaction; hasData: boolean }
  >();
  /** Producers with data of a transaction that is not aborted. */
  readonly #committed = new Set<number>();
  /** Aborted ones whose marker was met and whose data is still there. */
  #kept: AbortedTransaction[] = [];

  /** `aborted` rise by their first offsets. */
  constructor(aborted: readonly AbortedTransaction[]) {
    this.#pending = aborted.toReversed();
  }

  /** Whether the records of `batch` may go for what they were in a transaction. */
  mayDiscard(batch: BatchView): boolean {
    this.#beginUpTo(batch.lastOffset);
    if (batch.isControl) return this.#mayDiscardMarker(batch);
    if (!batch.isTransactional) return false;
    const aborted = this.#aborted.get(batch.producerId);
    if (aborted === undefined) {
      this.#committed.add(batch.producerId);
      return false;
    }
    aborted.hasData = true;
    return true;
  }

  /** The entries that belong into the index of the segment just cleaned. */
  takeKept(): readonly AbortedTransaction[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }

  #mayDiscardMarker(batch: BatchView): boolean {
    // An emptied marker has done its duty.
    if (batch.recordCount === 0) return true;
    const { producerId } = batch;
    const type = markerOf(batch)?.type;
    if (type === "COMMIT") return !this.#committed.delete(producerId);
    if (type !== "ABORT") return false;
    const aborted = this.#aborted.get(producerId);
    this.#aborted.delete(producerId);
    if (aborted === undefined || !aborted.hasData) return true;
    this.#kept.push(aborted.transaction);
    return false;
  }

  #beginUpTo(offset: number): void {
    let next = this.#pending.at(-1);
    while (next !== undefined && next.firstOffset <= offset) {
      if (!this.#aborted.has(next.producerId)) {
        this.#aborted.set(next.producerId, {
          transaction: next,
          hasData: false,
        });
      }
      this.#pending.pop();
      next = this.#pending.at(-1);
    }
  }
}
