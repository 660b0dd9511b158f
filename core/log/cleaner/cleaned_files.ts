/**
 * The files of one segment while a cleaning writes them. Owns the gathering of
 * batches into large writes; nothing of it counts before it is swapped in.
 *
 * @module
 */
import type { Disk } from "../../env/env.ts";
import { invariant } from "../../invariant.ts";
import { BatchView } from "../../record/batch.ts";
import { Segment, segmentName } from "../segment.ts";
import { CLEANED, removeCleaned } from "./swap.ts";
import type { AbortedTransaction } from "../txn_index.ts";

const BUFFER_BYTES = 128 * 1024;
const POSITION_MAX = 0x7fffffff;

/** A cleaned segment in the making. */
export class CleanedFiles {
  readonly #disk: Disk;
  readonly #segment: Segment;
  readonly #intervalBytes: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #view: BatchView = new BatchView(this.#buffer);
  #gathered = 0;

  constructor(
    disk: Disk,
    { folder, baseOffset, indexIntervalBytes }: {
      readonly folder: string;
      readonly baseOffset: number;
      readonly indexIntervalBytes: number;
    },
  ) {
    this.#disk = disk;
    this.#intervalBytes = indexIntervalBytes;
    // An earlier attempt may have left files.
    removeCleaned(disk, `${folder}/${segmentName(baseOffset)}`);
    const suffix = CLEANED;
    this.#segment = new Segment(disk, { folder, baseOffset, suffix });
  }

  /** Adds one whole batch; its bytes are the caller's again afterwards. */
  append(bytes: Uint8Array): void {
    this.#view.moveTo(bytes, 0);
    const position = this.#segment.size + this.#gathered;
    invariant(position <= POSITION_MAX, "an index can hold the position");
    this.#segment.index(this.#view, position, this.#intervalBytes);
    if (this.#gathered + bytes.length > BUFFER_BYTES) this.#write();
    if (bytes.length > BUFFER_BYTES) {
      this.#segment.writer.pwriteAll(bytes, this.#segment.size);
      this.#segment.size += bytes.length;
      return;
    }
    this.#buffer.set(bytes, this.#gathered);
    this.#gathered += bytes.length;
  }

  /** Makes everything durable; the files can be swapped in then. */
  async finish(aborted: readonly AbortedTransaction[]): Promise<void> {
    this.#write();
    for (const each of aborted) this.#segment.txnIndex.append(each);
    await this.#segment.writer.syncData();
    await this.#segment.freezeLater();
    this.#segment.close();
  }

  /** Removes the files. */
  discard(): void {
    this.#segment.close();
    removeCleaned(this.#disk, this.#segment.path);
  }

  #write(): void {
    if (this.#gathered === 0) return;
    const bytes = this.#buffer.subarray(0, this.#gathered);
    this.#segment.writer.pwriteAll(bytes, this.#segment.size);
    this.#segment.size += this.#gathered;
    this.#gathered = 0;
  }
}
