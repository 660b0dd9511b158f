/**
 * Makes a log durable: one sync in flight at a time, later callers share the
 * next one. Owns how far the log is flushed and what the flush policy owes;
 * a failed sync is final, because the kernel may have dropped the bytes.
 *
 * @module
 */
import type { DiskFile } from "../env/env.ts";

/** What the flusher asks of its log. */
export interface Flushable {
  /** Offset up to which everything was handed to files. */
  readonly writtenOffset: number;
  /** Makes durable what leads to the files; undefined when all of it is. */
  prepare(): Promise<void> | undefined;
  /** Files that hold bytes from the flushed offset on, oldest first. */
  filesToSync(flushedOffset: number): readonly DiskFile[];
  /** A sync ended well. */
  onFlushed(flushedOffset: number): void;
  /** A sync failed: the log must not go on. */
  onSyncFailed(error: unknown): void;
}

/**
 * Flushes one log.
 *
 * 1. At most one sync is in flight: what was written after it began is not
 *    durable when it ends.
 */
export class Flusher {
  readonly #log: Flushable;
  #flushedOffset: number;
  /** Up to where what the sync in flight covers is still there. */
  #target = 0;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failure: unknown;
  /** Whether files changed otherwise than by what is written behind the offset. */
  #isOwed = false;

  constructor(log: Flushable, flushedOffset: number) {
    this.#log = log;
    this.#flushedOffset = flushedOffset;
  }

  /** Everything below is durable. */
  get flushedOffset(): number {
    return this.#flushedOffset;
  }

  /** The next flush has files to sync, whatever was written. */
  owe(): void {
    this.#isOwed = true;
  }

  /** Resolves when everything written until now is durable. */
  flush(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#start();
    // Between the end of one and the start of this, nobody starts another.
    return this.#next = this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.flush();
    });
  }

  /** Resolves when no sync is in flight: files may be closed then. */
  async idle(): Promise<void> {
    for (let last; (last = this.#next ?? this.#running) !== undefined;) {
      await last.catch(() => {});
    }
  }

  /** The log was emptied and goes on at `offset`. */
  reset(offset: number): void {
    this.#flushedOffset = offset;
    this.#target = Math.min(this.#target, offset);
  }

  /** The log was cut at `offset`. */
  lower(offset: number): void {
    this.#flushedOffset = Math.min(this.#flushedOffset, offset);
    this.#target = Math.min(this.#target, offset);
  }

  #start(): Promise<void> {
    this.#target = this.#log.writtenOffset;
    if (this.#target <= this.#flushedOffset && !this.#isOwed) {
      return Promise.resolve();
    }
    this.#isOwed = false;
    this.#running = this.#sync().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sync(): Promise<void> {
    try {
      const preparing = this.#log.prepare();
      if (preparing !== undefined) await preparing;
      for (const file of this.#log.filesToSync(this.#flushedOffset)) {
        await file.syncData();
      }
    } catch (error) {
      this.#failure = error;
      this.#log.onSyncFailed(error);
      throw error;
    }
    const flushed = Math.min(this.#target, this.#log.writtenOffset);
    this.#flushedOffset = Math.max(this.#flushedOffset, flushed);
    this.#log.onFlushed(this.#flushedOffset);
  }
}
