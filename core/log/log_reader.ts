/**
 * Reads whole batches from a log's segments and from its gathered tail. Owns
 * where a read begins and ends; which offsets may be read is decided by who
 * asks. It must never change a byte, nor give a batch in parts, nor pass over
 * damage as if nothing had been there: what a batch's CRC doesn't cover must
 * agree with what stands around it.
 *
 * @module
 */
import type { ReadBuffers } from "../bytes/read_buffers.ts";
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
  /** Where what is read may lie, for whoever knows when nobody needs it. */
  readonly buffers?: ReadBuffers | undefined;
}

/** A record found by its time. */
export interface TimedOffset {
  readonly offset: number;
  readonly timestamp: number;
}

/** The first record from offset `start` on at or after `timestamp`. */
export function findTimestamp(
  segments: readonly Segment[],
  { timestamp, start, end }: {
    readonly timestamp: number;
    readonly start: number;
    /** The log's end. */
    readonly end: number;
  },
): TimedOffset | undefined {
  for (const [i, segment] of segments.entries()) {
    const isBefore = segment.maxTimestamp < timestamp &&
      segment.sureMaxTimestamp() < timestamp;
    if (isBefore) continue;
    const endOffset = segments[i + 1]?.baseOffset ?? end;
    for (const batch of segment.batchesForTimestamp(timestamp, start)) {
      if (batch.lastOffset >= endOffset) throw beyond(segment, batch);
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
  /** The log's end. */
  readonly endOffset: number;
}

/** What a read of one segment is given. */
interface SegmentRead extends LogReadOptions {
  readonly offset: number;
  /** The segment whose tail is gathered. */
  readonly active: Segment;
  /** No batch of the segment reaches as far. */
  readonly endOffset: number;
}

/** Where a read of one segment begins. */
interface From {
  readonly position: number;
  /** No batch from there on begins before. */
  readonly next: number;
  /** Whether nothing that is wanted lies before, whatever is damaged. */
  readonly isSure: boolean;
}

/** What a read of one segment found. */
interface Found {
  /** Where it begins and ends within what was read. */
  readonly start: number;
  readonly end: number;
  /** The offset behind it; −1: nobody knows. */
  readonly nextOffset: number;
  /** Whether offsets are missing where it begins. */
  readonly isGap: boolean;
  /** Whether all that was read lies before what is wanted. */
  readonly isBefore: boolean;
  /** To be read at once, to find more; 0: there is no more. */
  readonly needBytes: number;
}

const GAP: Found = {
  start: 0,
  end: 0,
  nextOffset: -1,
  isGap: true,
  isBefore: true,
  needBytes: 0,
};

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
      const endOffset = segments[at + 1]?.baseOffset ?? options.endOffset;
      const asked = { ...options, active, endOffset };
      const bytes = this.#readSegment(segments[at]!, asked);
      if (bytes !== undefined) return bytes;
    }
    // The last batch ends where the log does, unless its offset is damaged.
    const { size } = active;
    if (size + this.#staging.pendingBytes > 0) throw noBatch(active, size);
    return EMPTY;
  }

  #readSegment(
    segment: Segment,
    options: SegmentRead,
  ): Uint8Array | undefined {
    const { offset, maxBytes, minOneBatch } = options;
    let from = this.#placeOf(segment, offset);
    let bytes = Math.max(maxBytes, BATCH_OVERHEAD) + READ_AHEAD_BYTES;
    for (;;) {
      const { position } = from;
      const chunk = this.#chunk(segment, { ...options, position, bytes });
      if (!from.isSure && !this.#mayLeadTo(offset, chunk)) {
        from = { position: 0, next: segment.baseOffset, isSure: true };
        continue;
      }
      const found = this.#wholeBatches(segment, chunk, { ...options, ...from });
      if (found.isGap && !from.isSure) {
        from = this.#before(segment, from);
        continue;
      }
      if (found.needBytes > 0 && (minOneBatch || found.isBefore)) {
        // A file that became shorter has no more to give.
        if (found.needBytes <= bytes) throw noBatch(segment, position);
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

  /** Where a batch begins from which on `offset` is found. */
  #placeOf(segment: Segment, offset: number): From {
    const { baseOffset } = segment;
    const hint = this.#hints.position(baseOffset, offset);
    if (hint !== undefined) {
      return { position: hint, next: offset, isSure: true };
    }
    const position = segment.offsetIndex.lookup(offset - baseOffset);
    return { position, next: baseOffset, isSure: position === 0 };
  }

  /**
   * The index entry before: a batch whose offset was damaged is told by the one
   * that it follows. What a compaction left out looks the same at first.
   */
  #before({ offsetIndex, baseOffset }: Segment, { position }: From): From {
    const earlier = offsetIndex.positionBefore(position);
    return { position: earlier, next: baseOffset, isSure: true };
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
    { position, bytes, active, buffers }: SegmentRead & {
      readonly position: number;
      readonly bytes: number;
    },
  ): Uint8Array {
    if (segment === active) {
      const tail = this.#staging.tail(position, bytes);
      if (tail !== undefined) return tail;
      if (this.#staging.pendingBytes > 0) this.#writeStaged();
    }
    const room = Math.max(0, Math.min(bytes, segment.size - position));
    const chunk = buffers?.lend(room) ?? new Uint8Array(room);
    return chunk.subarray(0, segment.pread(chunk, position));
  }

  /**
   * Where the batches that may be read begin and end within `chunk`; those
   * before damage are read, then it is told of.
   */
  #wholeBatches(
    segment: Segment,
    chunk: Uint8Array,
    options: SegmentRead & From,
  ): Found {
    const { offset, upperOffset, maxBytes, minOneBatch, position } = options;
    const view = this.#view;
    let { next } = options;
    let start = Infinity;
    let end = 0;
    let nextOffset = offset;
    let at = 0;
    let isGap = false;
    let needBytes = 0;
    /** Where the last batch begins if it left a gap: its offset may be damaged. */
    let doubtAt = Infinity;
    while (chunk.length - at >= BATCH_OVERHEAD) {
      view.moveTo(chunk, at);
      // Each field is read once: small batches make this the price of a read.
      const { sizeInBytes, baseOffset, lastOffsetDelta } = view;
      const lastOffset = baseOffset + lastOffsetDelta;
      if (
        sizeInBytes < BATCH_OVERHEAD || lastOffsetDelta < 0 ||
        view.magic !== MAGIC || baseOffset < next ||
        lastOffset >= options.endOffset
      ) {
        if (!options.isSure) return GAP;
        const whole = baseOffset < next ? Math.min(at, doubtAt) : at;
        if (whole <= start) throw noBatch(segment, position + whole);
        if (whole < end) nextOffset = -1;
        end = Math.min(end, whole);
        break;
      }
      doubtAt = baseOffset > next ? at : Infinity;
      next = lastOffset + 1;
      if (lastOffset < offset) {
        at += sizeInBytes;
        continue;
      }
      if (start > at) {
        start = end = at;
        isGap = baseOffset > offset;
      }
      const isFirst = start === at;
      if (baseOffset >= upperOffset) break;
      if (at + sizeInBytes - start > maxBytes && !(isFirst && minOneBatch)) {
        break;
      }
      if (at + sizeInBytes > chunk.length) {
        if (!isFirst) break;
        needBytes = at + sizeInBytes;
        // Asking for more of a file that ends in a batch would never end.
        if (position + needBytes <= this.#sizeOf(segment, options)) break;
        throw noBatch(segment, position + at);
      }
      end = at += sizeInBytes;
      nextOffset = next;
    }
    if (start > end) return this.#nothing(segment, chunk, options);
    return { start, end, nextOffset, isGap, isBefore: false, needBytes };
  }

  /** All batches of `chunk` end before what is wanted. */
  #nothing(
    segment: Segment,
    chunk: Uint8Array,
    options: SegmentRead & From,
  ): Found {
    const chunkEnd = options.position + chunk.length;
    const isAll = chunkEnd >= this.#sizeOf(segment, options);
    const needBytes = isAll ? 0 : chunk.length * 2 + BATCH_OVERHEAD;
    return { ...GAP, isGap: isAll, needBytes };
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

function beyond({ path }: Segment, { baseOffset }: BatchView): KafkaError {
  return new KafkaError(
    "CORRUPT_MESSAGE",
    `Cannot read "${path}.log": a batch claims offset ${baseOffset}, which lies behind the segment's end`,
  );
}
