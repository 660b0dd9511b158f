/**
 * Records whose topic is not known yet, and the metadata requests on their
 * behalf; also the periodic refresh of topics in use. A topic that stays
 * unknown for `max.block.ms` fails its records with the broker's last answer.
 *
 * @module
 */
import type { Cancel } from "../../core/env/env.ts";
import { ERRORS, isRetriable, KafkaError } from "../../core/errors.ts";
import { type Cluster, isTransient } from "./cluster.ts";
import type { TopicMetadata } from "./metadata.ts";
import type { OnDone, ProducerRecord } from "./types.ts";

const FULL_BYTES = 256 * 1024;
const RECORD_BYTES = 200;
const METADATA_EVENT = "Cannot get metadata";

interface Wait {
  readonly deadlineMs: number;
  readonly records: { record: ProducerRecord; onDone: OnDone | undefined }[];
  readonly waiters: {
    resolve: (topic: TopicMetadata) => void;
    reject: (error: KafkaError) => void;
  }[];
}

/** What the holder provides. */
export interface TopicWaitsOptions {
  readonly timeoutMs: number;
  readonly maxAgeMs: number;
  readonly onReady: (
    record: ProducerRecord,
    onDone: OnDone | undefined,
  ) => void;
  readonly onChange: () => void;
  readonly onThrow: (error: unknown) => void;
}

/**
 * Topics that are waited for.
 *
 * 1. At most one refresh loop runs.
 * 2. `bufferedBytes` counts exactly the records held here.
 */
export class TopicWaits {
  /** Bytes of the records held, roughly. */
  bufferedBytes = 0;
  readonly #cluster: Cluster;
  readonly #options: TopicWaitsOptions;
  readonly #waits = new Map<string, Wait>();
  readonly #inUse = new Set<string>();
  #isStale = false;
  #isRunning = false;
  #ageTimer: Cancel | undefined;
  #settled: (() => void)[] = [];

  constructor(cluster: Cluster, options: TopicWaitsOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Whether so much waits that the caller should stop adding. */
  get isFull(): boolean {
    return this.bufferedBytes >= FULL_BYTES;
  }

  /** Whether the topic is being waited for. */
  has(topic: string): boolean {
    return this.#waits.has(topic);
  }

  /** Holds a record until its topic is known. */
  add(record: ProducerRecord, onDone: OnDone | undefined): void {
    this.bufferedBytes += bytesOf(record);
    this.#wait(record.topic).records.push({ record, onDone });
  }

  /** The topic, once it is known. */
  wait(topic: string): Promise<TopicMetadata> {
    return new Promise((resolve, reject) => {
      this.#wait(topic).waiters.push({ resolve, reject });
    });
  }

  /** Asks for the topics in use again, soon. */
  refreshSoon(): void {
    this.#isStale = true;
    this.#run();
  }

  /** Resolves when nothing waits. */
  settled(): Promise<void> {
    if (this.#waits.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  /** Fails everything that waits, for good. */
  close(error: KafkaError): void {
    this.#ageTimer?.();
    this.#ageTimer = undefined;
    this.failAll(error);
  }

  /** Fails everything that waits. */
  failAll(error: KafkaError): void {
    for (const topic of [...this.#waits.keys()]) this.#fail(topic, error);
  }

  #wait(topic: string): Wait {
    let wait = this.#waits.get(topic);
    if (!wait) {
      wait = {
        deadlineMs: this.#cluster.env.clock.monoMs() + this.#options.timeoutMs,
        records: [],
        waiters: [],
      };
      this.#waits.set(topic, wait);
      this.#inUse.add(topic);
      this.#run();
    }
    return wait;
  }

  #run(): void {
    if (this.#isRunning || this.#cluster.isClosed) return;
    this.#isRunning = true;
    this.#cluster.env.tasks.spawn("producer metadata", async () => {
      try {
        await this.#refreshUntilQuiet();
      } finally {
        this.#isRunning = false;
      }
      // Whoever was given room by the last answer may wait for another topic.
      if (this.#isOwed) this.#run();
    });
  }

  get #isOwed(): boolean {
    return this.#waits.size > 0 || this.#isStale;
  }

  async #refreshUntilQuiet(): Promise<void> {
    for (let attempt = 0; this.#isOwed; attempt++) {
      await this.#holdBack(attempt);
      if (this.#cluster.isClosed) return;
      this.#isStale = false;
      let failure: KafkaError | undefined;
      try {
        await this.#cluster.refresh([...this.#inUse], { allowCreate: true });
        this.#cluster.recovered(METADATA_EVENT);
        this.#armAge();
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        failure = error;
        this.#isStale = isTransient(error);
        this.#cluster.failing(METADATA_EVENT, error);
      }
      if (this.#cluster.isClosed) return;
      this.#judge(failure);
      this.#options.onChange();
    }
  }

  /**
   * Only a topic that is new is asked for at once: an answer that names no leader
   * has the next question follow it, again and again.
   */
  async #holdBack(attempt: number): Promise<void> {
    if (attempt === 0 && this.#waits.size > 0) return;
    const { env, refreshedMs } = this.#cluster;
    const pauseMs = this.#cluster.retryMs(Math.max(0, attempt - 1));
    const agoMs = attempt === 0 ? env.clock.monoMs() - refreshedMs : 0;
    if (agoMs >= pauseMs) return;
    await this.#cluster.pause(pauseMs - agoMs).catch(() => {});
  }

  /** Releases the topics that are known, fails those that never will be. */
  #judge(failure: KafkaError | undefined): void {
    const nowMs = this.#cluster.env.clock.monoMs();
    for (const [name, wait] of [...this.#waits]) {
      // What one topic's records were told may have ended all waiting.
      if (this.#waits.get(name) !== wait) continue;
      const topic = this.#cluster.metadata.topics.get(name);
      if (!failure && topic && topic.partitions.length > 0) {
        this.#release(name, topic);
        continue;
      }
      const error = failure ?? new KafkaError(
        topic?.error ?? "UNKNOWN_TOPIC_OR_PARTITION",
        `Cannot use topic "${name}": ${
          topic?.error ?? "UNKNOWN_TOPIC_OR_PARTITION"
        }`,
      );
      const isFinal = failure ? !isTransient(failure) : !isWorthWaiting(error);
      if (isFinal || nowMs >= wait.deadlineMs) this.#fail(name, error);
    }
  }

  #release(name: string, topic: TopicMetadata): void {
    const wait = this.#waits.get(name)!;
    this.#waits.delete(name);
    for (const { record, onDone } of wait.records) {
      this.bufferedBytes -= bytesOf(record);
      this.#options.onReady(record, onDone);
    }
    for (const { resolve } of wait.waiters) resolve(topic);
    this.#noteSettled();
  }

  #fail(name: string, error: KafkaError): void {
    const wait = this.#waits.get(name)!;
    this.#waits.delete(name);
    this.#inUse.delete(name);
    for (const { record, onDone } of wait.records) {
      this.bufferedBytes -= bytesOf(record);
      try {
        onDone?.(error, undefined, record.tag);
      } catch (thrown) {
        this.#options.onThrow(thrown);
      }
    }
    for (const { reject } of wait.waiters) reject(error);
    this.#noteSettled();
  }

  #noteSettled(): void {
    this.#options.onChange();
    if (this.#waits.size > 0) return;
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  #armAge(): void {
    this.#ageTimer?.();
    this.#ageTimer = this.#cluster.env.clock.timer(
      Math.max(1000, this.#options.maxAgeMs),
      () => this.refreshSoon(),
    );
  }
}

function isWorthWaiting(error: KafkaError): boolean {
  return isRetriable(error.code) || error.code === ERRORS.NONE;
}

function bytesOf({ key, value }: ProducerRecord): number {
  return RECORD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}
