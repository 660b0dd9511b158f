/**
 * Which leader epoch began at which offset. Owns the entries and
 * `leader-epoch-checkpoint`; knows nothing of batches.
 *
 * Invariants:
 * 1. Epochs and start offsets both rise from entry to entry.
 * 2. The file holds every entry of which it was said that its records are
 *    about to be durable; the log itself tells of the others after a crash.
 *
 * @module
 */
import type { Disk } from "../env/env.ts";
import {
  checkpointText,
  readCheckpoint,
  replaceFile,
  replaceFileLater,
} from "./checkpoint.ts";

const NAME = "leader-epoch-checkpoint";

/** An epoch and the offset of its first record. */
export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

/** The epochs of one log. */
export class LeaderEpochCache {
  #entries: EpochEntry[];
  #isSaved = true;
  #saved: string;
  readonly #disk: Disk;
  readonly #folder: string;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    this.#entries = parse(readCheckpoint(disk, `${folder}/${NAME}`) ?? []);
    this.#saved = textOf(this.#entries);
  }

  /** All of them, rising. */
  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** What the file holds, as far as it can be used. */
  get saved(): string {
    return this.#saved;
  }

  /** The newest epoch; undefined before the first. */
  get latest(): EpochEntry | undefined {
    return this.#entries.at(-1);
  }

  /** Epoch `epoch` begins at `startOffset`; epochs known already are kept. */
  assign(epoch: number, startOffset: number): void {
    const latest = this.latest;
    if (latest !== undefined && epoch <= latest.epoch) return;
    this.#entries = this.#entries.filter((entry) =>
      entry.startOffset < startOffset
    );
    this.#entries.push({ epoch, startOffset });
    this.#isSaved = false;
  }

  /** Forgets what begins at or after `offset`, until batches have told it anew. */
  keepBefore(offset: number): void {
    this.#entries = this.#entries.filter((entry) => entry.startOffset < offset);
    this.#isSaved = false;
  }

  /** All was told anew: the file may say the same. */
  settle(): void {
    this.#isSaved = textOf(this.#entries) === this.#saved;
  }

  /** The first epoch began at `offset` at the latest. */
  beginBy(offset: number): void {
    const [first, ...rest] = this.#entries;
    if (first === undefined || first.startOffset <= offset) return;
    this.#entries = [{ epoch: first.epoch, startOffset: offset }, ...rest];
    this.#isSaved = false;
  }

  /** Whether the file lacks epochs of records before `end`, or tells others. */
  lacks(end: number): boolean {
    if (this.#isSaved) return false;
    const own = this.#entries.filter(({ startOffset }) => startOffset < end);
    return textOf(own) !== this.#saved;
  }

  /** Makes what was assigned durable, before its records are. */
  save(): void {
    if (!this.#isSaved) this.#write();
  }

  /**
   * The same, without keeping anybody waiting for the disk; whether all is saved
   * by it, and the folder synced.
   */
  async saveLater(): Promise<boolean> {
    if (this.#isSaved) return false;
    const entries = this.#entries;
    const isStillTrue = () => this.#entries === entries;
    const file = this.#file();
    const isDone = await replaceFileLater(this.#disk, {
      ...file,
      isStillTrue,
      syncsFolder: true,
    });
    if (isDone) this.#saved = file.content;
    // Others may have come while the folder was synced.
    this.#isSaved = isDone && isStillTrue();
    return isDone;
  }

  /** The epoch of the record at `offset`; −1 when unknown. */
  epochAt(offset: number): number {
    return this.#entries.findLast((entry) => entry.startOffset <= offset)
      ?.epoch ?? -1;
  }

  /**
   * The largest epoch up to `epoch` and where it ends; the newest one ends at
   * `logEndOffset`. (−1, −1) when no epoch is known.
   */
  endOffsetFor(
    epoch: number,
    logEndOffset: number,
  ): { epoch: number; endOffset: number } {
    const latest = this.latest;
    if (latest === undefined || epoch < 0) return { epoch: -1, endOffset: -1 };
    if (epoch === latest.epoch) return { epoch, endOffset: logEndOffset };
    if (epoch > latest.epoch) return { epoch: -1, endOffset: -1 };
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const endOffset = this.#entries[next]!.startOffset;
    const found = this.#entries[next - 1];
    return { epoch: found?.epoch ?? epoch, endOffset };
  }

  /**
   * Forgets epochs that begin at or after `offset`. The file may tell of them
   * until records are about to be durable there: a start reads these anew.
   */
  truncateFromEnd(offset: number): void {
    const kept = this.#entries.filter((entry) => entry.startOffset < offset);
    if (kept.length === this.#entries.length) return;
    this.#entries = kept;
    this.#isSaved = false;
  }

  /**
   * Forgets epochs that end before `offset`; the one in force begins there.
   * Whether that was written, and the folder synced.
   */
  truncateFromStart(offset: number): boolean {
    const before = this.#entries;
    this.keepFrom(offset);
    if (this.#entries === before) return false;
    this.#write();
    return true;
  }

  /** The same in memory, of what batches have told anew. */
  keepFrom(offset: number): void {
    const first = this.#entries.findLastIndex((entry) =>
      entry.startOffset <= offset
    );
    if (first < 0 || this.#entries[first]!.startOffset === offset && !first) {
      return;
    }
    const kept = this.#entries.slice(first);
    kept[0] = { epoch: kept[0]!.epoch, startOffset: offset };
    this.#entries = kept;
    this.#isSaved = false;
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries = [];
    this.#write();
  }

  #write(): void {
    const file = this.#file();
    // The disk may refuse it.
    this.#isSaved = false;
    replaceFile(this.#disk, file);
    this.#saved = file.content;
    this.#isSaved = true;
  }

  #file(): { folder: string; name: string; content: string } {
    const content = textOf(this.#entries);
    return { folder: this.#folder, name: NAME, content };
  }
}

function textOf(entries: readonly EpochEntry[]): string {
  return checkpointText(
    entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`),
  );
}

/** Reads a line of the checkpoint; undefined when it isn't one. */
export function parseEpoch(line: string): EpochEntry | undefined {
  const match = /^(\d+) (\d+)$/.exec(line);
  if (match === null) return undefined;
  return { epoch: Number(match[1]), startOffset: Number(match[2]) };
}

function parse(lines: readonly string[]): EpochEntry[] {
  const entries: EpochEntry[] = [];
  for (const line of lines) {
    const entry = parseEpoch(line);
    if (entry === undefined) return [];
    const before = entries.at(-1);
    const rises = before === undefined || entry.epoch > before.epoch &&
        entry.startOffset > before.startOffset;
    if (!rises) return [];
    entries.push(entry);
  }
  return entries;
}
