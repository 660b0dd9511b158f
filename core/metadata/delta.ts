/**
 * What changed in the metadata between two looks. Owns the collecting only;
 * whoever takes a delta reads the new values from the image.
 *
 * @module
 */
import type { TopicImage } from "./image.ts";

/** A resource whose configs changed. */
export interface ConfigResource {
  readonly type: number;
  readonly name: string;
}

/** Names of what changed. */
export interface MetadataDelta {
  /** Topics that are gone, as they were. Handle these first. */
  readonly removedTopics: readonly TopicImage[];
  /** Topics that are new. */
  readonly createdTopics: ReadonlySet<string>;
  /** New and changed partitions by topic; topics of `createdTopics` included. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>;
  /** Resources whose configs changed. */
  readonly configs: ReadonlyMap<string, ConfigResource>;
  /** Ids of brokers that came, went or changed. */
  readonly brokers: ReadonlySet<number>;
  /** Whether a finalized feature changed. */
  readonly hasFeatureChanges: boolean;
}

/** A delta in the making. */
export class MutableDelta implements MetadataDelta {
  readonly removedTopics: TopicImage[] = [];
  readonly createdTopics = new Set<string>();
  readonly partitions = new Map<string, Set<number>>();
  readonly configs = new Map<string, ConfigResource>();
  readonly brokers = new Set<number>();
  hasFeatureChanges = false;

  partitionChanged(topic: string, index: number): void {
    const indexes = this.partitions.get(topic);
    if (indexes === undefined) this.partitions.set(topic, new Set([index]));
    else indexes.add(index);
  }

  configChanged(type: number, name: string): void {
    this.configs.set(`${type}:${name}`, { type, name });
  }

  topicRemoved(topic: TopicImage): void {
    this.partitions.delete(topic.name);
    // Created and gone within one look: nobody has seen it.
    if (!this.createdTopics.delete(topic.name)) this.removedTopics.push(topic);
  }
}
