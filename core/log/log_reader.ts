/**
 * Reads whole batches from a log's segments and from its gathered tail. Owns
 * where a read begins and ends; which offsets may be read is decided by who
 * asks. It must never change a byte, nor give a batch in parts.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { BATCH_OVERHEAD, BatchView } from "../record/batch.ts";
import { decodeRecords } from "../record/record.ts";
import { ReadHints } from "./read_hints.ts";
import type { Segment } from "./segment.ts";
import type { Staging } from "./staging.ts";

/** What a read fetches beyond its limit, so that a scan needs no second read. */
const READ_AHEAD_BYTES = 4096;
const MAGIC = 2;
const EMPTY = new Uint8Array(0);

/** What a reader asks for. */
export interface LogReadOptions {
  readonly maxBytes: number;
  /** Batches from this offset on are left out. */
  readonly upperOffset: number;
  /** Whether one whole batch comes even when it is above `maxBytes`. */
  readonly minOneBatch: boolean;
}

/** A record found by its time. */
export interface TimedOffset {
  readonly offset: number;
  readonly timestamp: number;
}

/** The first record from offset `start` on at or after `timestamp`. */
export function findTimestamp(
  segments: readonly Segment[],
  { timestamp, start }: { readonly timestamp: number; readonly start: number },
): TimedOffset | undefined {
  for (const segment of segments) {
    if (segment.maxTimestamp < timestamp) continue;
    for (const batch of segment.batchesForTimestamp(timestamp, start)) {
      const found = decodeRecords(batch).find((record) =>
        record.timestamp >= timestamp && record.offset >= start
      );
      if (found === undefined) continue;
      return { offset: found.offset, timestamp: found.timestamp };
    }
  }
  return undefined;
}

/** A read that begins in one of the log's segments. */
interface ReadFrom extends LogReadOptions {
  readonly offset: number;
  /** Index of the segment that `offset` lies in. */
  readonly from: number;
}

/** What a read of one segment is given. */
interface SegmentRead extends LogReadOptions {
  readonly offset: number;
  /** The segment whose tail is gathered. */
  readonly active: Segment;
}

/** Reads of one log. */
export class LogReader {
  readonly #staging: Staging;
  readonly #writeStaged: () => void;
  readonly #hints = new ReadHints();
  readonly #view = new BatchView(EMPTY);

  /** `writeStaged` hands to the file what `staging` has gathered. */
  constructor(staging: Staging, writeStaged: () => void) {
    this.#staging = staging;
    this.#writeStaged = writeStaged;
  }

  /** Forgets where reads ended: positions changed. */
  forget(): void {
    this.#hints.clear();
  }

  /** Whole batches from the one that holds `offset`; empty when none may be read. */
  read(segments: readonly Segment[], options: ReadFrom): Uint8Array {
    const active = segments.at(-1)!;
    for (let at = options.from; at < segments.length; at++) {
      const bytes = this.#readSegment(segments[at]!, { ...options, active });
      if (bytes !== undefined) return bytes;
    }
    return EMPTY;
  }

  #readSegment(
    segment: Segment,
    options: SegmentRead,
  ): Uint8Array | undefined {
    const { offset, maxBytes, minOneBatch, active } = options;
    const hint = this.#hints.position(segment.baseOffset, offset);
    let position = hint ??
      segment.offsetIndex.lookup(offset - segment.baseOffset);
    let isSure = hint !== undefined || position === 0;
    let bytes = Math.max(maxBytes, BATCH_OVERHEAD) + READ_AHEAD_BYTES;
    for (;;) {
      const chunk = this.#chunk(segment, { position, bytes, active });
      if (!isSure && !this.#mayLeadTo(offset, chunk)) {
        isSure = true;
        position = 0;
        continue;
      }
      const found = this.#wholeBatches(segment, chunk, {
        ...options,
        position,
      });
      if (found.needBytes > 0 && (minOneBatch || found.isBefore)) {
        bytes = found.needBytes;
        continue;
      }
      if (found.isBefore) return undefined;
      if (found.end > found.start) {
        this.#hints.remember(segment.baseOffset, {
          offset: found.nextOffset,
          position: position + found.end,
        });
      }
      return chunk.subarray(found.start, found.end);
    }
  }

  /**
   * Whether a batch begins with `chunk` from which on `offset` is found. A
   * damaged index costs time: it must not hide records.
   */
  #mayLeadTo(offset: number, chunk: Uint8Array): boolean {
    if (chunk.length < BATCH_OVERHEAD) return false;
    this.#view.moveTo(chunk, 0);
    return isBatch(this.#view) && this.#view.baseOffset <= offset;
  }

  #chunk(
    segment: Segment,
    { position, bytes, active }: {
      readonly position: number;
      readonly bytes: number;
      readonly active: Segment;
    },
  ): Uint8Array {
    if (segment === active) {
      const tail = this.#staging.tail(position, bytes);
      if (tail !== undefined) return tail;
      if (this.#staging.pendingBytes > 0) this.#writeStaged();
    }
    const room = Math.min(bytes, segment.size - position);
    const chunk = new Uint8Array(Math.max(0, room));
    return chunk.subarray(0, segment.pread(chunk, position));
  }

  /** Where the batches that may be read begin and end within `chunk`. */
  #wholeBatches(
    segment: Segment,
    chunk: Uint8Array,
    options: SegmentRead & { readonly position: number },
  ) {
    const { offset, upperOffset, maxBytes, minOneBatch, position } = options;
    const view = this.#view;
    let start = -1;
    let end = 0;
    let nextOffset = offset;
    let at = 0;
    while (chunk.length - at >= BATCH_OVERHEAD) {
      view.moveTo(chunk, at);
      // Each field is read once: small batches make this the price of a read.
      const { sizeInBytes, baseOffset, lastOffsetDelta } = view;
      if (
        sizeInBytes < BATCH_OVERHEAD || lastOffsetDelta < 0 ||
        view.magic !== MAGIC
      ) {
        throw noBatch(segment, position + at);
      }
      if (baseOffset + lastOffsetDelta < offset) {
        at += sizeInBytes;
        continue;
      }
      if (start < 0) start = end = at;
      const isFirst = start === at;
      if (baseOffset >= upperOffset) break;
      if (at + sizeInBytes - start > maxBytes && !(isFirst && minOneBatch)) {
        break;
      }
      if (at + sizeInBytes > chunk.length) {
        // Asking for more of a file that ends in a batch would never end.
        if (position + at + sizeInBytes > this.#sizeOf(segment, options)) {
          throw noBatch(segment, position + at);
        }
        return {
          start,
          end,
          nextOffset,
          isBefore: false,
          needBytes: isFirst ? at + sizeInBytes : 0,
        };
      }
      at += sizeInBytes;
      end = at;
      nextOffset = baseOffset + lastOffsetDelta + 1;
    }
    const isCut = start < 0 &&
      position + chunk.length < this.#sizeOf(segment, options);
    return {
      start: Math.max(0, start),
      end,
      nextOffset,
      isBefore: start < 0,
      needBytes: isCut ? chunk.length * 2 + BATCH_OVERHEAD : 0,
    };
  }

  #sizeOf(segment: Segment, { active }: SegmentRead): number {
    return segment === active
      ? segment.size + this.#staging.pendingBytes
      : segment.size;
  }
}

function isBatch(view: BatchView): boolean {
  return view.magic === MAGIC && view.sizeInBytes >= BATCH_OVERHEAD &&
    view.lastOffsetDelta >= 0;
}

function noBatch({ path }: Segment, position: number): KafkaError {
  return new KafkaError(
    "CORRUPT_MESSAGE",
    `Cannot read "${path}.log" at ${position}: no batch begins there`,
  );
}
