/**
 * Finds where a consumer reads on: what its group has committed, or an offset that
 * the partition's leader names. Owns the requests and what is made of the answers;
 * a partition whose leader can't be asked must never hold up another. When it is
 * tried again is the consumer's business.
 *
 * @module
 */
import type {
  HeldPartition,
  Positions,
  Reset,
} from "../../core/client/positions.ts";
import type { ConsumerValues } from "../../core/config/client_keys.ts";
import { KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import { type Cluster, isTransient } from "./cluster.ts";
import { ConsumerGroupMember } from "./consumer_group_member.ts";
import type { GroupMember } from "./group_member.ts";
import {
  AT_EARLIEST,
  AT_LATEST,
  type EpochEnd,
  epochEnds,
  fetchCommitted,
  listOffsets,
  throwFirst,
} from "./offsets.ts";
import type { ListedOffset } from "./admin_types.ts";
import type { CommittedOffset, OffsetAtTime } from "./types.ts";

/** What goes on while nobody can say where to read. */
export const LOOKUP_EVENT = "Cannot find where to read";

type Member = GroupMember | ConsumerGroupMember;

/** Looks up the positions that held partitions lack. */
export class PositionFinder {
  readonly #cluster: Cluster;
  readonly #positions: Positions;
  readonly #values: ConsumerValues;
  readonly #onFound: () => void;

  constructor(
    cluster: Cluster,
    { positions, values, onFound }: {
      readonly positions: Positions;
      readonly values: ConsumerValues;
      /** Some have theirs, while others are still asked for. */
      readonly onFound: () => void;
    },
  ) {
    this.#cluster = cluster;
    this.#positions = positions;
    this.#values = values;
    this.#onFound = onFound;
  }

  /** Finds as many as can be found now; then throws why the others can't. */
  async find(member: Member | undefined): Promise<void> {
    const lacking = this.#positions.lacking();
    const versions = new Map(lacking.map((held) => [held, held.version]));
    const isUnmoved = (held: HeldPartition) =>
      versions.get(held) === held.version;
    const committed = lacking.filter(({ reset }) => reset === "committed");
    const toReset = lacking.filter(({ reset }) => reset !== "committed");
    const offsets = member && committed.length > 0
      ? await this.committed(member, committed)
      : [];
    for (const held of committed) {
      const found = offsets.find((o) =>
        o.topic === held.topic && o.partition === held.partition
      );
      if (!isUnmoved(held)) continue;
      if (found && found.offset >= 0) {
        held.seek(found.offset);
        held.leaderEpoch = found.leaderEpoch ?? -1;
      } else toReset.push(held);
    }
    const byReset = Map.groupBy(
      toReset.filter(isUnmoved),
      (held) => this.#policy(held),
    );
    const doubted = new Map<HeldPartition, number>();
    const take = (listed: readonly ListedOffset[], reset: Reset) => {
      for (const { topic, partition, offset, error } of listed) {
        const held = this.#positions.get({ topic, partition });
        if (error || !held || !versions.has(held) || !isUnmoved(held)) continue;
        const { refused = -1, leaderEpoch } = held;
        const isDoubted = reset === "earliest" && offset < refused &&
          leaderEpoch >= 0;
        if (isDoubted) doubted.set(held, offset);
        else held.seek(offset);
      }
      this.#onFound();
    };
    const all = await Promise.all([...byReset].map(([reset, group]) => {
      const timestamp = reset === "earliest" ? AT_EARLIEST : AT_LATEST;
      return this.#ask(group, timestamp, (listed) => take(listed, reset));
    }));
    const ends = await this.#judge(doubted, isUnmoved);
    throwFirst([...all.flat(), ...ends]);
  }

  /**
   * Who refused a position leads no more if the leader begins before it: where
   * that one has all that was read, reading goes on. Else it was beyond the end,
   * and begins with what is first.
   */
  async #judge(
    doubted: ReadonlyMap<HeldPartition, number>,
    isUnmoved: (held: HeldPartition) => boolean,
  ): Promise<EpochEnd[]> {
    if (doubted.size === 0) return [];
    const ends = await epochEnds(this.#cluster, [...doubted.keys()]);
    const unclear: EpochEnd[] = [];
    for (const end of ends) {
      const held = this.#positions.get(end);
      const earliest = held && doubted.get(held);
      if (earliest === undefined || !isUnmoved(held!)) continue;
      const { refused = -1, leaderEpoch } = held!;
      if (end.error && isTransient(end.error)) {
        unclear.push(end);
      } else if (end.endOffset >= refused) {
        held!.seek(refused);
        held!.leaderEpoch = leaderEpoch;
      } else held!.seek(earliest);
    }
    await this.#refresh(unclear);
    this.#onFound();
    return unclear;
  }

  /** Offsets at `timestamp`, in the order asked; tries until all are there. */
  list(
    partitions: readonly TopicPartition[],
    timestamp: number,
  ): Promise<OffsetAtTime[]> {
    return this.#cluster.retrying(
      this.#values["default.api.timeout.ms"],
      async () => {
        const listed = await this.#ask(partitions, timestamp);
        this.#told(listed);
        throwFirst(listed);
        return listed.map(({ topic, partition, offset, timestamp }) => ({
          topic,
          partition,
          offset,
          timestamp,
        }));
      },
    );
  }

  /** What the group has committed; −1 where it has not. */
  async committed(
    member: Member,
    partitions: readonly TopicPartition[],
  ): Promise<CommittedOffset[]> {
    try {
      const found = await fetchCommitted(
        this.#cluster,
        await member.coordinator(),
        {
          groupId: member.committer.groupId,
          partitions,
          isStable: true,
          ...(member instanceof ConsumerGroupMember
            ? { reader: member.reader }
            : {}),
        },
      );
      throwFirst(found);
      return found;
    } catch (error) {
      if (error instanceof KafkaError) member.noteError(error);
      throw error;
    }
  }

  #told(listed: readonly ListedOffset[]): void {
    const error = listed.find(({ error }) => error && isTransient(error))
      ?.error;
    if (error) this.#cluster.failing(LOOKUP_EVENT, error);
    else this.#cluster.recovered(LOOKUP_EVENT);
  }

  #policy(held: HeldPartition): Reset {
    if (held.reset === "earliest" || held.reset === "latest") return held.reset;
    const policy = this.#values["auto.offset.reset"];
    if (policy !== "none") return policy;
    throw new KafkaError(
      "OFFSET_OUT_OF_RANGE",
      `No committed offset for ${
        partitionName(held.topic, held.partition)
      } and auto.offset.reset is none`,
    );
  }

  async #ask(
    partitions: readonly TopicPartition[],
    timestamp: number,
    onAnswer?: (listed: readonly ListedOffset[]) => void,
  ): Promise<ListedOffset[]> {
    const listed = await listOffsets(this.#cluster, partitions, {
      timestamp,
      isCommitted: this.#values["isolation.level"] === "read_committed",
      onAnswer,
    });
    await this.#refresh(listed.filter(({ error }) => error !== undefined));
    return listed;
  }

  async #refresh(unclear: readonly TopicPartition[]): Promise<void> {
    if (unclear.length === 0) return;
    await this.#cluster.refresh(unclear.map(({ topic }) => topic));
  }
}
