/**
 * A record batch (magic 2) as a view of its bytes. Owns the header layout:
 * reading it and the patches that a broker may make in place. It must never
 * decode records or copy bytes.
 *
 * @module
 */
import {
  int16At,
  int32At,
  int64At,
  setInt16At,
  setInt32At,
  setInt64At,
  uint32At,
} from "../bytes/big_endian.ts";
import { crc32c } from "../bytes/crc32c.ts";
import { KafkaError } from "../errors.ts";

/** Bytes before the part that `batchLength` counts. */
export const LOG_OVERHEAD = 12;
/** Bytes of a batch without its records. */
export const BATCH_OVERHEAD = 61;

/** Where the header's fields stand. */
export const AT = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Bits of the attributes. */
export const ATTRIBUTE = {
  codec: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** Whose clock a batch's timestamps come from. */
export type TimestampType = "CreateTime" | "LogAppendTime";

/** The time itself, or the farthest that an index and an answer can hold. */
export function safeTimestamp(timestamp: number): number {
  return Math.max(
    -Number.MAX_SAFE_INTEGER,
    Math.min(timestamp, Number.MAX_SAFE_INTEGER),
  );
}

/** The sequence that lies `steps` after `sequence`, wrapping 2³¹−1 to 0. */
export function advanceSequence(sequence: number, steps: number): number {
  const next = sequence + steps;
  return next > 0x7fffffff ? next - 0x80000000 : next;
}

/**
 * A window on one batch.
 *
 * Invariants:
 * 1. At least {@linkcode BATCH_OVERHEAD} bytes lie under the view; whether the
 *    whole batch does is the caller's to know ({@linkcode batchesOf} checks).
 * 2. Only base offset, leader epoch and, with the CRC made anew, timestamp
 *    type and largest timestamp ever change.
 */
export class BatchView {
  #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.#at = offset;
  }

  /** Looks at the batch at `offset` of `bytes` from now on. */
  moveTo(bytes: Uint8Array, offset: number): void {
    this.#bytes = bytes;
    this.#at = offset;
  }

  /** Bytes of the whole batch, header included, as it claims. */
  get sizeInBytes(): number {
    return LOG_OVERHEAD + int32At(this.#bytes, this.#at + AT.batchLength);
  }

  get baseOffset(): number {
    return int64At(this.#bytes, this.#at);
  }

  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta;
  }

  /** The offset that follows the batch. */
  get nextOffset(): number {
    return this.lastOffset + 1;
  }

  get partitionLeaderEpoch(): number {
    return int32At(this.#bytes, this.#at + AT.partitionLeaderEpoch);
  }

  get magic(): number {
    return this.#bytes[this.#at + AT.magic]! << 24 >> 24;
  }

  /** The CRC-32C that the batch claims. */
  get crc(): number {
    return uint32At(this.#bytes, this.#at + AT.crc);
  }

  get attributes(): number {
    return int16At(this.#bytes, this.#at + AT.attributes);
  }

  /** Codec id: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; above is unknown. */
  get codec(): number {
    return this.#bytes[this.#at + AT.attributes + 1]! & ATTRIBUTE.codec;
  }

  get timestampType(): TimestampType {
    return this.#has(ATTRIBUTE.logAppendTime) ? "LogAppendTime" : "CreateTime";
  }

  get isTransactional(): boolean {
    return this.#has(ATTRIBUTE.transactional);
  }

  get isControl(): boolean {
    return this.#has(ATTRIBUTE.control);
  }

  get hasDeleteHorizon(): boolean {
    return this.#has(ATTRIBUTE.deleteHorizon);
  }

  get lastOffsetDelta(): number {
    return int32At(this.#bytes, this.#at + AT.lastOffsetDelta);
  }

  get baseTimestamp(): number {
    return int64At(this.#bytes, this.#at + AT.baseTimestamp);
  }

  /** One beyond ±2⁵³ is told as the farthest that indexes can hold. */
  get maxTimestamp(): number {
    return safeTimestamp(int64At(this.#bytes, this.#at + AT.maxTimestamp));
  }

  get producerId(): number {
    return int64At(this.#bytes, this.#at + AT.producerId);
  }

  get producerEpoch(): number {
    return int16At(this.#bytes, this.#at + AT.producerEpoch);
  }

  get baseSequence(): number {
    return int32At(this.#bytes, this.#at + AT.baseSequence);
  }

  /** Sequence of the last record; −1 when the batch has no sequence. */
  get lastSequence(): number {
    const first = this.baseSequence;
    return first < 0 ? -1 : advanceSequence(first, this.lastOffsetDelta);
  }

  get recordCount(): number {
    return int32At(this.#bytes, this.#at + AT.recordCount);
  }

  /** The records section, compressed as it is. */
  get records(): Uint8Array {
    const at = this.#at;
    return this.#bytes.subarray(at + BATCH_OVERHEAD, at + this.sizeInBytes);
  }

  /** The whole batch. */
  get bytes(): Uint8Array {
    const size = this.sizeInBytes;
    if (this.#at === 0 && size === this.#bytes.length) return this.#bytes;
    return this.#bytes.subarray(this.#at, this.#at + size);
  }

  /** Whether the CRC-32C of the batch is the one that it claims. */
  isCrcValid(): boolean {
    const size = this.sizeInBytes;
    if (size < BATCH_OVERHEAD || this.#at + size > this.#bytes.length) {
      return false;
    }
    return this.#computeCrc() === this.crc;
  }

  /** Stamps the base offset, which lies outside the CRC. */
  setBaseOffset(offset: number): void {
    setInt64At(this.#bytes, this.#at, offset);
  }

  /** Stamps the leader epoch, which lies outside the CRC. */
  setPartitionLeaderEpoch(epoch: number): void {
    setInt32At(this.#bytes, this.#at + AT.partitionLeaderEpoch, epoch);
  }

  /** Sets the largest timestamp and its type, and makes the CRC anew. */
  setMaxTimestamp(timestamp: number, type: TimestampType): void {
    const attributes = type === "LogAppendTime"
      ? this.attributes | ATTRIBUTE.logAppendTime
      : this.attributes & ~ATTRIBUTE.logAppendTime;
    setInt16At(this.#bytes, this.#at + AT.attributes, attributes);
    setInt64At(this.#bytes, this.#at + AT.maxTimestamp, timestamp);
    setInt32At(this.#bytes, this.#at + AT.crc, this.#computeCrc());
  }

  #has(bit: number): boolean {
    return (this.#bytes[this.#at + AT.attributes + 1]! & bit) !== 0;
  }

  #computeCrc(): number {
    const at = this.#at;
    return crc32c(this.#bytes, at + AT.attributes, at + this.sizeInBytes);
  }
}

/**
 * The whole batches at the start of `bytes`, in order; stops at a partial tail.
 * A size that no batch can have throws `CORRUPT_MESSAGE`.
 */
export function* batchesOf(bytes: Uint8Array): Generator<BatchView> {
  let at = 0;
  while (bytes.length - at >= BATCH_OVERHEAD) {
    const size = LOG_OVERHEAD + int32At(bytes, at + AT.batchLength);
    if (size < BATCH_OVERHEAD) {
      throw new KafkaError(
        "CORRUPT_MESSAGE",
        `Cannot read the batch at byte ${at}: its size is ${size} bytes`,
      );
    }
    if (size > bytes.length - at) return;
    yield new BatchView(bytes, at);
    at += size;
  }
}
