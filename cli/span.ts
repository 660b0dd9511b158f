/**
 * From where to where partitions are read: seeks to the start that was asked
 * for, takes down the ends, and knows when all of them are reached. It
 * never prints or commits.
 *
 * @module
 */
import type {
  ConsumedBatch,
  Consumer,
  OffsetAtTime,
  TopicPartition,
} from "../net/client.ts";
import { UsageError } from "./failure.ts";
import { wallMs } from "./terminal.ts";
import type { Start } from "./units.ts";

/**
 * The ends of the partitions held.
 *
 * 1. An end, once taken down, stays: later records are not awaited.
 * 2. Without `-e` and `--to` there are no ends, and nothing is ever done.
 */
export class Span {
  readonly #consumer: Consumer;
  readonly #isEndedAtEnd: boolean;
  readonly #to: Start | undefined;
  readonly #ends = new Map<string, number>();
  readonly #held = new Map<string, TopicPartition>();
  #hasAssignment = false;

  constructor(
    consumer: Consumer,
    options: { isEndedAtEnd: boolean; to: Start | undefined },
  ) {
    this.#consumer = consumer;
    this.#isEndedAtEnd = options.isEndedAtEnd;
    this.#to = options.to;
    const kind = options.to?.kind;
    if (kind === "time" || kind === "offset" || kind === undefined) return;
    throw new UsageError("Cannot use this --to: write N or @time");
  }

  /** Moves partitions to where reading begins. */
  async seek(partitions: TopicPartition[], start: Start): Promise<void> {
    for (const { at, offset } of await this.#starts(partitions, start)) {
      this.#consumer.seek(at, offset);
    }
  }

  /**
   * Moves partitions to so many offsets before their ends; whether all of them
   * begin at their first record then.
   */
  async seekBack(
    partitions: TopicPartition[],
    count: number,
  ): Promise<boolean> {
    const firsts = await this.#consumer.beginningOffsets(partitions);
    let isAll = true;
    for (const { offset: first, ...at } of firsts) {
      const end = this.#ends.get(keyOf(at)) ?? first;
      const { topic, partition } = at;
      this.#consumer.seek({ topic, partition }, Math.max(first, end - count));
      if (end - count > first) isAll = false;
    }
    return isAll;
  }

  /** Partitions that came: takes down their ends. */
  async assigned(partitions: readonly TopicPartition[]): Promise<void> {
    this.#hasAssignment = true;
    for (const at of partitions) this.#held.set(keyOf(at), at);
    const fresh = partitions.filter((at) => !this.#ends.has(keyOf(at)));
    if (fresh.length === 0) return;
    if (this.#isEndedAtEnd) this.#lower(await this.#endOffsets(fresh));
    const to = this.#to;
    if (to?.kind === "offset") {
      this.#lower(fresh.map((at) => ({ ...at, offset: to.offset })));
    } else if (to?.kind === "time") {
      this.#lower(await this.#offsetsAt(fresh, to.timestampMs));
    }
  }

  /** Partitions that went. */
  revoked(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#held.delete(keyOf(at));
    // Others come, or the consumer says that there is nothing for it.
    if (this.#held.size === 0) this.#hasAssignment = false;
  }

  /** The offset that records of `batch` must lie below. */
  endOf(batch: ConsumedBatch): number {
    return this.#ends.get(keyOf(batch)) ?? Infinity;
  }

  /** Whether it ends by itself, and waits to be told what to read. */
  get lacksAssignment(): boolean {
    return this.#isEnding && !this.#hasAssignment;
  }

  get #isEnding(): boolean {
    return this.#isEndedAtEnd || this.#to !== undefined;
  }

  /** Whether every partition held has been read to its end. */
  async isDone(): Promise<boolean> {
    if (!this.#hasAssignment || !this.#isEnding) return false;
    for (const at of this.#held.values()) {
      if (await this.#isUnread(at)) return false;
    }
    return true;
  }

  /** Those of `partitions` that have not been read to their end. */
  async unread(partitions: TopicPartition[]): Promise<TopicPartition[]> {
    const unread = [];
    for (const at of partitions) {
      if (await this.#isUnread(at)) unread.push(at);
    }
    return unread;
  }

  async #isUnread(at: TopicPartition): Promise<boolean> {
    const end = this.#ends.get(keyOf(at)) ?? Infinity;
    return await this.#consumer.position(at) < end;
  }

  #lower(ends: readonly (TopicPartition & { offset: number })[]): void {
    for (const at of ends) {
      const key = keyOf(at);
      this.#ends.set(key, Math.min(at.offset, this.#ends.get(key) ?? Infinity));
    }
  }

  #endOffsets(partitions: readonly TopicPartition[]): Promise<OffsetAtTime[]> {
    return this.#consumer.endOffsets(partitions);
  }

  /** The first offsets at or after a time; ends where there is none yet. */
  async #offsetsAt(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<OffsetAtTime[]> {
    if (this.#to?.kind === "time" && timestampMs > wallMs()) {
      throw new UsageError("Cannot read --to a time that has not come yet");
    }
    const found = await this.#consumer.offsetsForTimes(partitions, timestampMs);
    const ends = new Map(
      (await this.#endOffsets(partitions)).map((at) => [keyOf(at), at]),
    );
    return found.map((at) => at.offset >= 0 ? at : ends.get(keyOf(at)) ?? at);
  }

  async #starts(partitions: TopicPartition[], start: Start) {
    if (start.kind === "start") {
      return partitions.map((at) => ({ at, offset: "earliest" as const }));
    }
    if (start.kind === "end") {
      return partitions.map((at) => ({ at, offset: "latest" as const }));
    }
    if (start.kind === "time") {
      const found = await this.#offsetsAt(partitions, start.timestampMs);
      return found.map((at) => ({ at, offset: at.offset }));
    }
    const firsts = new Map(
      (await this.#consumer.beginningOffsets(partitions)).map((
        at,
      ) => [keyOf(at), at.offset]),
    );
    const ends = await this.#endOffsets(partitions);
    return ends.map((at) => {
      const first = firsts.get(keyOf(at)) ?? 0;
      const wanted = start.kind === "offset"
        ? start.offset
        : at.offset - start.count;
      return { at, offset: Math.min(at.offset, Math.max(first, wanted)) };
    });
  }
}

function keyOf(at: TopicPartition): string {
  return `${at.topic}-${at.partition}`;
}
