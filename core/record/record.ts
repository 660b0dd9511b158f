/**
 * Records inside a batch: a cursor for hot paths and a decoder into objects.
 * Owns the record's layout; keys and values are views of the (inflated)
 * records section, so they live as long as its buffer is left alone. Broken
 * bytes throw `CORRUPT_MESSAGE`, never anything else.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type BatchView, safeTimestamp } from "./batch.ts";
import { codecName, CompressionError, decompress } from "./compression.ts";

/** One header of a record. */
export interface RecordHeader {
  /** Name; not unique. */
  readonly key: string;
  /** Bytes, or null. */
  readonly value: Uint8Array | null;
}

/** One record of a log. */
export interface LogRecord {
  /** Offset in the partition. */
  readonly offset: number;
  /** Milliseconds since the Unix epoch, or −1. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** Bytes of the shortest record: seven varints and bytes of one byte each. */
export const RECORD_BYTES_MIN = 7;

// A byte order mark at the start of a header's name is part of the name.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/** The records section, inflated when it is compressed. */
function inflatedRecords(
  view: BatchView,
  maxBytes: number = LIMITS.inflatedBatchBytesMax,
): Uint8Array {
  if (view.codec === 0) return view.records;
  if (codecName(view.codec) === undefined) {
    throw new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot inflate the batch at offset ${view.baseOffset}: it has the unknown codec ${view.codec}`,
    );
  }
  try {
    return decompress(view.codec, view.records, { maxBytes });
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    throw new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot inflate the batch at offset ${view.baseOffset}: ${error.message}`,
      { cause: error },
    );
  }
}

/**
 * Walks the records of a batch without allocating per record: positions are
 * plain fields, views are made by the getters only.
 *
 * Invariants:
 * 1. After `next()` returned true, all positions of the record lie within
 *    `bytes`, and `keyAt ≤ valueAt ≤ headersAt ≤ recordEnd`.
 * 2. `next()` returns true exactly as often as the batch counts records, and
 *    the records fill the section exactly; anything else throws.
 */
export class RecordCursor {
  /** The inflated records section. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the record. */
  offset = 0;
  /** Distance of the record's offset from the batch's base offset. */
  offsetDelta = 0;
  /** Timestamp of the record; the batch's largest one with LogAppendTime. */
  timestamp = 0;
  /** Where the key begins. */
  keyAt = 0;
  /** Bytes of the key, −1 when null. */
  keyLength = 0;
  /** Where the value begins. */
  valueAt = 0;
  /** Bytes of the value, −1 when null. */
  valueLength = 0;
  /** Headers of the record. */
  headerCount = 0;
  /** Where the headers begin, behind their count. */
  headersAt = 0;
  /** One past the record's last byte. */
  recordEnd = 0;
  #at = 0;
  #left = 0;
  #baseOffset = 0;
  #baseTimestamp = 0;
  #logAppendTime: number | undefined = undefined;

  /** Begins at the first record of `view`, inflating its records if need be. */
  open(view: BatchView, options: { maxBytes?: number } = {}): void {
    this.openInflated(view, inflatedRecords(view, options.maxBytes));
  }

  /** The same over records that the caller has inflated. */
  openInflated(view: BatchView, records: Uint8Array): void {
    this.bytes = records;
    this.#at = 0;
    this.#left = view.recordCount;
    this.#baseOffset = view.baseOffset;
    this.#baseTimestamp = view.baseTimestamp;
    this.#logAppendTime = view.timestampType === "LogAppendTime"
      ? view.maxTimestamp
      : undefined;
    this.recordEnd = 0;
  }

  /** Moves to the next record; false behind the last one. */
  next(): boolean {
    const bytes = this.bytes;
    if (this.#left <= 0) {
      if (this.recordEnd !== bytes.length) {
        this.#broken("bytes follow the last record");
      }
      return false;
    }
    this.#left--;
    this.#at = this.recordEnd;
    const length = this.#varint();
    const end = this.#at + length;
    // Also catches a length read past the end, where bytes count as zero.
    if (length < RECORD_BYTES_MIN - 1 || end > bytes.length) {
      this.#broken(`its length is ${length}`);
    }
    this.recordEnd = end;
    this.#at++;
    const timestampDelta = this.#varlong();
    this.timestamp = this.#logAppendTime ??
      this.#baseTimestamp + timestampDelta;
    this.offsetDelta = this.#varint();
    this.offset = this.#baseOffset + this.offsetDelta;
    this.keyLength = this.#varint();
    this.keyAt = this.#at;
    if (this.keyLength > 0) this.#skip(this.keyLength);
    this.valueLength = this.#varint();
    this.valueAt = this.#at;
    if (this.valueLength > 0) this.#skip(this.valueLength);
    this.headerCount = this.#varint();
    this.headersAt = this.#at;
    if (this.keyLength < -1 || this.valueLength < -1) {
      this.#broken("a negative length");
    }
    // Every header takes two bytes at least.
    if (this.headerCount < 0 || this.headerCount * 2 > end - this.#at) {
      this.#broken(`it counts ${this.headerCount} headers`);
    }
    if (this.headerCount === 0 && this.#at !== end) {
      this.#broken("it has spare bytes");
    }
    return true;
  }

  /** The key as a view. */
  get key(): Uint8Array | null {
    return this.keyLength < 0
      ? null
      : this.bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  /** The value as a view. */
  get value(): Uint8Array | null {
    return this.valueLength < 0
      ? null
      : this.bytes.subarray(this.valueAt, this.valueAt + this.valueLength);
  }

  /** The headers, decoded. */
  get headers(): readonly RecordHeader[] {
    if (this.headerCount === 0) return NO_HEADERS;
    const headers: RecordHeader[] = [];
    this.#walkHeaders(headers);
    return headers;
  }

  /** Walks the headers without decoding them; throws when they are broken. */
  checkHeaders(): void {
    if (this.headerCount > 0) this.#walkHeaders(undefined);
  }

  #walkHeaders(into: RecordHeader[] | undefined): void {
    this.#at = this.headersAt;
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = this.#varint();
      const keyAt = this.#at;
      if (keyLength < 0) this.#broken("a header without a key");
      this.#skip(keyLength);
      const valueLength = this.#varint();
      const valueAt = this.#at;
      if (valueLength < -1) this.#broken("a negative length");
      if (valueLength > 0) this.#skip(valueLength);
      into?.push({
        key: UTF8.decode(this.bytes.subarray(keyAt, keyAt + keyLength)),
        value: valueLength < 0
          ? null
          : this.bytes.subarray(valueAt, valueAt + valueLength),
      });
    }
    if (this.#at !== this.recordEnd) this.#broken("it has spare bytes");
  }

  #skip(n: number): void {
    this.#at += n;
    if (this.#at > this.recordEnd) this.#broken("a field reaches past its end");
  }

  #varint(): number {
    const bytes = this.bytes;
    let byte = bytes[this.#at++]!;
    if (byte < 128) return byte >>> 1 ^ -(byte & 1);
    let value = byte & 127;
    for (let shift = 7; shift < 35; shift += 7) {
      byte = bytes[this.#at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 1 ^ -(value & 1);
    }
    return this.#broken("a varint is longer than 32 bits");
  }

  #varlong(): number {
    const bytes = this.bytes;
    let byte = bytes[this.#at++]!;
    if (byte < 128) return byte >>> 1 ^ -(byte & 1);
    let value = byte & 127;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      byte = bytes[this.#at++]!;
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
    }
    return this.#broken("a varlong is outside ±2^52");
  }

  #broken(why: string): never {
    throw new KafkaError(
      "CORRUPT_MESSAGE",
      `Cannot read a record of the batch at offset ${this.#baseOffset}: ${why}`,
    );
  }
}

/** The records of a batch as objects, in order; control records included. */
export function decodeRecords(
  view: BatchView,
  options: { maxBytes?: number } = {},
): LogRecord[] {
  const cursor = new RecordCursor();
  cursor.open(view, options);
  const records: LogRecord[] = [];
  while (cursor.next()) {
    records.push({
      offset: cursor.offset,
      timestamp: safeTimestamp(cursor.timestamp),
      key: cursor.key,
      value: cursor.value,
      headers: cursor.headers,
    });
  }
  return records;
}
