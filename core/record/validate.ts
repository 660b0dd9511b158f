/**
 * What a broker checks in a client's produce payload of one partition, and the
 * few rewrites that Kafka's semantics demand (timestamps, codec, offsets of a
 * compressed batch). Walks the records once, without allocating per record.
 * It must never throw for bad input, nor allocate on the word of a length
 * field: every refusal is a value with Kafka's error.
 *
 * @module
 */
import { type ErrorName, KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import {
  AT,
  ATTRIBUTE,
  BATCH_OVERHEAD,
  BatchView,
  LOG_OVERHEAD,
  type TimestampType,
} from "./batch.ts";
import { BatchBuilder, replaceRecords } from "./builder.ts";
import {
  type CodecName,
  codecName,
  CompressionError,
  decompress,
} from "./compression.ts";
import { RECORD_BYTES_MIN, RecordCursor } from "./record.ts";

/** A topic's `compression.type`; "none" is "uncompressed". */
export type CompressionType = "producer" | "uncompressed" | CodecName;

/** What the topic and the moment ask of a batch. */
export interface ValidateOptions {
  /** `max.message.bytes`. */
  readonly maxMessageBytes: number;
  /** `segment.bytes`. */
  readonly segmentBytes: number;
  /** Whether `cleanup.policy` holds compact: records need keys. */
  readonly isCompacted: boolean;
  /** `message.timestamp.type`. */
  readonly timestampType: TimestampType;
  /** Wall time of the append. */
  readonly nowMs: number;
  /** `message.timestamp.before.max.ms`. */
  readonly beforeMaxMs: number;
  /** `message.timestamp.after.max.ms`. */
  readonly afterMaxMs: number;
  /** `compression.type`. */
  readonly compressionType: CompressionType;
  /** Level to recompress with; the codec's default when absent. */
  readonly compressionLevel?: number | undefined;
  /** Version of the Produce request: zstd needs 7. Default: new enough. */
  readonly produceVersion?: number;
  /** What one compressed batch may inflate to; default: the product's limit. */
  readonly inflatedBytesMax?: number;
}

/** One record that was refused. */
export interface RecordError {
  /** Index of the record in the batch. */
  readonly batchIndex: number;
  readonly message: string;
}

/** Why a payload was refused. */
export interface Refusal {
  readonly ok: false;
  readonly error: ErrorName;
  readonly message: string;
  readonly recordErrors?: readonly RecordError[];
}

/** The batch to append, or why not. */
export type Validated =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly view: BatchView }
  | Refusal;

/** What walking the records found. */
interface Walked {
  readonly maxTimestamp: number;
  /** Whether the offset deltas are 0, 1, 2, …. */
  readonly isSequential: boolean;
}

/** Bytes up to and including the magic, which stands in every format. */
const MAGIC_END = AT.magic + 1;
const ZSTD_PRODUCE_VERSION = 7;
/** An answer lists no more: a batch may hold 100,000 bad records. */
const RECORD_ERRORS_MAX = 100;
const NO_TIMESTAMP = -1;

const cursor = new RecordCursor();

/**
 * Checks a client's produce payload of one partition. The batch returned is the
 * same bytes (patched in place when timestamps demand it) or a rewritten one.
 */
export function validateProduced(
  bytes: Uint8Array | null,
  options: ValidateOptions,
): Validated {
  const fault = payloadFault(bytes);
  if (fault !== undefined) return refuse("INVALID_RECORD", fault);
  const view = new BatchView(bytes!);
  const refusal = checkEnvelope(view, bytes!.length, options) ??
    checkHeader(view, options);
  if (refusal !== undefined) return refusal;
  let records: Uint8Array;
  let walked: Walked | Refusal;
  try {
    records = inflate(view, options);
    walked = walk(view, records, options);
  } catch (error) {
    return refusalOf(error);
  } finally {
    // The cursor outlives the call; the payload's buffer must not.
    cursor.bytes = NO_BYTES;
  }
  if ("ok" in walked) return walked;
  return finish(view, { records, walked, options });
}

const NO_BYTES = new Uint8Array(0);

/**
 * Why a payload is not exactly one batch of magic 2, as far as its envelope
 * tells: Kafka refuses a whole request for that. Batches that are cut short
 * or damaged are not told from good ones here.
 */
export function payloadFault(bytes: Uint8Array | null): string | undefined {
  if (bytes === null || bytes.length === 0) {
    return "the payload holds no record batch";
  }
  if (bytes.length < MAGIC_END) return undefined;
  const magic = bytes[AT.magic]!;
  if (magic !== 2) return `the batch has magic ${magic}, not 2`;
  if (bytes.length < BATCH_OVERHEAD) return undefined;
  const follow = bytes.length - LOG_OVERHEAD -
    (bytes[8]! << 24 | bytes[9]! << 16 | bytes[10]! << 8 | bytes[11]!);
  const isWhole = bytes.length - follow >= BATCH_OVERHEAD;
  return isWhole && follow > 0
    ? `${follow} bytes follow the batch: a payload holds exactly one`
    : undefined;
}

/** Exactly one whole batch of magic 2 with the right CRC. */
function checkEnvelope(
  view: BatchView,
  payloadBytes: number,
  options: ValidateOptions,
): Refusal | undefined {
  if (payloadBytes < BATCH_OVERHEAD) {
    return refuse(
      "CORRUPT_MESSAGE",
      `a batch of ${payloadBytes} bytes is cut short`,
    );
  }
  const size = view.sizeInBytes;
  if (size < BATCH_OVERHEAD || size > payloadBytes) {
    return refuse(
      "CORRUPT_MESSAGE",
      `the batch claims ${size} bytes and the payload holds ${payloadBytes}`,
    );
  }
  const tooLarge = checkSize(size, options);
  if (tooLarge !== undefined) return tooLarge;
  if (!view.isCrcValid()) {
    return refuse("CORRUPT_MESSAGE", "the batch fails its CRC");
  }
  return undefined;
}

function checkSize(
  size: number,
  { maxMessageBytes, segmentBytes }: ValidateOptions,
): Refusal | undefined {
  if (size > maxMessageBytes) {
    return refuse(
      "MESSAGE_TOO_LARGE",
      `the batch has ${size} bytes and max.message.bytes is ${maxMessageBytes}`,
    );
  }
  if (size > segmentBytes) {
    return refuse(
      "RECORD_LIST_TOO_LARGE",
      `the batch has ${size} bytes and segment.bytes is ${segmentBytes}`,
    );
  }
  return undefined;
}

/** What the header alone tells. */
function checkHeader(
  view: BatchView,
  options: ValidateOptions,
): Refusal | undefined {
  const invalid = headerFault(view);
  if (invalid !== undefined) return refuse("INVALID_RECORD", invalid);
  const codec = codecName(view.codec);
  if (codec === undefined) {
    return refuse(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `the batch has the unknown codec ${view.codec}`,
    );
  }
  const version = options.produceVersion ?? Infinity;
  if (codec === "zstd" && version < ZSTD_PRODUCE_VERSION) {
    return refuse(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `zstd needs Produce version ${ZSTD_PRODUCE_VERSION}, the request has ${version}`,
    );
  }
  if (view.timestampType === "LogAppendTime") {
    return refuse(
      "INVALID_TIMESTAMP",
      "a producer must not set the timestamp type LogAppendTime",
    );
  }
  return undefined;
}

function headerFault(view: BatchView): string | undefined {
  const count = view.recordCount;
  if (view.baseOffset !== 0) {
    return `the base offset is ${view.baseOffset}, not 0`;
  }
  if (view.isControl) return "clients may not write control records";
  const reserved = view.attributes & 0xffff &
    ~(ATTRIBUTE.codec | ATTRIBUTE.logAppendTime | ATTRIBUTE.transactional);
  if (reserved !== 0) {
    return `the reserved attributes 0x${reserved.toString(16)} are set`;
  }
  if (count <= 0 || view.lastOffsetDelta !== count - 1) {
    return `the batch counts ${count} records and its last offset delta is ${view.lastOffsetDelta}`;
  }
  const room = view.sizeInBytes - BATCH_OVERHEAD;
  if (view.codec === 0 && count > room / RECORD_BYTES_MIN) {
    return `${count} records don't fit into ${room} bytes`;
  }
  const producerId = view.producerId;
  if (!Number.isSafeInteger(producerId)) return "the producer id is too large";
  if (producerId >= 0 && view.baseSequence < 0) {
    return `the base sequence is ${view.baseSequence} with producer id ${producerId}`;
  }
  if (view.isTransactional && producerId < 0) {
    return "the batch is transactional and has no producer id";
  }
  if (!Number.isSafeInteger(view.baseTimestamp)) {
    return "the base timestamp is out of range";
  }
  return undefined;
}

function inflate(view: BatchView, options: ValidateOptions): Uint8Array {
  if (view.codec === 0) return view.records;
  const maxBytes = options.inflatedBytesMax ?? LIMITS.inflatedBatchBytesMax;
  return decompress(view.codec, view.records, { maxBytes });
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof CompressionError) {
    const name = error.reason === "too-large"
      ? "MESSAGE_TOO_LARGE"
      : "INVALID_RECORD";
    return refuse(name, `the records do not inflate: ${error.message}`);
  }
  // The CRC was right, so the client wrote it like that: it must not retry.
  if (error instanceof KafkaError && error.error === "CORRUPT_MESSAGE") {
    return { ok: false, error: "INVALID_RECORD", message: error.message };
  }
  throw error;
}

/** Walks all records once; throws `CORRUPT_MESSAGE` when they don't parse. */
function walk(
  view: BatchView,
  records: Uint8Array,
  options: ValidateOptions,
): Walked | Refusal {
  const checksTime = options.timestampType === "CreateTime";
  const oldest = options.nowMs - options.beforeMaxMs;
  const newest = options.nowMs + options.afterMaxMs;
  const needsKey = options.isCompacted;
  let errors: RecordErrors | undefined;
  let maxTimestamp = NO_TIMESTAMP;
  let isSequential = true;
  cursor.openInflated(view, records);
  for (let index = 0; cursor.next(); index++) {
    if (cursor.headerCount > 0) cursor.checkHeaders();
    const timestamp = cursor.timestamp;
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    if (cursor.offsetDelta !== index) isSequential = false;
    if (needsKey && cursor.keyLength < 0) {
      errors ??= new RecordErrors();
      errors.add("INVALID_RECORD", {
        batchIndex: index,
        message: "a compacted topic takes no record without a key",
      });
    } else if (
      checksTime && timestamp !== NO_TIMESTAMP &&
      !(timestamp >= oldest && timestamp <= newest)
    ) {
      errors ??= new RecordErrors();
      errors.add("INVALID_TIMESTAMP", {
        batchIndex: index,
        message: `timestamp ${timestamp} is outside [${oldest}, ${newest}]`,
      });
    }
  }
  if (errors !== undefined) return errors.refusal();
  if (!Number.isSafeInteger(maxTimestamp)) {
    return refuse("INVALID_TIMESTAMP", "a timestamp is out of range");
  }
  if (!isSequential && view.codec === 0) {
    return refuse("INVALID_RECORD", "the offset deltas are not 0, 1, 2, …");
  }
  return { maxTimestamp, isSequential };
}

/** The records refused in one batch; a timestamp names the error, as in Kafka. */
class RecordErrors {
  readonly #listed: RecordError[] = [];
  #error: ErrorName = "INVALID_RECORD";
  #count = 0;

  add(error: ErrorName, { batchIndex, message }: RecordError): void {
    this.#count++;
    if (error === "INVALID_TIMESTAMP") this.#error = error;
    if (this.#listed.length < RECORD_ERRORS_MAX) {
      this.#listed.push({ batchIndex, message });
    }
  }

  refusal(): Refusal {
    const { batchIndex, message } = this.#listed[0]!;
    const more = this.#count > 1 ? ` and ${this.#count - 1} more` : "";
    return {
      ok: false,
      error: this.#error,
      message: `Cannot append: record ${batchIndex}${more}: ${message}`,
      recordErrors: this.#listed,
    };
  }
}

/** Stamps timestamps in place, or rebuilds the batch where it must differ. */
function finish(
  source: BatchView,
  { records, walked, options }: {
    records: Uint8Array;
    walked: Walked;
    options: ValidateOptions;
  },
): Validated {
  let view = source;
  const codec = targetCodec(view, options.compressionType);
  if (codec !== codecName(view.codec) || !walked.isSequential) {
    const level = options.compressionLevel;
    view = new BatchView(
      walked.isSequential
        ? replaceRecords(view, { records, codec, level })
        : renumber(view, { records, codec, level }),
    );
    const refusal = checkSize(view.sizeInBytes, options);
    if (refusal !== undefined) return refusal;
  }
  if (options.timestampType === "LogAppendTime") {
    view.setMaxTimestamp(options.nowMs, "LogAppendTime");
  } else if (view.maxTimestamp !== walked.maxTimestamp) {
    view.setMaxTimestamp(walked.maxTimestamp, "CreateTime");
  }
  return { ok: true, bytes: view.bytes, view };
}

function targetCodec(view: BatchView, type: CompressionType): CodecName {
  if (type === "producer") return codecName(view.codec)!;
  return type === "uncompressed" ? "none" : type;
}

/** The same records from offset delta 0 on, without gaps. */
function renumber(
  view: BatchView,
  { records, codec, level }: {
    records: Uint8Array;
    codec: CodecName;
    level: number | undefined;
  },
): Uint8Array {
  const builder = new BatchBuilder({ codec, level, capacityBytes: Infinity });
  cursor.openInflated(view, records);
  while (cursor.next()) builder.tryAppend(cursor);
  cursor.bytes = NO_BYTES;
  const { producerId, producerEpoch, baseSequence, isTransactional } = view;
  return builder.build({
    producerId,
    producerEpoch,
    baseSequence,
    isTransactional,
  });
}

function refuse(error: ErrorName, why: string): Refusal {
  return { ok: false, error, message: `Cannot append: ${why}` };
}
