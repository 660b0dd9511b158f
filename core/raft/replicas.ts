/**
 * How far the other replicas are, as the leader of an epoch sees them, and
 * which requests are under way. Owns what a majority is; it knows no time but
 * what it is told.
 *
 * @module
 */
import type { ReplicaKey } from "./messages.ts";
import { hasVoter, isSameVoter, type VoterSet } from "./voter_set.ts";

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

/** A replica that had all there was so long ago has it no more. */
const CAUGHT_UP_MS = 3_600_000;

/** The replicas of one epoch. */
export class Replicas {
  readonly #own: ReplicaKey;
  readonly #fetchMs: number;
  /** The other voters, as they are known to the log. */
  #voters: VoterSet = [];
  #isVoter = false;
  #progress = new Map<number, Progress>();
  /** By id and directory. */
  #observers = new Map<string, Progress>();

  constructor({ own, fetchMs }: {
    readonly own: ReplicaKey;
    readonly fetchMs: number;
  }) {
    this.#own = own;
    this.#fetchMs = fetchMs;
  }

  /** An epoch of this leader begins: nothing is known of the others. */
  begin(voters: VoterSet, nowMs: number): void {
    this.#progress = new Map();
    this.#observers = new Map();
    this.setVoters(voters, nowMs);
  }

  /** Others vote from now on; how far a replica is stays known. */
  setVoters(voters: VoterSet, nowMs: number): void {
    const before = [
      ...this.#progress.values(),
      ...this.#observers.values(),
    ];
    this.#voters = voters.filter((voter) => !isSameVoter(voter, this.#own));
    this.#isVoter = this.#voters.length < voters.length;
    const held = this.#progress;
    this.#progress = new Map();
    for (const voter of this.#voters) {
      const known = before.find(({ key }) => isSameVoter(voter, key));
      // Who becomes a voter is given the time that all have at the beginning.
      const isNew = known !== undefined && known !== held.get(voter.id);
      if (isNew) known.contactMs = nowMs;
      this.#progress.set(voter.id, known ?? unheard(keyOf(voter), nowMs));
    }
    const isUsed = (each: Progress) =>
      this.#progress.get(each.key.id) === each || each.fetchedMs === -Infinity;
    this.#observers = new Map(
      before.filter((each) => !isUsed(each))
        .map((each) => [nameOf(each.key), each]),
    );
  }

  /** Those that have been heard of, voters in any case. */
  get all(): Iterable<ReplicaProgress> {
    return [...this.#progress.values(), ...this.#observers.values()];
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
    const progress = this.#find(key) ?? this.#observer(key, nowMs);
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
  contacted(key: ReplicaKey, nowMs: number): void {
    const progress = this.#find(key);
    if (progress !== undefined) progress.contactMs = nowMs;
  }

  /** Whether the replica has had all there was, not long ago. */
  isCaughtUp(key: ReplicaKey, nowMs: number): boolean {
    const progress = this.#find(key);
    return progress !== undefined && progress.caughtUpMs > -Infinity &&
      progress.fetchedMs > nowMs - CAUGHT_UP_MS;
  }

  /** Up to where a majority of the voters is, this one at `ownOffset`. */
  majorityOffset(ownOffset: number): number {
    const offsets = Array.from(
      this.#progress.values(),
      ({ endOffset }) => endOffset,
    );
    if (this.#isVoter) offsets.push(ownOffset);
    offsets.sort((a, b) => b - a);
    return offsets[offsets.length >> 1] ?? -1;
  }

  /** When this leader has been without a majority for too long. */
  checkQuorumMs(): number {
    const count = this.#voters.length + (this.#isVoter ? 1 : 0);
    const needed = (count >> 1) + (this.#isVoter ? 0 : 1);
    if (needed === 0) return Infinity;
    const contacts = Array.from(
      this.#progress.values(),
      ({ contactMs }) => contactMs,
    ).sort((a, b) => b - a);
    return contacts[needed - 1]! + CHECK_QUORUM_FACTOR * this.#fetchMs;
  }

  /** When the voter is to be told of the epoch, unless it fetches before. */
  tellMs(id: number): number {
    const { fetchedMs, toldMs } = this.#progress.get(id)!;
    return Math.max(fetchedMs, toldMs) + this.#fetchMs / 2;
  }

  /** The voter is being told of the epoch. */
  told(id: number, nowMs: number): void {
    this.#progress.get(id)!.toldMs = nowMs;
  }

  /** The other voters, those with the longest logs first. */
  successors(): number[] {
    const end = (id: number) => this.#progress.get(id)?.endOffset ?? -1;
    return this.#voters.map(({ id }) => id)
      .sort((a, b) => end(b) - end(a) || a - b);
  }

  #find(key: ReplicaKey): Progress | undefined {
    const isVoter = hasVoter(this.#voters, key);
    return isVoter
      ? this.#progress.get(key.id)
      : this.#observers.get(nameOf(key));
  }

  #observer(key: ReplicaKey, nowMs: number): Progress {
    for (const [name, { contactMs }] of this.#observers) {
      const isSilent = nowMs - contactMs >= OBSERVER_FORGOTTEN_MS;
      if (isSilent) this.#observers.delete(name);
    }
    const progress = unheard(key, nowMs);
    this.#observers.set(nameOf(key), progress);
    return progress;
  }
}

function nameOf({ id, directoryId }: ReplicaKey): string {
  return `${id} ${directoryId}`;
}

function keyOf({ id, directoryId }: ReplicaKey): ReplicaKey {
  return { id, directoryId };
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
