/**
 * A coordinator's log in memory, for scenarios. Owns the bytes; when they are
 * committed is told from outside.
 *
 * @module
 */
import type {
  CoordinatorLog,
  StoredRecord,
} from "../../core/coordinator/host.ts";
import { batchesOf, BatchView } from "../../core/record/batch.ts";
import { decodeRecords } from "../../core/record/record.ts";

/** A log that commits at once, unless it is held. */
export class MemoryLog implements CoordinatorLog {
  readonly batches: Uint8Array[] = [];
  logEndOffset = 0;
  highWatermark = 0;
  isHeld = false;
  failure: Error | undefined;

  append(batch: Uint8Array): number {
    if (this.failure !== undefined) throw this.failure;
    const view = new BatchView(batch);
    view.setBaseOffset(this.logEndOffset);
    this.batches.push(batch);
    this.logEndOffset += view.recordCount;
    if (!this.isHeld) this.highWatermark = this.logEndOffset;
    return this.logEndOffset - 1;
  }

  /** Everything that was appended, batch by batch. */
  *views(): Generator<BatchView> {
    for (const bytes of this.batches) yield* batchesOf(bytes);
  }

  /** Everything that was appended, as bytes. */
  *stored(): Generator<StoredRecord> {
    for (const view of this.views()) yield* decodeRecords(view);
  }
}
