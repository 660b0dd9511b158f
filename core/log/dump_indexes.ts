/**
 * Entries of a segment's indexes as rows, with what is wrong with them: among
 * themselves always, and against the segment's `.log` when it is given. Both
 * files are walked side by side, a chunk of each at a time.
 *
 * @module
 */
import type { BatchView } from "../record/batch.ts";
import { isZero } from "./dump_batches.ts";
import {
  type IndexRow,
  problemAt,
  type ProblemRow,
  type TimeIndexRow,
  type TxnIndexRow,
} from "./dump_rows.ts";
import {
  offsetEntryOf,
  OffsetIndex,
  timeEntryOf,
  TimeIndex,
} from "./index_file.ts";
import { type ByteSource, walkBatches } from "./scan.ts";
import { TXN_ENTRY_BYTES, TXN_VERSION, txnEntryOf } from "./txn_index.ts";

const CHUNK_ENTRIES = 4096;

/** What an index belongs to, and how large it is. */
export interface DecodeIndexOptions {
  /** Bytes of the index. */
  readonly size: number;
  /** Base offset of the segment. */
  readonly baseOffset: number;
  /** The segment's `.log`, to hold the entries against. */
  readonly log?: { readonly source: ByteSource; readonly size: number };
}

/** The rows of an `.index`, in order. */
export function* decodeOffsetIndex(
  source: ByteSource,
  options: DecodeIndexOptions,
): Generator<IndexRow | ProblemRow> {
  const headers = options.log && new Headers(options.log);
  const { entryBytes } = OffsetIndex;
  let last = { offset: -1, batchPosition: -1 };
  for (const entry of entriesOf(source, { size: options.size, entryBytes })) {
    if ("kind" in entry) {
      yield entry;
      continue;
    }
    const read = offsetEntryOf(entry.view);
    const row: IndexRow = {
      kind: "index",
      position: entry.position,
      offset: options.baseOffset + read.relativeOffset,
      batchPosition: read.position,
    };
    yield row;
    const isRising = read.relativeOffset >= 0 && row.offset > last.offset &&
      row.batchPosition > last.batchPosition;
    if (!isRising) {
      yield problemAt(
        row.position,
        `offset ${row.offset} at ${row.batchPosition} doesn't rise above offset ${last.offset} at ${last.batchPosition}`,
      );
      continue;
    }
    last = row;
    const problem = headers && wrongBatch(headers, row);
    if (problem !== undefined) yield problemAt(row.position, problem);
  }
}

function wrongBatch(headers: Headers, row: IndexRow): string | undefined {
  const { offset, batchPosition } = row;
  const found = headers.seek(({ position }) => position >= batchPosition);
  if (found === undefined) {
    const reach = headers.takeReach();
    return reach && `offset ${offset} points to ${batchPosition}, and ${reach}`;
  }
  if (found.position !== batchPosition) {
    return `offset ${offset} points to ${batchPosition}, where no batch begins`;
  }
  return found.lastOffset === offset
    ? undefined
    : `offset ${offset} points to ${batchPosition}, where a batch ends at offset ${found.lastOffset}`;
}

/** The rows of a `.timeindex`, in order. */
export function* decodeTimeIndex(
  source: ByteSource,
  options: DecodeIndexOptions,
): Generator<TimeIndexRow | ProblemRow> {
  const headers = options.log && new Headers(options.log);
  const { entryBytes } = TimeIndex;
  let last = { timestamp: -Infinity, offset: -1 };
  for (const entry of entriesOf(source, { size: options.size, entryBytes })) {
    if ("kind" in entry) {
      yield entry;
      continue;
    }
    const read = timeEntryOf(entry.view);
    const row: TimeIndexRow = {
      kind: "timeindex",
      position: entry.position,
      timestamp: read.timestamp,
      offset: options.baseOffset + read.relativeOffset,
    };
    yield row;
    const isRising = read.relativeOffset >= 0 && row.offset > last.offset &&
      row.timestamp > last.timestamp;
    if (!isRising) {
      yield problemAt(
        row.position,
        `timestamp ${row.timestamp} at offset ${row.offset} doesn't rise above timestamp ${last.timestamp} at offset ${last.offset}`,
      );
      continue;
    }
    last = row;
    const problem = headers && wrongTime(headers, row);
    if (problem !== undefined) yield problemAt(row.position, problem);
  }
}

function wrongTime(headers: Headers, row: TimeIndexRow): string | undefined {
  const { offset, timestamp } = row;
  const found = headers.seek(({ lastOffset }) => lastOffset >= offset);
  if (found === undefined) {
    const reach = headers.takeReach();
    return reach &&
      `timestamp ${timestamp} is at offset ${offset}, and ${reach}`;
  }
  return found.maxTimestamp === timestamp
    ? undefined
    : `timestamp ${timestamp} is at offset ${offset}, where the batch's largest is ${found.maxTimestamp}`;
}

/** The rows of a `.txnindex`, in order. */
export function* decodeTxnIndex(
  source: ByteSource,
  options: Pick<DecodeIndexOptions, "size">,
): Generator<TxnIndexRow | ProblemRow> {
  const entryBytes = TXN_ENTRY_BYTES;
  let lastOffset = -1;
  for (const entry of entriesOf(source, { size: options.size, entryBytes })) {
    if ("kind" in entry) {
      yield entry;
      continue;
    }
    const { position, view } = entry;
    const version = view.getInt16(0);
    if (version !== TXN_VERSION) {
      yield problemAt(
        position,
        `the entry's version is ${version}, not ${TXN_VERSION}`,
      );
      return;
    }
    const row: TxnIndexRow = {
      kind: "txnindex",
      position,
      ...txnEntryOf(view),
    };
    yield row;
    if (row.firstOffset > row.lastOffset || row.lastOffset <= lastOffset) {
      yield problemAt(
        position,
        `offsets ${row.firstOffset} to ${row.lastOffset} don't rise above ${lastOffset}`,
      );
      continue;
    }
    lastOffset = row.lastOffset;
  }
}

interface Entry {
  readonly position: number;
  /** Lives until the next entry. */
  readonly view: DataView;
}

/** The entries of an index; room that was set aside for more is left out. */
function* entriesOf(
  source: ByteSource,
  { size, entryBytes }: { readonly size: number; readonly entryBytes: number },
): Generator<Entry | ProblemRow> {
  const chunk = new Uint8Array(
    Math.min(CHUNK_ENTRIES * entryBytes, size - size % entryBytes),
  );
  let position = 0;
  while (size - position >= entryBytes) {
    const got = source.pread(chunk, position);
    for (let at = 0; got - at >= entryBytes; at += entryBytes) {
      const isUnused = size > entryBytes &&
        chunk.subarray(at, at + entryBytes).every((byte) => byte === 0) &&
        isZero(source, position + at, size);
      if (isUnused) return;
      const view = new DataView(chunk.buffer, at, entryBytes);
      yield { position: position + at, view };
    }
    if (got < entryBytes) return;
    position += got - got % entryBytes;
  }
  const left = size - position;
  if (left > 0) {
    yield problemAt(
      position,
      `${left} bytes are left, too few for an entry of ${entryBytes}`,
    );
  }
}

/** What indexes are held against, of one batch. */
interface Header {
  readonly position: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
}

/** Moves forward over the headers of a `.log`, never back. */
class Headers {
  readonly #walk: ReturnType<typeof walkBatches>;
  #at: Header | undefined;
  #isStarted = false;
  #reach: string | undefined;

  constructor(
    { source, size }: { readonly source: ByteSource; readonly size: number },
  ) {
    this.#walk = walkBatches(source, { size, headersOnly: true });
  }

  /** The first batch, from where it stands on, for which `isIt` holds. */
  seek(isIt: (header: Header) => boolean): Header | undefined {
    if (!this.#isStarted) this.#move();
    this.#isStarted = true;
    while (this.#at !== undefined && !isIt(this.#at)) this.#move();
    return this.#at;
  }

  /** Why nothing was found; once, since the same holds for all that follow. */
  takeReach(): string | undefined {
    const reach = this.#reach;
    this.#reach = undefined;
    return reach;
  }

  #move(): void {
    const { value, done } = this.#walk.next();
    if (done) {
      this.#reach =
        `the log can be read up to ${value.position} only, here and below`;
      this.#at = undefined;
      return;
    }
    this.#at = headerOf(value.position, value.batch);
  }
}

function headerOf(position: number, batch: BatchView): Header {
  const { lastOffset, maxTimestamp } = batch;
  return { position, lastOffset, maxTimestamp };
}
