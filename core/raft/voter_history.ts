/**
 * Which voters count at which offset of the metadata log (KIP-853): the latest
 * that it holds, committed or not, and those before when it is cut. Owns no
 * bytes; whoever appends hands them over.
 *
 * @module
 */
import { invariant } from "../invariant.ts";
import { quorumChanges } from "./batches.ts";
import type { QuorumVoters, VoterSet } from "./voter_set.ts";

/** The quorum from the record at `offset` on; −1: no record says so. */
export interface QuorumEntry extends QuorumVoters {
  readonly offset: number;
  /** Who voted before; nobody, when that isn't known any more. */
  readonly previous: VoterSet;
}

/**
 * The voters over the length of a log.
 *
 * Invariants:
 * 1. Offsets rise.
 * 2. `latest` is another object exactly when something about it changed.
 */
export class VoterHistory {
  readonly #initial: QuorumEntry;
  #entries: QuorumEntry[];

  /** `initial` counts where no record says anything else. */
  constructor(initial: QuorumVoters) {
    this.#initial = { ...initial, offset: -1, previous: [] };
    this.#entries = [this.#initial];
  }

  /** What counts now. */
  get latest(): QuorumEntry {
    return this.#entries.at(-1)!;
  }

  /** Takes in what the log's `bytes` say from `from` up to `end`; if anything. */
  read(
    bytes: Uint8Array,
    { from = 0, end = Infinity }: {
      readonly from?: number;
      readonly end?: number;
    },
  ): boolean {
    const { latest } = this;
    for (const { offset, change } of quorumChanges(bytes)) {
      if (offset >= from && offset < end) this.append(offset, change);
    }
    return this.latest !== latest;
  }

  /** The record at `offset` says `change`. */
  append(offset: number, change: Partial<QuorumVoters>): void {
    const { latest } = this;
    invariant(offset > latest.offset, "voters change with rising offsets");
    const previous = change.voters ? latest.voters : latest.previous;
    this.#entries.push({ ...latest, ...change, offset, previous });
  }

  /** The log ends at `endOffset` now. */
  truncate(endOffset: number): void {
    this.#entries = this.#entries.filter(({ offset }) => offset < endOffset);
    if (this.#entries.length === 0) this.#entries = [this.#initial];
  }

  /** What counted for records below `endOffset`. */
  at(endOffset: number): QuorumVoters {
    return this.#entries.findLast(({ offset }) => offset < endOffset) ??
      this.#entries[0]!;
  }

  /** A snapshot up to `endOffset`, in which `held` is, stands for the log. */
  restart(endOffset: number, held: QuorumVoters | undefined): void {
    // 0-0 is what Apache Kafka formats a folder with: no log holds that yet.
    this.#entries = [
      held === undefined
        ? this.#initial
        : { ...held, offset: endOffset - 1, previous: [] },
    ];
  }

  /** Nobody will ask for what counted before `offset`. */
  forgetBefore(offset: number): void {
    const first = this.#entries.findLastIndex((entry) => entry.offset < offset);
    if (first > 0) this.#entries = this.#entries.slice(first);
  }
}
