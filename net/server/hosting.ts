/**
 * Keeps the hosted partitions in step with the metadata: opens, widens,
 * reconfigures and deletes logs as the image changes. Owns the table of
 * partitions; changes flow from the metadata here and never back.
 *
 * @module
 */
import {
  type BrokerConfig,
  resolveTopicConfig,
  type TopicConfig,
} from "../../core/config/resolve.ts";
import type { Env, TraceLevel } from "../../core/env/env.ts";
import type { LogFolder } from "../../core/log/log_folder.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import {
  type MetadataImage,
  RESOURCE_TYPE,
  type TopicImage,
} from "../../core/metadata/image.ts";
import { Partition } from "../../core/partition/partition.ts";
import { PartitionTable } from "../../core/partition/partition_table.ts";
import { HostedPartition } from "./hosted_partition.ts";
import { Traffic } from "./stats.ts";
import type { Turn } from "./turn.ts";

/** How long opening logs may keep everybody else waiting. */
const BUSY_MS_MAX = 50;

/** What {@linkcode Hosting} is made of. */
export interface HostingOptions {
  readonly env: Env;
  readonly turn: Turn;
  readonly nodeId: number;
  readonly folder: LogFolder;
  readonly image: MetadataImage;
  readonly config: () => BrokerConfig;
  /** What is counted of all topics. */
  readonly traffic: Traffic;
}

/**
 * The partitions of this broker.
 *
 * Invariants:
 * 1. A partition is in the table exactly while its log is open.
 * 2. What is ours and not in the table is in `#unopened`, and tried again.
 */
export class Hosting {
  readonly partitions = new PartitionTable<HostedPartition>();
  readonly #options: HostingOptions;
  /** Partitions whose log the disk refused, by topic. */
  readonly #unopened = new Map<string, Set<number>>();
  /** What is counted of each topic. */
  readonly #traffic = new Map<string, Traffic>();
  #onTopicsRemoved: ((topics: readonly string[]) => void) | undefined;

  constructor(options: HostingOptions) {
    this.#options = options;
  }

  /** Calls `fn` with the names of topics that are gone. */
  onTopicsRemoved(fn: (topics: readonly string[]) => void): void {
    this.#onTopicsRemoved = fn;
  }

  /** What was counted of each topic that is hosted. */
  get traffic(): ReadonlyMap<string, Traffic> {
    return this.#traffic;
  }

  /** Partitions of ours that the disk refuses or has failed. */
  get offlineCount(): number {
    let count = 0;
    for (const indexes of this.#unopened.values()) count += indexes.size;
    for (const { partition } of this.partitions.all()) {
      if (partition.log.isOffline) count++;
    }
    return count;
  }

  /** The config of a topic's logs as it counts now. */
  topicConfig(topic: string): TopicConfig {
    const { image, config } = this.#options;
    const texts = image.configs(RESOURCE_TYPE.TOPIC, topic);
    return resolveTopicConfig(texts, config());
  }

  /**
   * Hosts everything of the image that is ours: once, at the start. Recovery
   * may take long: others get a turn now and then, and `onProgress` is called.
   */
  async hostAll(onProgress: (done: number) => void): Promise<void> {
    const { image, folder, env: { clock } } = this.#options;
    let done = 0;
    let sinceMs = clock.monoMs();
    for (const topic of image.topics.values()) {
      for (const index of topic.partitions.keys()) {
        this.#host(topic, index);
        done++;
        if (clock.monoMs() - sinceMs < BUSY_MS_MAX) continue;
        onProgress(done);
        await clock.sleep(0);
        sinceMs = clock.monoMs();
      }
    }
    folder.removeStrays((topic, index) =>
      this.partitions.get(topic, index) !== undefined
    );
  }

  /** Follows what changed. */
  apply(delta: MetadataDelta): void {
    const { image } = this.#options;
    const removed = delta.removedTopics.map(({ name }) => name);
    for (const name of removed) this.#remove(name);
    if (removed.length > 0) this.#onTopicsRemoved?.(removed);
    for (const [name, indexes] of delta.partitions) {
      const topic = image.topic(name);
      if (topic === undefined) continue;
      for (const index of indexes) this.#tryHost(topic, index, "error");
    }
    this.#reconfigure(delta);
  }

  /** Tries again to open what the disk refused. */
  retryUnopened(): void {
    for (const [name, indexes] of this.#unopened) {
      const topic = this.#options.image.topic(name);
      this.#unopened.delete(name);
      if (topic === undefined) continue;
      for (const index of indexes) this.#tryHost(topic, index, "debug");
    }
  }

  /** Deletes what is too old or too much, and forgets silent producers. */
  applyRetention(nowMs: number): void {
    const expirationMs = this.#options.config()["producer.id.expiration.ms"];
    for (const { partition } of this.partitions.all()) {
      const { log, highWatermark } = partition;
      try {
        log.applyRetention({ nowMs, highWatermark });
      } catch (error) {
        const { trace } = this.#options.env;
        trace("error", `Cannot apply retention to ${log.name}`, { error });
      }
      log.expireProducers(nowMs, expirationMs);
      log.releaseIdle();
    }
  }

  /** High watermarks for the checkpoint. */
  highWatermarks(): Map<string, number> {
    const marks = new Map<string, number>();
    for (const { partition } of this.partitions.all()) {
      marks.set(partition.name, partition.highWatermark);
    }
    return marks;
  }

  /** A disk that refuses one partition's log must not stop the metadata. */
  #tryHost(topic: TopicImage, index: number, level: TraceLevel): void {
    try {
      this.#host(topic, index);
    } catch (error) {
      const { name } = topic;
      const waiting = this.#unopened.get(name) ?? new Set();
      this.#unopened.set(name, waiting.add(index));
      this.#options.env.trace(level, "A partition could not be opened", {
        partition: `${name}-${index}`,
        error,
      });
    }
  }

  #host(topic: TopicImage, index: number): void {
    const { env, turn, nodeId, folder } = this.#options;
    const { replicas, isr, leaderEpoch } = topic.partitions[index]!;
    if (!replicas.includes(nodeId)) return;
    const known = this.partitions.get(topic.name, index);
    if (known !== undefined) {
      known.partition.update({ leaderEpoch, replicas, isr });
      return;
    }
    const config = this.topicConfig(topic.name);
    const log = folder.openLog({
      topic: topic.name,
      partition: index,
      topicId: topic.id,
      config,
    });
    const partition = new Partition({
      log,
      topicId: topic.id,
      config,
      replicas,
      isr,
      leaderEpoch,
      highWatermark: folder.highWatermark(topic.name, index),
    });
    const traffic = this.#trafficOf(topic.name);
    this.partitions.add(
      new HostedPartition(partition, { turn, trace: env.trace, traffic }),
    );
  }

  #trafficOf(topic: string): Traffic {
    let traffic = this.#traffic.get(topic);
    if (traffic === undefined) {
      traffic = new Traffic(this.#options.traffic);
      this.#traffic.set(topic, traffic);
    }
    return traffic;
  }

  #remove(topic: string): void {
    this.#traffic.delete(topic);
    for (const hosted of this.partitions.removeTopic(topic)) {
      hosted.retire();
      this.#delete(topic, hosted.index);
    }
  }

  #delete(topic: string, index: number): void {
    const { env, folder } = this.#options;
    env.tasks.spawn(
      `delete ${topic}-${index}`,
      () => folder.deleteLog(topic, index),
    );
  }

  #reconfigure(delta: MetadataDelta): void {
    const topics = new Set<string>();
    let isEverything = false;
    for (const { type, name } of delta.configs.values()) {
      if (type === RESOURCE_TYPE.TOPIC) topics.add(name);
      if (type === RESOURCE_TYPE.BROKER) isEverything = true;
    }
    for (const hosted of this.partitions.all()) {
      if (isEverything || topics.has(hosted.topic)) {
        hosted.partition.reconfigure(this.topicConfig(hosted.topic));
      }
    }
  }
}
