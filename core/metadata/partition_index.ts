/**
 * Which partitions a broker holds, and which nobody leads: so that a broker's
 * death costs what it held, not what there is. Owns the index only; the image
 * keeps it in step.
 *
 * @module
 */
import type { PartitionImage, TopicImage } from "./image.ts";

/** One partition, found where its topic is. */
export interface PartitionPlace {
  readonly topic: TopicImage;
  readonly index: number;
}

type Places = Map<TopicImage, Set<number>>;

/**
 * Partitions by replica, and those without leader.
 *
 * Invariants:
 * 1. A partition stands under each of its replicas, and under nobody else.
 * 2. It is leaderless here exactly when its leader is −1.
 */
export class PartitionIndex {
  readonly #byReplica = new Map<number, Places>();
  readonly #leaderless: Places = new Map();

  /** The partition is now `after`; undefined: there is none any more. */
  change(
    topic: TopicImage,
    index: number,
    { before, after }: {
      readonly before: PartitionImage | undefined;
      readonly after: PartitionImage | undefined;
    },
  ): void {
    if (before?.replicas !== after?.replicas) {
      for (const id of before?.replicas ?? []) {
        remove(this.#placesOf(id), topic, index);
      }
      for (const id of after?.replicas ?? []) {
        add(this.#placesOf(id), topic, index);
      }
    }
    if (after?.leader === -1) add(this.#leaderless, topic, index);
    else if (before?.leader === -1) remove(this.#leaderless, topic, index);
  }

  /** The partitions that have `id` among their replicas. */
  heldBy(id: number): Iterable<PartitionPlace> {
    return placesIn(this.#byReplica.get(id));
  }

  /** The partitions that nobody leads. */
  leaderless(): Iterable<PartitionPlace> {
    return placesIn(this.#leaderless);
  }

  #placesOf(id: number): Places {
    const found = this.#byReplica.get(id);
    if (found !== undefined) return found;
    const made: Places = new Map();
    this.#byReplica.set(id, made);
    return made;
  }
}

function add(places: Places, topic: TopicImage, index: number): void {
  const indexes = places.get(topic);
  if (indexes === undefined) places.set(topic, new Set([index]));
  else indexes.add(index);
}

function remove(places: Places, topic: TopicImage, index: number): void {
  const indexes = places.get(topic);
  indexes?.delete(index);
  if (indexes?.size === 0) places.delete(topic);
}

function* placesIn(places: Places | undefined): Generator<PartitionPlace> {
  if (places === undefined) return;
  for (const [topic, indexes] of places) {
    for (const index of indexes) yield { topic, index };
  }
}
