/**
 * The file of an export: JSON envelopes, one a line. The file is its own state:
 * how far it reaches is read from its lines, so that nothing beside it can
 * disagree with it. It must never change a whole line.
 *
 * A killed export leaves a torn last line at most: it is cut off. Each
 * partition then begins at its last record once more, which is only compared:
 * when it is another by now, the topic was made anew, and going on would mix
 * two topics.
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import { ByteSink } from "./byte_sink.ts";
import { envelopeFormat } from "./record_format.ts";
import { readRecords } from "./record_reader.ts";
import {
  fileBytes,
  type GrowingFile,
  openGrowing,
  openSource,
  writeOut,
} from "./terminal.ts";

const NEWLINE = Uint8Array.of(10);
const FLUSH_BYTES = 256 * 1024;
/** Of a line, enough for topic, partition and offset. */
const HEAD_BYTES = 400;
const HEAD = /^\{"topic":"([^"]*)","partition":(\d+),"offset":(\d+),/;

const print = envelopeFormat(NEWLINE);
const decoder = new TextDecoder();

/** The last line of a partition. */
interface LastLine {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** How far a file reaches. */
interface Reach {
  /** Bytes of whole lines. */
  bytes: number;
  /** By partition. */
  readonly last: Map<number, LastLine>;
}

/** Lines on their way into a file, or onto stdout. */
export class ExportFile {
  /** Bytes of this run. */
  bytes = 0;
  readonly #path: string;
  readonly #file: GrowingFile | undefined;
  readonly #sink = new ByteSink(2 * FLUSH_BYTES);
  readonly #last: Map<number, LastLine>;

  private constructor(
    path: string,
    file: GrowingFile | undefined,
    last: Map<number, LastLine>,
  ) {
    this.#path = path;
    this.#file = file;
    this.#last = last;
  }

  /** Opens a file behind its last whole line; `-` is stdout. */
  static async open(path: string, topic: string): Promise<ExportFile> {
    if (path === "-") return new ExportFile(path, undefined, new Map());
    const size = fileBytes(path);
    const reach = size === undefined
      ? { bytes: 0, last: new Map<number, LastLine>() }
      : await reachOf(path, { topic, size });
    return new ExportFile(path, openGrowing(path, reach.bytes), reach.last);
  }

  /** Whether something is there already. */
  get isResumed(): boolean {
    return this.#last.size > 0;
  }

  /** The last record of each partition. */
  get lasts(): Map<number, number> {
    return new Map([...this.#last].map(([at, { offset }]) => [at, offset]));
  }

  /** Adds records of one partition, in order; gives how many were new. */
  add(records: readonly ConsumerRecord[]): number {
    let count = 0;
    for (const record of records) {
      if (this.#isThere(record)) continue;
      print(record, this.#sink);
      count++;
      if (this.#sink.length >= FLUSH_BYTES) this.flush();
    }
    return count;
  }

  /** Writes what was added. */
  flush(): void {
    const bytes = this.#sink.view();
    this.#sink.length = 0;
    this.bytes += bytes.length;
    if (bytes.length === 0) return;
    if (this.#file === undefined) writeOut(bytes);
    else this.#file.append(bytes);
  }

  /** Brings the file to the disk. */
  close(): void {
    this.#file?.close();
  }

  #isThere(record: ConsumerRecord): boolean {
    const last = this.#last.get(record.partition);
    if (last === undefined || record.offset > last.offset) return false;
    const sink = new ByteSink();
    print(record, sink);
    const line = sink.view().subarray(0, -1);
    const isSame = line.length === last.bytes.length &&
      line.every((byte, i) => byte === last.bytes[i]);
    if (isSame) return true;
    throw new Error(
      `Cannot go on in "${this.#path}": the record at offset ${record.offset} of partition ${record.partition} is another by now, so this is not the topic that was exported`,
    );
  }
}

async function reachOf(
  path: string,
  { topic, size }: { topic: string; size: number },
): Promise<Reach> {
  const reach: Reach = { bytes: 0, last: new Map() };
  const source = await openSource(path);
  let number = 0;
  try {
    await readRecords(source, {
      delimiter: NEWLINE,
      take(line) {
        number++;
        // Without its newline the last line is torn.
        if (reach.bytes + line.length >= size) return undefined;
        const match = HEAD.exec(decoder.decode(line.subarray(0, HEAD_BYTES)));
        const [partition, offset] = [Number(match?.[2]), Number(match?.[3])];
        const last = reach.last.get(partition);
        if (match?.[1] !== topic || (last?.offset ?? -1) >= offset) {
          throw new Error(
            `Cannot go on in "${path}": line ${number} is not the next of an export of "${topic}"`,
          );
        }
        reach.last.set(partition, { offset, bytes: line });
        reach.bytes += line.length + 1;
        return undefined;
      },
    });
  } finally {
    source.close();
  }
  // Lines are views of large chunks, which must not be kept for their sake.
  for (const [at, last] of reach.last) {
    reach.last.set(at, { ...last, bytes: last.bytes.slice() });
  }
  return reach;
}
