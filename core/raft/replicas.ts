/**
 * How far the other replicas are, as the leader of an epoch sees them, and
 * which requests are under way. Owns what a majority is; it knows no time but
 * what it is told.
 *
 * @module
 */
import { ZERO_UUID } from "../bytes/uuid.ts";
import type { ReplicaKey } from "./messages.ts";

/** Observers that are silent for so long are forgotten. */
const OBSERVER_FORGOTTEN_MS = 300_000;
/** A leader without a majority for so many fetch timeouts gives up. */
const CHECK_QUORUM_FACTOR = 1.5;

/** One other replica in one epoch of this leader. Times are monotonic ms. */
export interface ReplicaProgress {
  readonly key: ReplicaKey;
  /** Its log ends here, durably; −1: not heard of. */
  readonly endOffset: number;
  /** −Infinity: never. */
  readonly fetchedMs: number;
  readonly caughtUpMs: number;
}

interface Progress extends ReplicaProgress {
  key: ReplicaKey;
  endOffset: number;
  fetchedMs: number;
  caughtUpMs: number;
  /** Last sign of life, or when the epoch began. */
  contactMs: number;
  /** When it was last told of the epoch. */
  toldMs: number;
  /** Where the leader ended at the last fetch. */
  leaderEndOffset: number;
}

/** The replicas of one epoch. */
export class Replicas {
  readonly #voters: readonly number[];
  readonly #nodeId: number;
  readonly #fetchMs: number;
  #all = new Map<number, Progress>();

  constructor({ voters, nodeId, fetchMs }: {
    readonly voters: readonly number[];
    readonly nodeId: number;
    readonly fetchMs: number;
  }) {
    this.#voters = voters;
    this.#nodeId = nodeId;
    this.#fetchMs = fetchMs;
  }

  /** An epoch of this leader begins: nothing is known of the others. */
  begin(nowMs: number): void {
    this.#all = new Map();
    for (const id of this.#voters) {
      if (id === this.#nodeId) continue;
      this.#all.set(id, unheard({ id, directoryId: ZERO_UUID }, nowMs));
    }
  }

  /** Those that have been heard of, voters in any case. */
  get all(): Iterable<ReplicaProgress> {
    return this.#all.values();
  }

  /** A replica has everything below `endOffset`, durably. */
  fetched(
    key: ReplicaKey,
    { endOffset, leaderEndOffset, nowMs }: {
      readonly endOffset: number;
      readonly leaderEndOffset: number;
      readonly nowMs: number;
    },
  ): void {
    const progress = this.#at(key, nowMs);
    progress.key = key;
    if (endOffset >= leaderEndOffset) progress.caughtUpMs = nowMs;
    else if (endOffset >= progress.leaderEndOffset) {
      progress.caughtUpMs = Math.max(progress.caughtUpMs, progress.fetchedMs);
    }
    progress.endOffset = endOffset;
    progress.leaderEndOffset = leaderEndOffset;
    progress.fetchedMs = nowMs;
    progress.contactMs = nowMs;
  }

  /** A voter reads a snapshot: it lives, wherever its log ends. */
  contacted(id: number, nowMs: number): void {
    const progress = this.#all.get(id);
    if (progress !== undefined) progress.contactMs = nowMs;
  }

  /** Up to where a majority of the voters is, this one at `ownOffset`. */
  majorityOffset(ownOffset: number): number {
    const offsets = this.#voters.map((id) =>
      id === this.#nodeId ? ownOffset : this.#all.get(id)?.endOffset ?? -1
    );
    offsets.sort((a, b) => b - a);
    return offsets[offsets.length >> 1] ?? -1;
  }

  /** When this leader has been without a majority for too long. */
  checkQuorumMs(): number {
    const needed = this.#voters.length >> 1;
    if (needed === 0) return Infinity;
    const contacts = this.#voters.filter((id) => id !== this.#nodeId)
      .map((id) => this.#all.get(id)!.contactMs).sort((a, b) => b - a);
    return contacts[needed - 1]! + CHECK_QUORUM_FACTOR * this.#fetchMs;
  }

  /** When the voter is to be told of the epoch, unless it fetches before. */
  tellMs(id: number): number {
    const { fetchedMs, toldMs } = this.#all.get(id)!;
    return Math.max(fetchedMs, toldMs) + this.#fetchMs / 2;
  }

  /** The voter is being told of the epoch. */
  told(id: number, nowMs: number): void {
    this.#all.get(id)!.toldMs = nowMs;
  }

  /** The other voters, those with the longest logs first. */
  successors(): number[] {
    const end = (id: number) => this.#all.get(id)?.endOffset ?? -1;
    return this.#voters.filter((id) => id !== this.#nodeId)
      .sort((a, b) => end(b) - end(a) || a - b);
  }

  #at(key: ReplicaKey, nowMs: number): Progress {
    let progress = this.#all.get(key.id);
    if (progress === undefined) {
      this.#forgetSilent(nowMs);
      progress = unheard(key, nowMs);
      this.#all.set(key.id, progress);
    }
    return progress;
  }

  #forgetSilent(nowMs: number): void {
    for (const [id, { contactMs }] of this.#all) {
      if (this.#voters.includes(id)) continue;
      if (nowMs - contactMs >= OBSERVER_FORGOTTEN_MS) this.#all.delete(id);
    }
  }
}

function unheard(key: ReplicaKey, nowMs: number): Progress {
  return {
    key,
    endOffset: -1,
    fetchedMs: -Infinity,
    caughtUpMs: -Infinity,
    contactMs: nowMs,
    toldMs: -Infinity,
    leaderEndOffset: Infinity,
  };
}
