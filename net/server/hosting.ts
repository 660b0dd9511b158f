/**
 * Keeps the hosted partitions in step with the metadata: opens, widens,
 * reconfigures and deletes logs as the image changes. Owns the table of
 * partitions; changes flow from the metadata here and never back.
 *
 * @module
 */
import {
  type BrokerConfig,
  storedTopicConfig,
  type TopicConfig,
} from "../../core/config/resolve.ts";
import type { Env, TraceLevel } from "../../core/env/env.ts";
import type { Log } from "../../core/log/log.ts";
import type { LogFolder, LogPlace } from "../../core/log/log_folder.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import {
  type MetadataImage,
  RESOURCE_TYPE,
  type TopicImage,
} from "../../core/metadata/image.ts";
import { Partition, type ReplicaHost } from "../../core/partition/partition.ts";
import { PartitionTable } from "../../core/partition/partition_table.ts";
import {
  ReplicationQuota,
  type ReplicationQuotas,
} from "../../core/partition/replication_quota.ts";
import type { Place } from "../metadata/directory_assigner.ts";
import { HostedPartition, type ReplicationEvents } from "./hosted_partition.ts";
import { type ReplicationStats, Traffic } from "./stats.ts";
import type { Turn } from "./turn.ts";

/** How long opening logs, or retention, may keep everybody else waiting. */
const BUSY_MS_MAX = 50;
/** As many are opened at once however long it takes: an internal topic is whole. */
const AT_ONCE = 64;
const NOTHING: readonly HostedPartition[] = [];
/** How often operators are told how far a start is. */
const PROGRESS_MS = 5_000;

/** A partition of the metadata. */
interface PartitionRef {
  readonly topic: TopicImage;
  readonly index: number;
}

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
  readonly replicated: ReplicationStats;
}

/**
 * The partitions of this broker.
 *
 * Invariants:
 * 1. A partition is in the table exactly while its log is open.
 * 2. What is ours and not in the table is in `#waiting` for its turn, or in
 *    `#unopened` and tried again; at the start one of them is being scanned.
 */
export class Hosting {
  readonly partitions = new PartitionTable<HostedPartition>();
  readonly #options: HostingOptions;
  /** Partitions whose log the disk refused, by topic. */
  readonly #unopened = new Map<string, Set<number>>();
  /** Partitions that are opened as soon as others had a turn. */
  #waiting: PartitionRef[] = [];
  #isOpening = false;
  /** Whether what waits is scanned in steps, one after the other. */
  #isStarting = false;
  #isStopped = false;
  /** What is counted of each topic. */
  readonly #traffic = new Map<string, Traffic>();
  readonly #host: ReplicaHost;
  readonly #quotas: ReplicationQuotas;
  #events: ReplicationEvents = { onProposal: () => {}, onFollowed: () => {} };
  #onRolesChanged: ((changed: readonly HostedPartition[]) => void) | undefined;
  #onTopicsRemoved: ((topics: readonly string[]) => void) | undefined;

  constructor(options: HostingOptions) {
    this.#options = options;
    this.#host = replicaHost(options);
    this.#quotas = replicationQuotas(options);
  }

  /** Calls `fn` with the names of topics that are gone. */
  onTopicsRemoved(fn: (topics: readonly string[]) => void): void {
    this.#onTopicsRemoved = fn;
  }

  /** Calls `fn` with partitions that may have another leader, or be gone. */
  onRolesChanged(fn: (changed: readonly HostedPartition[]) => void): void {
    this.#onRolesChanged = fn;
  }

  /** Tells `events` what partitions need of other brokers. */
  replicateBy(events: ReplicationEvents): void {
    this.#events = events;
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

  /** Every partition whose log is open. */
  *openPartitions(): Generator<Partition> {
    for (const { partition } of this.partitions.all()) yield partition;
  }

  /** The config of a topic's logs as it counts now. */
  topicConfig(topic: string): TopicConfig {
    const { image, config } = this.#options;
    const texts = image.configs(RESOURCE_TYPE.TOPIC, topic);
    return storedTopicConfig(texts, config());
  }

  /**
   * Hosts everything of the image that is ours: once, at the start. Recovery
   * may take long: others get a turn now and then, and `onProgress` is called.
   */
  async hostAll(onProgress: (progress: string) => void): Promise<void> {
    const { image, folder, env: { clock, trace } } = this.#options;
    this.#isStarting = true;
    for (const topic of image.topics.values()) {
      for (const index of topic.partitions.keys()) {
        this.#waiting.push({ topic, index });
      }
    }
    let done = 0;
    let scannedBytes = 0;
    let sinceMs = clock.monoMs();
    let toldMs = sinceMs;
    const pace = (bytes: number): Promise<void> | undefined => {
      scannedBytes += bytes;
      const nowMs = clock.monoMs();
      if (nowMs - sinceMs < BUSY_MS_MAX) return undefined;
      sinceMs = nowMs;
      const all = done + this.#waiting.length;
      const progress = `${done} of ${all} partitions are opened`;
      onProgress(progress);
      if (nowMs - toldMs >= PROGRESS_MS) {
        toldMs = nowMs;
        trace("info", `The broker starts: ${progress}`, { scannedBytes });
      }
      return clock.sleep(0);
    };
    // The metadata may change meanwhile: what comes has its turn, too.
    for (let ref; (ref = this.#waiting[0]) !== undefined;) {
      await this.#openLater(ref, pace);
      this.#waiting.shift();
      done++;
      await pace(0);
    }
    folder.traceRecovery();
    folder.clearStrays((topic, index) =>
      this.partitions.get(topic, index) !== undefined
    );
    await this.#settleAll(onProgress);
    this.#isStarting = false;
    this.#hostWaiting();
  }

  /**
   * What readers were shown before a crash counts again once it is flushed:
   * they must not see a high watermark below.
   */
  async #settleAll(onProgress: (progress: string) => void): Promise<void> {
    const logs = Array.from(this.openPartitions(), ({ log }) => log)
      .filter(({ settledOffset, logEndOffset }) =>
        settledOffset < logEndOffset
      );
    if (logs.length === 0) return;
    onProgress(`${logs.length} logs that a crash left are flushed`);
    // A log that the disk fails is offline, and the others are served.
    await Promise.all(logs.map((log) => log.idle()));
  }

  /** The metadata may change during a long scan; what it became counts. */
  async #openLater(
    { topic: { name }, index }: PartitionRef,
    pace: (bytes: number) => Promise<void> | undefined,
  ): Promise<void> {
    const { image, folder } = this.#options;
    const topic = image.topic(name);
    if (topic?.partitions[index] === undefined) return;
    const place = this.#placeOf(topic, index);
    if (place === undefined) return;
    const log = await folder.openLogLater(place, pace);
    const now = image.topic(name);
    if (now !== undefined && this.#isOurs(now, index)) {
      if (now.id === place.topicId) {
        log.reconfigure(this.topicConfig(name));
        return this.#add(now, log);
      }
      this.#waiting.push({ topic: now, index });
    }
    this.#delete(name, index);
  }

  #isOurs({ partitions }: TopicImage, index: number): boolean {
    const { nodeId } = this.#options;
    return partitions[index]?.replicas.includes(nodeId) ?? false;
  }

  /** Opens nothing more of what waits. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Follows what changed. */
  apply(delta: MetadataDelta): void {
    const { image } = this.#options;
    const removed = delta.removedTopics.map(({ name }) => name);
    for (const name of removed) this.#remove(name);
    if (removed.length > 0) this.#onTopicsRemoved?.(removed);
    const changed: PartitionRef[] = [];
    for (const [name, indexes] of delta.partitions) {
      const topic = image.topic(name);
      if (topic === undefined) continue;
      for (const index of indexes) changed.push({ topic, index });
    }
    this.#follow(changed);
    this.#reconfigure(delta);
  }

  /** First what moved away, then what is led here, then what others lead. */
  #follow(changed: readonly PartitionRef[]): void {
    const { nodeId } = this.#options;
    const isOurs = ({ topic, index }: PartitionRef) =>
      this.#isOurs(topic, index);
    const isLed = ({ topic, index }: PartitionRef) =>
      topic.partitions[index]!.leader === nodeId;
    const gone = changed.filter((each) => !isOurs(each))
      .flatMap((each) => this.#moveAway(each));
    const ours = changed.filter(isOurs);
    const inOrder = [
      ...ours.filter(isLed),
      ...ours.filter((each) => !isLed(each)),
    ];
    const here = this.#hostSome(inOrder);
    this.#onRolesChanged?.([...gone, ...here]);
    this.#hostWaiting();
  }

  /** Hosts as many as may be opened at once; the rest waits. Gives those here. */
  #hostSome(refs: readonly PartitionRef[]): HostedPartition[] {
    const { env: { clock } } = this.#options;
    const sinceMs = clock.monoMs();
    let count = 0;
    return refs.flatMap((ref) => {
      const { topic: { name }, index } = ref;
      const isOpen = this.partitions.get(name, index) !== undefined;
      const isBusy = () =>
        ++count > AT_ONCE && clock.monoMs() - sinceMs >= BUSY_MS_MAX;
      if (!isOpen && (this.#isStarting || isBusy())) {
        this.#waiting.push(ref);
        return NOTHING;
      }
      // It may have been deleted, or have gone, since it began to wait.
      const topic = this.#options.image.topic(name);
      if (topic?.partitions[index] === undefined) return NOTHING;
      this.#tryHost(topic, index, "error");
      return this.partitions.get(name, index) ?? NOTHING;
    });
  }

  #hostWaiting(): void {
    if (this.#isStarting || this.#isOpening) return;
    if (this.#waiting.length === 0) return;
    this.#isOpening = true;
    const { clock, tasks } = this.#options.env;
    tasks.spawn("open partitions", async () => {
      while (this.#waiting.length > 0) {
        await clock.sleep(0);
        if (this.#isStopped) return;
        const refs = this.#waiting;
        this.#waiting = [];
        const here = this.#hostSome(refs);
        this.#onRolesChanged?.(here);
      }
      this.#isOpening = false;
    });
  }

  /** Other brokers have the partition now: what is here of it goes. */
  #moveAway({ topic, index }: PartitionRef): HostedPartition[] {
    const hosted = this.partitions.get(topic.name, index);
    if (hosted === undefined) return [];
    this.partitions.remove(hosted);
    hosted.retire("moved");
    this.#delete(topic.name, index);
    return [hosted];
  }

  /** Tries again to open what the disk refused. */
  retryUnopened(): void {
    // A copy: what is refused again comes back behind the others.
    for (const [name, indexes] of [...this.#unopened]) {
      const topic = this.#options.image.topic(name);
      this.#unopened.delete(name);
      if (topic === undefined) continue;
      for (const index of indexes) {
        this.#tryHost(topic, index, "debug");
        const hosted = this.partitions.get(name, index);
        if (hosted !== undefined) this.#onRolesChanged?.([hosted]);
      }
    }
  }

  /**
   * Deletes what is too old or too much, and forgets silent producers; others
   * get a turn now and then.
   */
  async applyRetention(nowMs: number): Promise<void> {
    const { config, env: { clock } } = this.#options;
    const expirationMs = config()["producer.id.expiration.ms"];
    let sinceMs = clock.monoMs();
    for (const hosted of [...this.partitions.all()]) {
      const { topic, index, log } = hosted.partition;
      const isHosted = () =>
        !this.#isStopped && this.partitions.get(topic, index) === hosted;
      while (isHosted() && this.#retain(hosted.partition, nowMs)) {
        await clock.sleep(0);
        sinceMs = clock.monoMs();
      }
      if (!isHosted()) continue;
      log.expireProducers(nowMs, expirationMs);
      log.releaseIdle();
      if (clock.monoMs() - sinceMs < BUSY_MS_MAX) continue;
      await clock.sleep(0);
      sinceMs = clock.monoMs();
    }
  }

  /** Whether the disk refuses what is appended to the replica here. */
  isRefused({ topicId, index }: Place): boolean {
    const hosted = this.partitions.getById(topicId, index);
    return hosted !== undefined && hosted.partition.log.isRefused;
  }

  /** Deletes some of what is too old or too much; whether more is due. */
  #retain({ log, highWatermark }: Partition, nowMs: number): boolean {
    try {
      return log.applyRetention({ nowMs, highWatermark });
    } catch (error) {
      const { trace } = this.#options.env;
      trace("error", `Cannot apply retention to ${log.name}`, { error });
      return false;
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
      this.#open(topic, index);
      this.#options.folder.traceRecovery();
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

  #open(topic: TopicImage, index: number): void {
    const place = this.#placeOf(topic, index);
    if (place === undefined) return;
    this.#add(topic, this.#options.folder.openLog(place));
  }

  /** Where a partition's log is to be opened; undefined when it needn't be. */
  #placeOf(topic: TopicImage, index: number): LogPlace | undefined {
    const state = topic.partitions[index]!;
    if (!this.#isOurs(topic, index)) return undefined;
    const known = this.partitions.get(topic.name, index);
    if (known !== undefined) {
      known.update(state);
      return undefined;
    }
    return {
      topic: topic.name,
      partition: index,
      topicId: topic.id,
      config: this.topicConfig(topic.name),
    };
  }

  #add(topic: TopicImage, log: Log): void {
    const { env, turn, folder, replicated } = this.#options;
    const partition = new Partition({
      log,
      topicId: topic.id,
      config: this.topicConfig(topic.name),
      host: this.#host,
      state: topic.partitions[log.partition]!,
      highWatermark: folder.highWatermark(topic.name, log.partition),
    });
    const traffic = this.#trafficOf(topic.name);
    this.partitions.add(
      new HostedPartition(partition, {
        turn,
        trace: env.trace,
        traffic,
        replicated,
        quotas: this.#quotas,
        events: {
          onProposal: (hosted) => this.#events.onProposal(hosted),
          onFollowed: (hosted) => this.#events.onFollowed(hosted),
        },
      }),
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
    const gone = this.partitions.removeTopic(topic);
    for (const hosted of gone) {
      hosted.retire();
      this.#delete(topic, hosted.index);
    }
    this.#onRolesChanged?.(gone);
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

/** How fast throttled replicas here are copied. */
function replicationQuotas(
  { env, config }: HostingOptions,
): ReplicationQuotas {
  const quota = (rate: (config: BrokerConfig) => number) =>
    new ReplicationQuota(() => {
      const values = config();
      return {
        bytesPerSecond: rate(values),
        windows: values["replication.quota.window.num"],
        windowMs: values["replication.quota.window.size.seconds"] * 1000,
      };
    }, () => env.clock.monoMs());
  return {
    leader: quota((values) => values["leader.replication.throttled.rate"]),
    follower: quota((values) => values["follower.replication.throttled.rate"]),
  };
}

/** What partitions may know of the brokers. */
function replicaHost(
  { env, nodeId, image, config }: HostingOptions,
): ReplicaHost {
  return {
    nodeId,
    get brokerEpoch() {
      return image.broker(nodeId)?.epoch ?? -1;
    },
    get lagMaxMs() {
      return config()["replica.lag.time.max.ms"];
    },
    nowMs: () => env.clock.monoMs(),
    isEligible: (id, epoch) => {
      const broker = image.broker(id);
      return broker !== undefined && !broker.isFenced &&
        !broker.isInControlledShutdown &&
        (epoch === -1 || epoch === broker.epoch);
    },
  };
}
