/**
 * The partitions that a consumer holds and where it stands in each. Pure
 * bookkeeping: lookups and fetches are made elsewhere by what is missing here.
 *
 * @module
 */
import { partitionName, type TopicPartition } from "../ids.ts";

/** Where a partition without a position begins. */
export type Reset = "committed" | "earliest" | "latest";

/**
 * One held partition.
 *
 * 1. Either `position` is known or `reset` says how to find it.
 * 2. `version` grows with every seek, so that older fetches are told apart.
 */
export class HeldPartition implements TopicPartition {
  /** Next offset to hand out. */
  position: number | undefined;
  /** How to find the position. */
  reset: Reset | undefined = "committed";
  /** The last position, which a leader found out of range. */
  refused: number | undefined;
  /** Leader epoch of the last record handed out; -1 when unknown. */
  leaderEpoch = -1;
  isPaused = false;
  /** End of what is readable, as of the last fetch; -1 when unknown. */
  readableEnd = -1;
  version = 0;
  /** The follower that the leader named to read from, and for how long. */
  readReplica:
    | { readonly nodeId: number; readonly untilMs: number }
    | undefined;

  constructor(readonly topic: string, readonly partition: number) {}

  /** Moves to an offset. */
  seek(offset: number): void {
    this.position = offset;
    this.reset = undefined;
    this.refused = undefined;
    this.leaderEpoch = -1;
    this.version++;
  }

  /** Forgets the position; it is to be looked up. */
  seekTo(reset: Reset): void {
    this.position = undefined;
    this.reset = reset;
    this.refused = undefined;
    this.version++;
  }

  /** A leader has nothing at the position. */
  refuse(reset: Reset): void {
    const { position } = this;
    this.seekTo(reset);
    this.refused = position;
  }
}

/** All held partitions. */
export class Positions {
  #held = new Map<string, HeldPartition>();

  /** The held partitions. */
  all(): HeldPartition[] {
    return [...this.#held.values()];
  }

  /** One of them. */
  get({ topic, partition }: TopicPartition): HeldPartition | undefined {
    return this.#held.get(partitionName(topic, partition));
  }

  /** Makes `wanted` the held ones; positions of kept ones stay. */
  set(wanted: readonly TopicPartition[]): {
    added: TopicPartition[];
    removed: TopicPartition[];
  } {
    const next = new Map<string, HeldPartition>();
    const added: TopicPartition[] = [];
    for (const { topic, partition } of wanted) {
      const name = partitionName(topic, partition);
      const kept = this.#held.get(name);
      if (!kept) added.push({ topic, partition });
      next.set(name, kept ?? new HeldPartition(topic, partition));
    }
    const removed = this.all().filter((held) =>
      !next.has(partitionName(held.topic, held.partition))
    ).map(({ topic, partition }) => ({ topic, partition }));
    this.#held = next;
    return { added, removed };
  }

  /** Those whose position has to be found by `reset`. */
  lacking(): HeldPartition[] {
    return this.all().filter(({ position }) => position === undefined);
  }
}
