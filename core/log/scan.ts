/**
 * The walk over a file of batches, from one to the next. Owns where a batch
 * ends and why a walk does; it must never judge a batch's CRC, offsets or
 * records, and never hold more of the file than a chunk or one batch.
 *
 * @module
 */
import { BATCH_OVERHEAD, BatchView } from "../record/batch.ts";
import type { Located } from "./segment.ts";

const MAGIC = 2;
const WHOLE_CHUNK_BYTES = 1024 * 1024;
const HEADER_CHUNK_BYTES = 64 * 1024;

/** Bytes that are read by position: an open file, or memory. */
export interface ByteSource {
  /** Fills `into` from `position` as far as there are bytes; returns how many. */
  pread(into: Uint8Array, position: number): number;
}

/** How {@linkcode walkBatches} walks. */
export interface WalkOptions {
  /** Bytes of the file. */
  readonly size: number;
  /** Only headers are under the views; what lies between isn't read. */
  readonly headersOnly?: boolean;
  /** A batch that claims more ends the walk, before memory is taken for it. */
  readonly batchBytesMax?: number;
}

/** Where a walk ended, and why it wasn't the end of the file. */
export interface WalkEnd {
  readonly position: number;
  readonly why?: string;
}

/**
 * The batches of a file in order; each view lives until the next one. Ends at
 * the first bytes that can't begin a batch, and returns why.
 */
export function* walkBatches(
  source: ByteSource,
  options: WalkOptions,
): Generator<Located, WalkEnd> {
  const { size, headersOnly = false } = options;
  const chunkBytes = headersOnly ? HEADER_CHUNK_BYTES : WHOLE_CHUNK_BYTES;
  let chunk = new Uint8Array(Math.min(chunkBytes, size));
  let chunkAt = 0;
  let got = 0;
  const batch = new BatchView(chunk);
  /** Brings `need` bytes at `position` under the view, if there are as many. */
  const hold = (position: number, need: number): boolean => {
    if (position + need > chunkAt + got) {
      if (need > chunk.length) chunk = new Uint8Array(need);
      got = source.pread(chunk, position);
      chunkAt = position;
    }
    batch.moveTo(chunk, position - chunkAt);
    return position + need <= chunkAt + got;
  };
  const shrunk = "the file became shorter while it was read";
  let position = 0;
  while (size - position >= BATCH_OVERHEAD) {
    if (!hold(position, BATCH_OVERHEAD)) return { position, why: shrunk };
    const why = whyNoBatch(batch, size - position, options);
    if (why !== undefined) return { position, why };
    const { sizeInBytes } = batch;
    const need = headersOnly ? BATCH_OVERHEAD : sizeInBytes;
    if (!hold(position, need)) return { position, why: shrunk };
    yield { position, batch };
    position += sizeInBytes;
  }
  const left = size - position;
  return left === 0
    ? { position }
    : { position, why: `${left} bytes are left, too few for a batch` };
}

/** Why no batch can lie under `batch` with `left` bytes to the file's end. */
function whyNoBatch(
  batch: BatchView,
  left: number,
  { batchBytesMax = Infinity }: WalkOptions,
): string | undefined {
  const { magic, sizeInBytes } = batch;
  if (magic !== MAGIC) return `no batch begins here: magic is ${magic}`;
  if (sizeInBytes < BATCH_OVERHEAD) {
    return `no batch begins here: its size would be ${sizeInBytes} bytes`;
  }
  if (sizeInBytes > left) {
    return `a batch of ${sizeInBytes} bytes begins here, and ${left} are left`;
  }
  if (sizeInBytes > batchBytesMax) {
    return `a batch of ${sizeInBytes} bytes would begin here, more than the ${batchBytesMax} that are read at once`;
  }
  return undefined;
}
