/**
 * The partitions that this broker hosts, by name and by topic id. Owns the
 * look-up only; opening and deleting logs is the composition's business.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { invariant } from "../invariant.ts";

/** What the table needs to know of its entries. */
interface Entry {
  readonly topic: string;
  readonly index: number;
  readonly topicId: Uuid;
}

/**
 * Partitions of one broker.
 *
 * Invariants:
 * 1. An entry is found by name and by id, or by neither.
 */
export class PartitionTable<P extends Entry> {
  readonly #byName = new Map<string, P[]>();
  readonly #byId = new Map<Uuid, P[]>();

  /** The partition `index` of the topic called `topic`. */
  get(topic: string, index: number): P | undefined {
    return this.#byName.get(topic)?.[index];
  }

  /** The partition `index` of the topic with `id`. */
  getById(id: Uuid, index: number): P | undefined {
    return this.#byId.get(id)?.[index];
  }

  /** Whether any partition of `topic` is here. */
  hasTopic(topic: string): boolean {
    return this.#byName.has(topic);
  }

  /** The partitions of `topic` that are here. */
  ofTopic(topic: string): P[] {
    return Object.values(this.#byName.get(topic) ?? []);
  }

  add(partition: P): void {
    const { topic, index, topicId } = partition;
    invariant(!this.get(topic, index), `${topic}-${index} is hosted once`);
    let list = this.#byName.get(topic);
    if (list === undefined) {
      this.#byName.set(topic, list = []);
      this.#byId.set(topicId, list);
    }
    list[index] = partition;
  }

  /** Forgets one partition. */
  remove({ topic, index, topicId }: P): void {
    const list = this.#byName.get(topic);
    if (list === undefined) return;
    delete list[index];
    if (Object.keys(list).length > 0) return;
    this.#byName.delete(topic);
    this.#byId.delete(topicId);
  }

  /** Forgets all partitions of `topic` and returns them. */
  removeTopic(topic: string): P[] {
    const removed = this.ofTopic(topic);
    this.#byName.delete(topic);
    for (const { topicId } of removed) this.#byId.delete(topicId);
    return removed;
  }

  *all(): Generator<P> {
    for (const list of this.#byName.values()) yield* Object.values(list);
  }
}
