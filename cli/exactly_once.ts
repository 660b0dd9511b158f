/**
 * Records of one topic worked on by a group, batch by batch, each in a
 * transaction with its results and its offsets (KIP-447): what is made of a
 * batch counts once, whoever is killed when. It must never commit a batch of a
 * partition that this member may have lost.
 *
 * A transactional id goes with each partition; a member uses that of its lowest
 * one, which no other member can have. Whoever takes partitions over ends what
 * their last holder left open, so that nobody waits for a time-out. A holder
 * that is only believed dead is refused by the group.
 *
 * @module
 */
import type {
  Consumer,
  ConsumerGroupMetadata,
  ConsumerRecord,
  KafkaError,
  Producer,
  TopicPartition,
} from "../net/client.ts";
import { withAdmin } from "./cluster.ts";
import { sentenceOf, UsageError } from "./failure.ts";
import { say } from "./output.ts";
import { meetGroup, openConsumer, poll } from "./reading.ts";
import { openProducer } from "./sending.ts";
import { commonProperties, type Settings, settingsOf } from "./settings.ts";
import { Span } from "./span.ts";
import { monoMs, sleep } from "./terminal.ts";

const POLL_MS = 500;
/** Bytes of records that wait here before a batch goes without its linger. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;
/** How long a batch may take: as long as its member may be without a poll. */
const TRANSACTION_MS = 300_000;
/** Whatever one topic allowed, the other's is to judge. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
/** How long Kafka is waited for once somebody wants to go. */
const GRACE_MS = 5_000;
const PAUSE_MS = { first: 100, max: 5_000 } as const;
/** Times that a batch is begun again after a fence before that is an error. */
const FENCES_MAX = 5;

/** What Kafka refuses that another attempt, or another poll, mends. */
const PASSING: ReadonlySet<string> = new Set([
  "BROKER_NOT_AVAILABLE",
  "CONCURRENT_TRANSACTIONS",
  "COORDINATOR_LOAD_IN_PROGRESS",
  "COORDINATOR_NOT_AVAILABLE",
  "FENCED_MEMBER_EPOCH",
  "ILLEGAL_GENERATION",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "INVALID_TXN_STATE",
  "KAFKA_STORAGE_ERROR",
  "LEADER_NOT_AVAILABLE",
  "NETWORK_EXCEPTION",
  "NOT_COORDINATOR",
  "NOT_ENOUGH_REPLICAS",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "NOT_LEADER_OR_FOLLOWER",
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "PRODUCER_FENCED",
  "REBALANCE_IN_PROGRESS",
  "REQUEST_TIMED_OUT",
  "STALE_MEMBER_EPOCH",
  "TRANSACTION_ABORTABLE",
  "TRANSACTION_COORDINATOR_FENCED",
  "UNKNOWN_MEMBER_ID",
  "UNKNOWN_PRODUCER_ID",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "UNSTABLE_OFFSET_COMMIT",
]);

/** Records of one partition, in order. */
export interface Batch extends TopicPartition {
  readonly records: readonly ConsumerRecord[];
}

/** Throws when something is wrong with results that are all acknowledged. */
export type Check = () => void;

/** Makes the results of a batch; need not wait for their acknowledgement. */
export type Work = (producer: Producer) => Promise<Check>;

/** Nothing came from Kafka for as long as somebody who wants to go can wait. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** What is worked on, and how it is cut. */
export interface ExactlyOnceOptions {
  readonly topic: string;
  readonly group: string;
  /** Records of a batch at most, by partition. */
  readonly countOf: (partition: number) => number;
  readonly countMax: number;
  /** How long a batch waits for more records. */
  readonly lingerMs: number;
  readonly isEndedAtEnd: boolean;
  readonly stop: AbortSignal;
}

/** Records of a partition that have come and not been worked on. */
interface Held {
  readonly records: ConsumerRecord[];
  sinceMs: number;
  bytes: number;
}

/**
 * A member at work.
 *
 * 1. `#held` has exactly what was polled of the partitions held and is not in a
 *    committed transaction.
 * 2. No transaction is open while the consumer polls, so that a rebalance
 *    never finds one.
 */
export class ExactlyOnce {
  readonly #settings: Settings;
  readonly #options: ExactlyOnceOptions;
  readonly #consumer: Consumer;
  readonly #span: Span;
  readonly #held = new Map<number, Held>();
  #producer: { readonly id: string; readonly client: Producer } | undefined;
  /** Another member may have had the producer's id since. */
  #isLent = false;
  #failures = 0;
  #fences = 0;

  private constructor(
    settings: Settings,
    options: ExactlyOnceOptions,
    consumer: Consumer,
  ) {
    this.#settings = settings;
    this.#options = options;
    this.#consumer = consumer;
    this.#span = new Span(consumer, {
      isEndedAtEnd: options.isEndedAtEnd,
      to: undefined,
    });
  }

  /** Joins the group. */
  static async open(
    settings: Settings,
    options: ExactlyOnceOptions,
  ): Promise<ExactlyOnce> {
    for (const name of Object.keys(settings.givenProperties)) {
      if (!name.endsWith("transactional.id")) continue;
      throw new UsageError(
        `Cannot use -X ${name} here: each partition has a transactional id of its own`,
      );
    }
    await meetGroup(settings, options.group);
    const consumer = await openConsumer(settingsOf("consumer", settings), {
      "group.id": options.group,
      "isolation.level": "read_committed",
      "max.poll.records": options.countMax,
    });
    const all = new ExactlyOnce(settings, options, consumer);
    consumer.onRebalance({
      assigned: (partitions) => all.#assigned(partitions),
      revoked: (partitions) => all.#letGo(partitions),
      lost: (partitions) => all.#letGo(partitions),
    });
    consumer.subscribe([options.topic]);
    return all;
  }

  /** The next batch; `undefined` at the end that was asked for, or when stopped. */
  async next(): Promise<Batch | undefined> {
    const { stop } = this.#options;
    while (!stop.aborted) {
      const isDone = await this.#span.isDone();
      const batch = this.#due(isDone);
      if (batch !== undefined) return batch;
      if (isDone) return undefined;
      const polled = await poll(this.#consumer, this.#waitMs(), stop);
      for (const { partition, records } of polled) {
        this.#hold(partition, records);
      }
    }
    return undefined;
  }

  /**
   * Does the work and commits it together with the batch's offsets. False when
   * Kafka wanted otherwise, and `next()` tells what to do now. What `work`
   * throws is thrown once all is undone, and `next()` gives the batch again.
   */
  async commit(batch: Batch, work: Work): Promise<boolean> {
    const group = await this.#membership();
    if (group === undefined) return false;
    try {
      const producer = await this.#ready();
      if (producer === undefined) return false;
      producer.beginTransaction();
      const check = await work(producer);
      await this.#patiently(async () => {
        await producer.flush();
        check();
        const offset = await this.#offsetAfter(batch);
        await producer.sendOffsetsToTransaction([offset], group);
        await this.#commitOrKnowWhy(producer);
      });
    } catch (error) {
      if (error instanceof Interrupted) return false;
      await this.#undo();
      if (!isPassing(error)) throw error;
      await this.#rest(error);
      return false;
    }
    this.#drop(batch);
    this.#failures = this.#fences = 0;
    return true;
  }

  /** Leaves the group. */
  async close(): Promise<void> {
    try {
      await this.#closeProducer();
    } finally {
      await this.#consumer.close();
    }
  }

  /** The batch to work on now: a full one, or one that has waited enough. */
  #due(isLast: boolean): Batch | undefined {
    const { countOf, lingerMs } = this.#options;
    const dueMs = isLast ? Infinity : monoMs() - lingerMs;
    let bytes = 0;
    for (const [partition, held] of this.#held) {
      bytes += held.bytes;
      const isFull = held.records.length >= countOf(partition);
      if (isFull || held.sinceMs <= dueMs) return this.#cut(partition, held);
    }
    if (bytes < HELD_BYTES_MAX) return undefined;
    const [partition, held] = this.#held.entries().next().value!;
    return this.#cut(partition, held);
  }

  #cut(partition: number, { records }: Held): Batch {
    const { topic, countOf } = this.#options;
    return { topic, partition, records: records.slice(0, countOf(partition)) };
  }

  #waitMs(): number {
    let waitMs = POLL_MS;
    const nowMs = monoMs();
    for (const { sinceMs } of this.#held.values()) {
      waitMs = Math.min(waitMs, sinceMs + this.#options.lingerMs - nowMs);
    }
    return Math.max(0, waitMs);
  }

  #hold(partition: number, records: readonly ConsumerRecord[]): void {
    let held = this.#held.get(partition);
    if (held === undefined) {
      held = { records: [], sinceMs: monoMs(), bytes: 0 };
      this.#held.set(partition, held);
    }
    for (const record of records) {
      held.records.push(record);
      held.bytes += bytesOf(record);
    }
  }

  /** A batch is done: what follows begins to wait. */
  #drop({ partition, records }: Batch): void {
    const held = this.#held.get(partition);
    if (held === undefined) return;
    held.records.splice(0, records.length);
    for (const record of records) held.bytes -= bytesOf(record);
    this.#held.delete(partition);
    // Behind the others, so that each partition has its turn.
    if (held.records.length > 0) this.#held.set(partition, held);
  }

  /** As whom to commit; undefined when the next poll has to find out. */
  async #membership(): Promise<ConsumerGroupMetadata | undefined> {
    try {
      return this.#consumer.groupMetadata();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await this.#rest(error);
      return undefined;
    }
  }

  /** Behind the last record, or behind what follows it that is no record. */
  async #offsetAfter({ topic, partition, records }: Batch) {
    const last = records.at(-1)!;
    const held = this.#held.get(partition);
    const isAll = held?.records.length === records.length;
    const offset = isAll
      ? await this.#consumer.position({ topic, partition })
      : last.offset + 1;
    return { topic, partition, offset, leaderEpoch: last.leaderEpoch };
  }

  /** Waits for Kafka, but once stopped only for a while. */
  async #patiently(act: () => Promise<void>): Promise<void> {
    const { stop } = this.#options;
    const over = new AbortController();
    const late = new Promise<never>((_, reject) => {
      const begin = () =>
        sleep(GRACE_MS, over.signal).then(() =>
          reject(new Interrupted("interrupted"))
        );
      if (stop.aborted) begin();
      const { signal } = over;
      stop.addEventListener("abort", begin, { once: true, signal });
    });
    const acting = act();
    try {
      await Promise.race([acting, late]);
    } finally {
      over.abort();
      acting.catch(() => {});
    }
  }

  async #commitOrKnowWhy(producer: Producer): Promise<void> {
    for (;;) {
      try {
        return await producer.commitTransaction();
      } catch (error) {
        const isUnknown = producer.transactionError === undefined &&
          isPassing(error);
        if (!isUnknown || this.#options.stop.aborted) throw error;
        say(`${sentenceOf(error)}. Asking again`, this.#settings);
      }
    }
  }

  /** Ends what is open; where that can't be known, begins anew from what is committed. */
  async #undo(): Promise<void> {
    const producer = this.#producer?.client;
    if (producer === undefined) return;
    try {
      if (producer.transactionError?.isFatal !== true) {
        return await producer.abortTransaction();
      }
      this.#fences++;
    } catch {
      // Whether it was committed is not known: the group's offsets tell.
    }
    await this.#closeProducer();
    await this.#rewind();
  }

  /** Goes back to what the group has committed. */
  async #rewind(): Promise<void> {
    const { stop } = this.#options;
    const assigned = this.#consumer.assignment();
    while (!stop.aborted) {
      try {
        // The transaction may still be on its way to its end.
        await this.#ready();
        const committed = await this.#consumer.committed(assigned);
        for (const at of assigned) {
          const offset = committed.find(({ partition }) =>
            partition === at.partition
          )?.offset ?? this.#held.get(at.partition)?.records[0]?.offset;
          if (offset !== undefined) this.#consumer.seek(at, offset);
        }
        this.#held.clear();
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await this.#rest(error);
      }
    }
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#endLeftovers(partitions);
    await this.#ready();
    await this.#span.assigned(partitions);
  }

  #letGo(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      this.#held.delete(partition);
      if (this.#producer?.id === this.#idOf(partition)) this.#isLent = true;
    }
    this.#span.revoked(partitions);
  }

  /** Aborts what the last holders of partitions have left open. */
  async #endLeftovers(partitions: readonly TopicPartition[]): Promise<void> {
    const own = this.#ownId();
    const ids = new Set(
      partitions.map(({ partition }) => this.#idOf(partition))
        .filter((id) => id !== own),
    );
    if (ids.size === 0) return;
    const settings = {
      ...this.#settings,
      properties: commonProperties(this.#settings),
    };
    await this.#untilDone(() =>
      withAdmin(settings, async (admin) => {
        const open = await admin.listTransactions({ states: ["Ongoing"] });
        const left = open.map(({ transactionalId }) => transactionalId)
          .filter((id) => ids.has(id));
        const failed = (await admin.fenceProducers(left))
          .find(({ error }) => error !== undefined);
        if (failed?.error !== undefined) throw failed.error;
      })
    );
  }

  #idOf(partition: number): string {
    return `${this.#options.group}.${this.#options.topic}-${partition}`;
  }

  #ownId(): string | undefined {
    const held = this.#consumer.assignment();
    if (held.length === 0) return undefined;
    return this.#idOf(Math.min(...held.map(({ partition }) => partition)));
  }

  /** The producer that goes with the partitions held now; none without any. */
  async #ready(): Promise<Producer | undefined> {
    const id = this.#ownId();
    if (this.#producer?.id === id && !this.#isLent) {
      return this.#producer?.client;
    }
    await this.#closeProducer();
    if (id === undefined) return undefined;
    const client = await openProducer(
      settingsOf("producer", this.#settings),
      {
        "transactional.id": id,
        "max.request.size": REQUEST_BYTES_MAX,
        "transaction.timeout.ms": TRANSACTION_MS,
      },
    );
    if (!await this.#untilDone(() => client.initTransactions())) {
      await client.close({ timeoutMs: 0 });
      return undefined;
    }
    this.#producer = { id, client };
    return client;
  }

  async #closeProducer(): Promise<void> {
    const producer = this.#producer?.client;
    this.#producer = undefined;
    this.#isLent = false;
    if (producer?.transactionError?.isFatal) {
      return await producer.close({ timeoutMs: 0 });
    }
    const { stop } = this.#options;
    await producer?.close(stop.aborted ? { timeoutMs: GRACE_MS } : {});
  }

  /** Tries until it is done; false when stopped first. */
  async #untilDone(act: () => Promise<void>): Promise<boolean> {
    while (!this.#options.stop.aborted) {
      try {
        await act();
        return true;
      } catch (error) {
        if (!isPassing(error)) throw error;
        await this.#rest(error);
      }
    }
    return false;
  }

  /** Tells why something is done again, and waits for a while. */
  async #rest(error: unknown): Promise<void> {
    if (this.#fences > FENCES_MAX) throw error;
    const { stop } = this.#options;
    if (stop.aborted) return;
    const waitMs = PAUSE_MS.first * 2 ** Math.min(this.#failures++, 10);
    if (this.#failures > 1) {
      say(`${sentenceOf(error)}. Beginning again`, this.#settings);
    }
    await sleep(Math.min(PAUSE_MS.max, waitMs), stop);
  }
}

function isPassing(error: unknown): error is KafkaError {
  return error instanceof Error && error.name === "KafkaError" &&
    PASSING.has((error as KafkaError).error);
}

function bytesOf({ key, value }: ConsumerRecord): number {
  return 100 + (key?.length ?? 0) + (value?.length ?? 0);
}
