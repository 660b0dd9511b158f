/**
 * Splits a source of bytes into records at a delimiter. Records are views into
 * the chunk that was read, which is never reused; only a record that spans
 * chunks is copied. It never looks at characters: any bytes will do.
 *
 * @module
 */
import type { Source } from "./terminal.ts";

const CHUNK_BYTES = 256 * 1024;

/** Larger than any record that a broker takes; what says more is no length. */
const RECORD_BYTES_MAX = 256 * 1024 * 1024;

/** Takes one record; a promise makes the reader wait. */
export type TakeRecord = (record: Uint8Array) => Promise<void> | undefined;

/** Takes one record, or a null value. */
export type TakeFramed = (
  record: Uint8Array | null,
) => Promise<void> | undefined;

/**
 * Hands every record of `source` to `take`. A missing last delimiter still ends
 * a record. Stops early when `signal` is aborted.
 */
export async function readRecords(
  source: Source,
  options: {
    delimiter: Uint8Array;
    take: TakeRecord;
    signal?: AbortSignal;
  },
): Promise<void> {
  const { delimiter, take, signal } = options;
  let chunk = new Uint8Array(CHUNK_BYTES);
  let start = 0;
  let end = 0;
  let searched = 0;
  for (;;) {
    if (end === chunk.length) {
      const kept = end - start;
      const next = new Uint8Array(Math.max(CHUNK_BYTES, kept * 2));
      next.set(chunk.subarray(start, end));
      searched -= start;
      chunk = next;
      start = 0;
      end = kept;
    }
    const read = await readOrStop(source, chunk.subarray(end), signal);
    if (read === undefined) return;
    if (read === null) break;
    end += read;
    for (;;) {
      const at = find(chunk, delimiter, { from: searched, to: end });
      if (at < 0) break;
      const waits = take(chunk.subarray(start, at));
      start = searched = at + delimiter.length;
      if (waits !== undefined) await waits;
      if (signal?.aborted) return;
    }
    searched = Math.max(start, end - delimiter.length + 1);
  }
  if (end > start) await take(chunk.subarray(start, end));
}

/**
 * Hands records to `take` that stand behind their length in four bytes, big
 * endian; a length of -1 is a null value. Throws where the source ends
 * within a record.
 */
export async function readFramed(
  source: Source,
  options: { take: TakeFramed; signal?: AbortSignal },
): Promise<void> {
  const { take, signal } = options;
  let chunk = new Uint8Array(CHUNK_BYTES);
  let start = 0;
  let end = 0;
  for (let count = 1;;) {
    const held = end - start;
    const length = held < 4 ? 0 : new DataView(chunk.buffer).getInt32(start);
    if (length < -1 || length > RECORD_BYTES_MAX) {
      throw new Error(
        `Cannot read record ${count}: ${length} is no length; is the input framed?`,
      );
    }
    const needed = 4 + Math.max(0, length);
    if (held >= needed) {
      const from = start + 4;
      start += needed;
      count++;
      const waits = take(length < 0 ? null : chunk.subarray(from, start));
      if (waits !== undefined) await waits;
      if (signal?.aborted) return;
      continue;
    }
    if (end === chunk.length) {
      // Twice what is there, not what its length claims: it may be no length.
      const next = new Uint8Array(Math.max(CHUNK_BYTES, 2 * held));
      next.set(chunk.subarray(start, end));
      chunk = next;
      start = 0;
      end = held;
    }
    const read = await readOrStop(source, chunk.subarray(end), signal);
    if (read === undefined) return;
    if (read !== null) end += read;
    else if (held === 0) return;
    else throw new Error(`Cannot read record ${count}: the input ends in it`);
  }
}

/** Hands all of a source to `take`, as one record. */
export async function readWhole(
  source: Source,
  options: { take: TakeRecord; signal?: AbortSignal },
): Promise<void> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let end = 0;
  for (;;) {
    if (end === chunk.length) {
      if (end >= RECORD_BYTES_MAX) {
        throw new Error(`it is larger than ${RECORD_BYTES_MAX} bytes`);
      }
      const next = new Uint8Array(end * 2);
      next.set(chunk);
      chunk = next;
    }
    const into = chunk.subarray(end);
    const read = await readOrStop(source, into, options.signal);
    if (read === undefined) return;
    if (read === null) break;
    end += read;
  }
  await options.take(chunk.subarray(0, end));
}

/** A read; `undefined` when stopped first. */
function readOrStop(
  source: Source,
  into: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<number | null | undefined> {
  if (signal === undefined) return source.read(into);
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    source.read(into).then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", stop)
    );
  });
}

/** Where `wanted` begins in `bytes[from..to)`; -1 when it is not there. */
export function find(
  bytes: Uint8Array,
  wanted: Uint8Array,
  { from, to }: { from: number; to: number },
): number {
  const first = wanted[0]!;
  const last = to - wanted.length;
  for (let at = from; at <= last; at++) {
    at = bytes.indexOf(first, at);
    if (at < 0 || at > last) return -1;
    let same = 1;
    while (same < wanted.length && bytes[at + same] === wanted[same]) same++;
    if (same === wanted.length) return at;
  }
  return -1;
}
