/**
 * What a leader knows of its followers: how far each has fetched, and since
 * when it is caught up. Owns these numbers; who is in sync because of them is
 * `in_sync_replicas.ts`. They last one leader epoch.
 *
 * @module
 */

/** A fetch of a follower that was answered without an error. */
export interface FollowerFetch {
  readonly replicaId: number;
  /** −1 when the follower is too old to say it. */
  readonly brokerEpoch: number;
  /** Where it reads: its log's end, for it has written all before. */
  readonly offset: number;
  readonly logStartOffset: number;
}

/** One follower. */
class Follower {
  /** −1 as long as it has not fetched in this leader epoch. */
  logEndOffset = -1;
  logStartOffset = -1;
  brokerEpoch = -1;
  #caughtUpMs: number;
  #fetchedMs = -Infinity;
  /** The leader's end when it fetched last. */
  #leaderEndOffset = -1;

  constructor(caughtUpMs: number) {
    this.#caughtUpMs = caughtUpMs;
  }

  fetched(
    { offset, logStartOffset, brokerEpoch }: FollowerFetch,
    { nowMs, leaderEndOffset }: {
      readonly nowMs: number;
      readonly leaderEndOffset: number;
    },
  ): void {
    if (offset >= leaderEndOffset) {
      this.#caughtUpMs = Math.max(this.#caughtUpMs, nowMs);
    } else if (this.#leaderEndOffset >= 0 && offset >= this.#leaderEndOffset) {
      // It has all that there was at its last fetch: it was caught up then.
      this.#caughtUpMs = Math.max(this.#caughtUpMs, this.#fetchedMs);
    }
    this.logEndOffset = offset;
    this.logStartOffset = logStartOffset;
    this.brokerEpoch = brokerEpoch;
    this.#fetchedMs = nowMs;
    this.#leaderEndOffset = leaderEndOffset;
  }

  isCaughtUp(
    { nowMs, leaderEndOffset, lagMaxMs }: {
      readonly nowMs: number;
      readonly leaderEndOffset: number;
      readonly lagMaxMs: number;
    },
  ): boolean {
    return this.logEndOffset === leaderEndOffset ||
      nowMs - this.#caughtUpMs <= lagMaxMs;
  }
}

/**
 * The followers of one partition, by broker id.
 *
 * Invariants:
 * 1. Whoever was assigned has an entry, from the start of the leader epoch on.
 */
export class Followers {
  #all = new Map<number, Follower>();

  /** A leader epoch begins: nobody has fetched, those in sync have time to. */
  begin(
    { ids, isr, nowMs }: {
      readonly ids: readonly number[];
      readonly isr: readonly number[];
      readonly nowMs: number;
    },
  ): void {
    this.#all = new Map(
      ids.map((id) => [
        id,
        new Follower(isr.includes(id) ? nowMs : -Infinity),
      ]),
    );
  }

  /** Others are assigned; what is known of those that stay is kept. */
  assign(ids: readonly number[]): void {
    this.#all = new Map(
      ids.map((id) => [id, this.#all.get(id) ?? new Follower(-Infinity)]),
    );
  }

  get(id: number): Follower | undefined {
    return this.#all.get(id);
  }

  [Symbol.iterator](): Iterator<[number, Follower]> {
    return this.#all[Symbol.iterator]();
  }
}
