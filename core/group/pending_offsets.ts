/**
 * Offsets that transactions committed and no marker decided about yet. Owns
 * which of them count when their transaction commits; the offsets that count
 * already are the machine's.
 *
 * @module
 */
import type { TopicPartition } from "../ids.ts";
import type { CommittedOffset } from "./inputs.ts";
import type { OffsetCommitKey } from "./records.ts";

interface Pending {
  readonly committed: CommittedOffset;
  /** Later ones have larger numbers. */
  readonly order: number;
  /** Whether a later commit counts already. */
  isOutdated: boolean;
}

/** The offsets of one partition, by producer. */
type Pendings = Map<number, Pending>;

/** An offset that counts from now on. */
export interface DecidedOffset {
  readonly key: OffsetCommitKey;
  readonly committed: CommittedOffset;
}

/**
 * The pending offsets of all groups of one coordinator.
 *
 * Invariants:
 * 1. A producer has at most one offset pending per group and partition.
 * 2. A group without pending offsets has no entry.
 */
export class PendingOffsets {
  readonly #groups = new Map<string, Map<string, Map<number, Pendings>>>();
  /** In which groups each producer has offsets. */
  readonly #groupsOf = new Map<number, Set<string>>();
  #nextOrder = 0;

  /** Whether anything of the group is pending. */
  hasGroup(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  /** Whether the group's offset may change with a transaction's end. */
  has(groupId: string, { topic, partition }: TopicPartition): boolean {
    return this.#of(groupId, { topic, partition }) !== undefined;
  }

  /** Where the group has pending offsets. */
  *partitionsOf(groupId: string): Generator<TopicPartition> {
    for (const [topic, partitions] of this.#groups.get(groupId) ?? []) {
      for (const partition of partitions.keys()) yield { topic, partition };
    }
  }

  /** Groups that have pending offsets. */
  get groupIds(): Iterable<string> {
    return this.#groups.keys();
  }

  /** Keeps an offset until its producer's transaction ends. */
  add(
    producerId: number,
    { group, topic, partition }: OffsetCommitKey,
    committed: CommittedOffset,
  ): void {
    const topics = valueIn(this.#groups, group, () => new Map());
    const partitions = valueIn(topics, topic, () => new Map());
    valueIn(partitions, partition, () => new Map()).set(producerId, {
      committed,
      order: this.#nextOrder++,
      isOutdated: false,
    });
    valueIn(this.#groupsOf, producerId, () => new Set()).add(group);
  }

  /** A commit outside of transactions came later than all that is pending. */
  outdate({ group, topic, partition }: OffsetCommitKey): void {
    const pendings = this.#of(group, { topic, partition });
    for (const each of pendings?.values() ?? []) each.isOutdated = true;
  }

  /** The offset is deleted, and what would have followed it. */
  forget({ group, topic, partition }: OffsetCommitKey): void {
    const pendings = this.#of(group, { topic, partition });
    for (const producerId of [...pendings?.keys() ?? []]) {
      this.#remove(producerId, { group, topic, partition });
    }
  }

  /** The producer's transaction is over: what counts from now on. */
  end(
    { producerId, committed }: {
      readonly producerId: number;
      readonly committed: boolean;
    },
  ): DecidedOffset[] {
    const decided: DecidedOffset[] = [];
    for (const group of this.#groupsOf.get(producerId) ?? []) {
      for (const at of [...this.partitionsOf(group)]) {
        const pendings = this.#of(group, at)!;
        const ended = pendings.get(producerId);
        if (ended === undefined) continue;
        const key = { group, ...at };
        this.#remove(producerId, key);
        if (!committed || ended.isOutdated) continue;
        decided.push({ key, committed: ended.committed });
        for (const other of pendings.values()) {
          if (other.order < ended.order) other.isOutdated = true;
        }
      }
    }
    this.#groupsOf.delete(producerId);
    return decided;
  }

  #of(
    groupId: string,
    { topic, partition }: TopicPartition,
  ): Pendings | undefined {
    return this.#groups.get(groupId)?.get(topic)?.get(partition);
  }

  #remove(
    producerId: number,
    { group, topic, partition }: OffsetCommitKey,
  ): void {
    const topics = this.#groups.get(group)!;
    const partitions = topics.get(topic)!;
    const pendings = partitions.get(partition)!;
    pendings.delete(producerId);
    if (pendings.size === 0) partitions.delete(partition);
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.#groups.delete(group);
  }
}

function valueIn<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, value = create());
  return value;
}
