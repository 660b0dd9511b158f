/**
 * Builds record batches. Owns the buffer that records are encoded into, once,
 * at their final place; makes no garbage per record. It must never decide when
 * a batch is sent.
 *
 * @module
 */
import { setInt16At, setInt32At, setInt64At } from "../bytes/big_endian.ts";
import { crc32c } from "../bytes/crc32c.ts";
import { invariant } from "../invariant.ts";
import {
  AT,
  ATTRIBUTE,
  BATCH_OVERHEAD,
  type BatchView,
  LOG_OVERHEAD,
  type TimestampType,
} from "./batch.ts";
import { codecId, type CodecName, compress } from "./compression.ts";
import type { RecordHeader } from "./record.ts";

/** A record to be written. */
export interface RecordInput {
  /** Milliseconds since the Unix epoch, or −1. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly RecordHeader[];
}

/** How a {@linkcode BatchBuilder} encodes. */
export interface BuilderOptions {
  /** Default: none. */
  readonly codec?: CodecName;
  /** The codec's level; its default when absent. */
  readonly level?: number | undefined;
  /** Uncompressed bytes of the batch before it counts as full. */
  readonly capacityBytes: number;
  /** Default: CreateTime. */
  readonly timestampType?: TimestampType;
}

/** The header fields that {@linkcode BatchBuilder.build} writes. */
export interface BuildOptions {
  /** Default 0. */
  readonly baseOffset?: number;
  /** Default −1: none. */
  readonly producerId?: number;
  /** Default −1. */
  readonly producerEpoch?: number;
  /** Default −1. */
  readonly baseSequence?: number;
  /** Default −1. */
  readonly partitionLeaderEpoch?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

const UTF8 = new TextEncoder();
const INITIAL_BYTES = 512;
const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/**
 * One batch in the making.
 *
 * Invariants:
 * 1. `bytes[BATCH_OVERHEAD, #length)` are whole records with offset deltas
 *    0, 1, 2, … whose count is `recordCount`.
 * 2. After the first `build()` no record is taken.
 */
export class BatchBuilder {
  readonly #codec: CodecName;
  readonly #level: number | undefined;
  readonly #capacity: number;
  readonly #timestampType: TimestampType;
  #bytes: Uint8Array<ArrayBuffer>;
  #length = BATCH_OVERHEAD;
  #count = 0;
  #baseTimestamp = -1;
  #maxTimestamp = -1;
  #built: Uint8Array<ArrayBuffer> | undefined;

  constructor(options: BuilderOptions) {
    this.#codec = options.codec ?? "none";
    this.#level = options.level;
    this.#capacity = options.capacityBytes;
    this.#timestampType = options.timestampType ?? "CreateTime";
    this.#bytes = new Uint8Array(
      Math.max(BATCH_OVERHEAD, Math.min(INITIAL_BYTES, this.#capacity)),
    );
  }

  /** Uncompressed bytes of the batch so far, header included. */
  get sizeInBytes(): number {
    return this.#length;
  }

  /** Records so far. */
  get recordCount(): number {
    return this.#count;
  }

  /**
   * Encodes the record, or returns false when the batch is full or built. An
   * empty batch takes any record, so that a record above the capacity gets a
   * batch of its own.
   */
  tryAppend(record: RecordInput): boolean {
    const { key, value, timestamp } = record;
    const headers = record.headers ?? NO_HEADERS;
    if (this.#built !== undefined) return false;
    if (this.#count === 0) this.#baseTimestamp = timestamp;
    const delta = timestamp - this.#baseTimestamp;
    const keyLength = key === null ? -1 : key.length;
    const valueLength = value === null ? -1 : value.length;
    const headersLength = headers.length === 0 ? 1 : headersSize(headers);
    const bodyLength = 1 + varlongSize(delta) + varintSize(this.#count) +
      varintSize(keyLength) + (keyLength > 0 ? keyLength : 0) +
      varintSize(valueLength) + (valueLength > 0 ? valueLength : 0) +
      headersLength;
    const end = this.#length + varintSize(bodyLength) + bodyLength;
    if (end > this.#capacity && this.#count > 0) return false;
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    let at = putVarint(bytes, this.#length, bodyLength);
    bytes[at++] = 0;
    at = putVarlong(bytes, at, delta);
    at = putVarint(bytes, at, this.#count);
    at = putBytes(bytes, at, key);
    at = putBytes(bytes, at, value);
    at = putHeaders(bytes, at, headers);
    invariant(at === end, "a record is as long as computed");
    this.#length = end;
    this.#count++;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    return true;
  }

  /**
   * The finished batch. It may be called again with other fields, for example
   * when a producer gets a new epoch: the bytes handed out before are
   * rewritten in place.
   */
  build(options: BuildOptions = {}): Uint8Array<ArrayBuffer> {
    this.#built ??= this.#seal();
    const bytes = this.#built;
    const attributes = codecId(this.#codec) |
      (this.#timestampType === "LogAppendTime" ? ATTRIBUTE.logAppendTime : 0) |
      (options.isTransactional ? ATTRIBUTE.transactional : 0) |
      (options.isControl ? ATTRIBUTE.control : 0);
    setInt64At(bytes, AT.baseOffset, options.baseOffset ?? 0);
    setInt32At(bytes, AT.batchLength, bytes.length - LOG_OVERHEAD);
    setInt32At(
      bytes,
      AT.partitionLeaderEpoch,
      options.partitionLeaderEpoch ?? -1,
    );
    bytes[AT.magic] = 2;
    setInt16At(bytes, AT.attributes, attributes);
    setInt32At(bytes, AT.lastOffsetDelta, this.#count - 1);
    setInt64At(bytes, AT.baseTimestamp, this.#baseTimestamp);
    setInt64At(bytes, AT.maxTimestamp, this.#maxTimestamp);
    setInt64At(bytes, AT.producerId, options.producerId ?? -1);
    setInt16At(bytes, AT.producerEpoch, options.producerEpoch ?? -1);
    setInt32At(bytes, AT.baseSequence, options.baseSequence ?? -1);
    setInt32At(bytes, AT.recordCount, this.#count);
    setInt32At(bytes, AT.crc, crc32c(bytes, AT.attributes));
    return bytes;
  }

  #seal(): Uint8Array<ArrayBuffer> {
    const whole = this.#bytes.subarray(0, this.#length);
    if (this.#codec === "none") return whole;
    const plain = whole.subarray(BATCH_OVERHEAD);
    const records = compress(this.#codec, plain, { level: this.#level });
    const bytes = new Uint8Array(BATCH_OVERHEAD + records.length);
    bytes.set(records, BATCH_OVERHEAD);
    return bytes;
  }

  #grow(need: number): void {
    const target = Math.max(need, this.#bytes.length * 4);
    const size = need > this.#capacity
      ? need
      : Math.min(target, this.#capacity);
    const grown = new Uint8Array(size);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** One batch of `records`, which must not be empty. */
export function buildBatch(
  records: readonly RecordInput[],
  options: BuildOptions & Partial<BuilderOptions> = {},
): Uint8Array<ArrayBuffer> {
  invariant(records.length > 0, "a batch holds a record");
  const builder = new BatchBuilder({ capacityBytes: Infinity, ...options });
  for (const record of records) builder.tryAppend(record);
  return builder.build(options);
}

/**
 * The batch of `view` with `records` (its own, inflated) under another codec;
 * everything else in the header stays.
 */
export function replaceRecords(
  view: BatchView,
  { records, codec, level }: {
    readonly records: Uint8Array;
    readonly codec: CodecName;
    readonly level?: number | undefined;
  },
): Uint8Array<ArrayBuffer> {
  const body = compress(codec, records, { level });
  const bytes = new Uint8Array(BATCH_OVERHEAD + body.length);
  bytes.set(view.bytes.subarray(0, BATCH_OVERHEAD));
  bytes.set(body, BATCH_OVERHEAD);
  const attributes = view.attributes & ~ATTRIBUTE.codec | codecId(codec);
  setInt32At(bytes, AT.batchLength, bytes.length - LOG_OVERHEAD);
  setInt16At(bytes, AT.attributes, attributes);
  setInt32At(bytes, AT.crc, crc32c(bytes, AT.attributes));
  return bytes;
}

function varintSize(value: number): number {
  const bits = (value << 1 ^ value >> 31) >>> 0;
  if (bits < 0x80) return 1;
  if (bits < 0x4000) return 2;
  if (bits < 0x200000) return 3;
  return bits < 0x10000000 ? 4 : 5;
}

function varlongSize(value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return varintSize(value);
  let rest = zigZag(value);
  let size = 1;
  for (; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

function zigZag(value: number): number {
  const bits = value >= 0 ? value * 2 : -value * 2 - 1;
  invariant(Number.isSafeInteger(bits), "a timestamp delta is within ±2^52");
  return bits;
}

function putVarint(bytes: Uint8Array, start: number, value: number): number {
  let rest = (value << 1 ^ value >> 31) >>> 0;
  if (rest < 128) {
    bytes[start] = rest;
    return start + 1;
  }
  let at = start;
  while (rest >= 128) {
    bytes[at++] = rest & 127 | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

function putVarlong(bytes: Uint8Array, start: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) {
    return putVarint(bytes, start, value);
  }
  let at = start;
  let rest = zigZag(value);
  while (rest >= 128) {
    bytes[at++] = rest % 128 | 128;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}

function putBytes(
  bytes: Uint8Array,
  start: number,
  field: Uint8Array | null,
): number {
  if (field === null) return putVarint(bytes, start, -1);
  const length = field.length;
  const at = putVarint(bytes, start, length);
  // A call into the engine costs more than copying a few bytes.
  if (length <= 32) {
    for (let i = 0; i < length; i++) bytes[at + i] = field[i]!;
  } else {
    bytes.set(field, at);
  }
  return at + length;
}

function putHeaders(
  bytes: Uint8Array,
  start: number,
  headers: readonly RecordHeader[],
): number {
  if (headers.length === 0) {
    bytes[start] = 0;
    return start + 1;
  }
  let at = putVarint(bytes, start, headers.length);
  for (const { key, value } of headers) {
    const size = utf8Size(key);
    at = putVarint(bytes, at, size);
    UTF8.encodeInto(key, bytes.subarray(at, at + size));
    at = putBytes(bytes, at + size, value);
  }
  return at;
}

function headersSize(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length);
  for (const { key, value } of headers) {
    const keySize = utf8Size(key);
    const valueSize = value === null ? -1 : value.length;
    size += varintSize(keySize) + keySize + varintSize(valueSize) +
      Math.max(0, valueSize);
  }
  return size;
}

/** Bytes of `text` in UTF-8; a lone surrogate becomes U+FFFD, three bytes. */
function utf8Size(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) {
      size++;
      continue;
    }
    size += 2;
    const next = text.charCodeAt(i + 1);
    if (code < 0xdc00 && code >= 0xd800 && next >= 0xdc00 && next < 0xe000) {
      i++;
    }
  }
  return size;
}
