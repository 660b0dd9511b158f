/**
 * The producer: takes records in, finds their partitions, keeps them within
 * `buffer.memory`. Sending is `sender.ts`. It must never report a record twice
 * or not at all.
 *
 * @module
 */
import {
  partitionOfKey,
  StickyPartitioner,
} from "../../core/client/partitioner.ts";
import type { PartitionQueue } from "../../core/client/partition_queue.ts";
import type {
  BatchOptions,
  TaggedRecord,
} from "../../core/client/producer_batch.ts";
import { ProducerTransaction } from "../../core/client/transaction.ts";
import type { ProducerValues } from "../../core/config/client_keys.ts";
import { clientConfig } from "../../core/config/resolve.ts";
import type { Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import type { RecordInput } from "../../core/record/builder.ts";
import { Cluster } from "./cluster.ts";
import { ProducerTransactions } from "./producer_transactions.ts";
import { Sender } from "./sender.ts";
import { TopicWaits } from "./topic_waits.ts";
import type {
  ClientConfig,
  ClientSeams,
  CommittedOffset,
  ConsumerGroupMetadata,
  OnDone,
  PartitionInfo,
  ProducerRecord,
  RecordMetadata,
} from "./types.ts";

const UTF8 = new TextEncoder();
/** Varints of a record, and the header of its batch, at most. */
const RECORD_BYTES = 40;
const BATCH_BYTES = 61;

interface Topic {
  readonly sticky: StickyPartitioner;
  readonly queues: PartitionQueue[];
  /** Partition count and those with a leader; absent until known. */
  partitions?: number;
  available: number[];
  /** Metadata that `available` was made from. */
  seen?: unknown;
}

/**
 * Sends records to a Kafka cluster. Idempotent and acknowledged by all in-sync
 * replicas by default, as Kafka's own producer.
 *
 * ```ts
 * import { startBroker, createProducer } from "kf";
 *
 * const folder = await Deno.makeTempDir();
 * const broker = await startBroker({
 *   config: new Map([
 *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
 *     ["log.dirs", folder],
 *   ]),
 *   traceLevel: "error",
 * });
 * const producer = createProducer({ "bootstrap.servers": broker.address });
 * const { partition, offset } = await producer.send({
 *   topic: "greetings",
 *   key: "en",
 *   value: "hello",
 * });
 * if (partition !== 0 || offset !== 0) throw new Error("not the first record");
 * await producer.close();
 * await broker.stop();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export class Producer {
  readonly #env: Env;
  readonly #values: ProducerValues;
  readonly #cluster: Cluster;
  readonly #sender: Sender;
  readonly #waits: TopicWaits;
  readonly #topics = new Map<string, Topic>();
  readonly #batches: BatchOptions;
  /** What the transactions are decided by; absent without transactional.id. */
  readonly #transaction: ProducerTransaction | undefined;
  readonly #transactions: ProducerTransactions | undefined;
  #roomWaiters: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  /** Use `createProducer()`. Throws `INVALID_CONFIG` on unknown or bad keys. */
  constructor(config: ClientConfig, seams: ClientSeams) {
    this.#values = producerValues(config);
    this.#env = seams.env;
    this.#batches = {
      codec: this.#values["compression.type"],
      level: levelOf(this.#values),
      batchSizeBytes: this.#values["batch.size"],
    };
    this.#cluster = new Cluster(seams, this.#values);
    this.#waits = new TopicWaits(this.#cluster, {
      timeoutMs: this.#values["max.block.ms"],
      maxAgeMs: this.#values["metadata.max.age.ms"],
      onReady: (record, callback) => this.#place(record, callback),
      onChange: () => {
        this.#sender.wake();
        // What failed waiting leaves room, and nothing to send.
        this.#giveRoom();
      },
      onThrow: (error) => this.#traceThrow(error),
    });
    const transactionalId = this.#values["transactional.id"];
    const machine = transactionalId === null
      ? undefined
      : new ProducerTransaction(transactionalId);
    this.#transaction = machine;
    this.#sender = new Sender(this.#cluster, this.#values, {
      batches: this.#batches,
      transaction: machine && {
        machine,
        onLacking: () => this.#transactions!.addPartitions(),
        onSpoiled: (error) => this.#transactions!.spoiled(error),
      },
      refresh: () => this.#waits.refreshSoon(),
      onRoom: () => this.#giveRoom(),
      onThrow: (error) => this.#traceThrow(error),
    });
    this.#transactions = machine && new ProducerTransactions(this.#cluster, {
      machine,
      values: this.#values,
      transactionalId: transactionalId!,
      sender: this.#sender,
      failUnplaced: (error) => this.#waits.failAll(error),
      flush: () => this.flush(),
    });
  }

  /**
   * Appends one record and resolves when it is acknowledged; waits for room in
   * the buffer first. Rejects with a `KafkaError`.
   */
  async send(record: ProducerRecord): Promise<RecordMetadata> {
    for (let room = this.ready(); room; room = this.ready()) await room;
    return await new Promise((resolve, reject) => {
      this.append(record, (error, metadata) => {
        if (metadata) resolve(metadata);
        else reject(error);
      });
    });
  }

  /**
   * Appends one record without a promise; `onDone` is called exactly once.
   * Ask {@linkcode ready} now and then: beyond twice `buffer.memory` records
   * are refused. Keys and values are copied before this returns.
   */
  append(record: ProducerRecord, onDone?: OnDone): void {
    const refusal = this.#refusal(record);
    if (refusal) return this.#refuse(refusal, record, onDone);
    const topic = this.#topic(record.topic);
    if (topic.partitions === undefined || this.#waits.has(record.topic)) {
      const copy = copied(record, this.#env.clock.wallMs());
      this.#waits.add(copy, this.#spoiling(onDone));
      return;
    }
    this.#place(record, onDone);
  }

  /**
   * `undefined` while there is room within `buffer.memory`; otherwise a
   * promise for the moment when there is.
   */
  ready(): Promise<void> | undefined {
    if (
      this.#closing || this.#bufferedBytes() < this.#values["buffer.memory"]
    ) {
      return this.#waits.isFull
        ? new Promise((resolve) => this.#roomWaiters.push(resolve))
        : undefined;
    }
    this.#sender.wake();
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** The partitions of a topic; waits up to `max.block.ms` for them. */
  async partitionsFor(topic: string): Promise<PartitionInfo[]> {
    const metadata = await this.#waits.wait(topic);
    return [...metadata.partitions];
  }

  /** Sends what lingers; resolves when everything appended before is settled. */
  async flush(): Promise<void> {
    await this.#waits.settled();
    await this.#sender.flush();
  }

  /**
   * Fences whoever uses the same `transactional.id`, and has the transaction
   * that it left open aborted. Once, before the first transaction.
   */
  initTransactions(): Promise<void> {
    return this.#requireTransactions().initialize();
  }

  /**
   * Begins a transaction: what is appended from now on belongs to it.
   *
   * ```ts
   * import { createConsumer, createProducer, startBroker } from "kf";
   *
   * const folder = await Deno.makeTempDir();
   * const broker = await startBroker({
   *   config: new Map([
   *     ["listeners", "PLAINTEXT://127.0.0.1:0"],
   *     ["log.dirs", folder],
   *   ]),
   *   traceLevel: "error",
   * });
   * const cluster = { "bootstrap.servers": broker.address };
   * const producer = createProducer({ ...cluster, "transactional.id": "bank" });
   * await producer.initTransactions();
   *
   * producer.beginTransaction();
   * producer.append({ topic: "accounts", key: "anna", value: "-5" });
   * producer.append({ topic: "accounts", key: "ben", value: "+5" });
   * await producer.commitTransaction();
   *
   * producer.beginTransaction();
   * producer.append({ topic: "accounts", key: "anna", value: "-9" });
   * await producer.abortTransaction();
   * await producer.close();
   *
   * const consumer = createConsumer({
   *   ...cluster,
   *   "isolation.level": "read_committed",
   * });
   * const accounts = { topic: "accounts", partition: 0 };
   * consumer.assign([accounts]);
   * consumer.seek(accounts, "earliest");
   * const texts: string[] = [];
   * while (texts.length < 2) {
   *   for (const { records } of await consumer.poll(1000)) {
   *     for (const { value } of records) {
   *       texts.push(new TextDecoder().decode(value!));
   *     }
   *   }
   * }
   * if (String(texts) !== "-5,+5") throw new Error(`read ${texts}`);
   * await consumer.close();
   * await broker.stop();
   * await Deno.remove(folder, { recursive: true });
   * ```
   */
  beginTransaction(): void {
    this.#requireTransactions().begin();
  }

  /**
   * Makes offsets part of the transaction: the group's, if it commits, and
   * nobody's, if it aborts. `group` is `consumer.groupMetadata()`, so that a
   * member that lost its partitions is refused (KIP-447).
   */
  sendOffsetsToTransaction(
    offsets: readonly CommittedOffset[],
    group: ConsumerGroupMetadata,
  ): Promise<void> {
    return this.#requireTransactions().sendOffsets(offsets, group);
  }

  /**
   * Sends everything, then makes the transaction's records and offsets visible
   * together. Rejects with what spoiled the transaction; abort it then. After a
   * time-out only another `commitTransaction()` finds out.
   */
  commitTransaction(): Promise<void> {
    return this.#requireTransactions().commit();
  }

  /** Makes the transaction's records and offsets void; unsent records fail. */
  abortTransaction(): Promise<void> {
    return this.#requireTransactions().abort();
  }

  /**
   * What spoiled the transaction: it has to be aborted or, when `isFatal`, this
   * producer is of no use any more, mostly since another took over its
   * `transactional.id`.
   */
  get transactionError(): { error: KafkaError; isFatal: boolean } | undefined {
    const { error, state } = this.#transaction ?? {};
    return error && { error, isFatal: state === "fatal" };
  }

  /**
   * Flushes for at most `timeoutMs` (default `delivery.timeout.ms`), fails
   * what is left, closes the connections. Aborts a transaction that is open.
   * Idempotent.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return this.#closing ??= this.#close(options.timeoutMs);
  }

  async #close(timeoutMs = this.#values["delivery.timeout.ms"]): Promise<void> {
    const stop = new AbortController();
    const late = this.#env.clock.sleep(timeoutMs, stop.signal).catch(() => {});
    await Promise.race([this.#settle(), late]);
    stop.abort();
    await late;
    const error = new KafkaError(
      "REQUEST_TIMED_OUT",
      `Cannot deliver: the producer was closed after ${timeoutMs} ms`,
    );
    this.#waits.close(error);
    await this.#sender.close(error);
    this.#cluster.close();
    this.#giveRoom();
  }

  /** Flushes; a transaction that nobody will commit is aborted. */
  async #settle(): Promise<void> {
    const { state } = this.#transaction ?? {};
    if (state !== "open" && state !== "abortable") return await this.flush();
    try {
      await this.abortTransaction();
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#env.trace("warn", "Cannot abort the transaction", {
        error: error.message,
      });
    }
  }

  #requireTransactions(): ProducerTransactions {
    if (this.#transactions) return this.#transactions;
    throw new KafkaError(
      "INVALID_TXN_STATE",
      "Transactions need transactional.id",
    );
  }

  #bufferedBytes(): number {
    return this.#sender.bufferedBytes + this.#waits.bufferedBytes;
  }

  #refusal(record: ProducerRecord): KafkaError | undefined {
    if (this.#closing) {
      return new KafkaError(
        "REQUEST_TIMED_OUT",
        "Cannot append: the producer is closed",
      );
    }
    const refusal = this.#transaction?.refusal("append");
    if (refusal) return refusal;
    const limit = 2 * Math.max(this.#values["buffer.memory"], 65536);
    if (this.#bufferedBytes() > limit) {
      return new KafkaError(
        "REQUEST_TIMED_OUT",
        `Cannot append: buffer.memory (${
          this.#values["buffer.memory"]
        } bytes) is full. Wait for ready()`,
      );
    }
    const max = this.#values["max.request.size"];
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
    if (bytes * 4 < max && !record.headers?.length) return undefined;
    const size = sizeMax(encoded(record, 0));
    return size <= max ? undefined : new KafkaError(
      "MESSAGE_TOO_LARGE",
      `Cannot append: the record takes ${size} bytes, max.request.size is ${max}`,
    );
  }

  #refuse(
    error: KafkaError,
    { tag }: ProducerRecord,
    onDone: OnDone | undefined,
  ): void {
    const isFirst = this.#isSpoiledBy(error);
    onDone?.(error, undefined, tag);
    if (isFirst) this.#transactions!.spoiled(error);
  }

  /** A transaction that lacks one of its records must not be committed. */
  #isSpoiledBy(error: KafkaError): boolean {
    const { state } = this.#transaction ?? {};
    if (state !== "open" && state !== "committing") return false;
    return this.#transaction!.lost(error);
  }

  #spoiling(onDone: OnDone | undefined): OnDone | undefined {
    if (this.#transaction === undefined) return onDone;
    return (error, metadata, tag) => {
      const isFirst = error !== undefined && this.#isSpoiledBy(error);
      onDone?.(error, metadata, tag);
      if (isFirst) this.#transactions!.spoiled(error);
    };
  }

  /** Puts a record whose topic is known into its partition's batch. */
  #place(record: ProducerRecord, onDone: OnDone | undefined): void {
    const topic = this.#topic(record.topic);
    const input = encoded(record, this.#env.clock.wallMs());
    const partition = this.#partition(record, input, topic);
    if (partition < 0 || partition >= (topic.partitions ?? 0)) {
      const refusal = new KafkaError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `Cannot append: topic "${record.topic}" has ${
          topic.partitions ?? 0
        } partitions, there is no ${partition}`,
      );
      return this.#refuse(refusal, record, onDone);
    }
    const queue = topic.queues[partition] ??= this.#sender.queue(
      record.topic,
      partition,
    );
    this.#sender.append(queue, input, onDone);
  }

  #partition(
    record: ProducerRecord,
    input: RecordInput,
    topic: Topic,
  ): number {
    if (record.partition !== undefined) return record.partition;
    if (input.key !== null && !this.#values["partitioner.ignore.keys"]) {
      return partitionOfKey(input.key, topic.partitions ?? 1);
    }
    const bytes = RECORD_BYTES + (input.value?.length ?? 0);
    return topic.sticky.next(bytes, topic.available);
  }

  /** The topic's partition count, renewed when its metadata changed. */
  #topic(name: string): Topic {
    let topic = this.#topics.get(name);
    if (!topic) {
      topic = {
        sticky: new StickyPartitioner(
          this.#values["batch.size"],
          this.#env.random,
        ),
        queues: [],
        available: [],
      };
      this.#topics.set(name, topic);
    }
    const seen = this.#cluster.metadata.topics.get(name);
    if (seen === topic.seen || !seen || seen.partitions.length === 0) {
      return topic;
    }
    topic.seen = seen;
    topic.partitions = seen.partitions.length;
    const led = seen.partitions.filter(({ leader }) => leader >= 0);
    topic.available = (led.length > 0 ? led : seen.partitions).map(
      ({ partition }) => partition,
    );
    return topic;
  }

  #giveRoom(): void {
    if (this.#roomWaiters.length === 0) return;
    const isFull = this.#bufferedBytes() >= this.#values["buffer.memory"] / 2;
    if ((isFull || this.#waits.isFull) && !this.#closing) return;
    for (const resolve of this.#roomWaiters.splice(0)) resolve();
  }

  #traceThrow(error: unknown): void {
    this.#env.trace("error", "A delivery callback threw", {
      error: String(error),
    });
  }
}

/** Checked config: idempotence yields where it was not asked for, as in Java. */
function producerValues(config: ClientConfig): ProducerValues {
  const values = clientConfig("producer", config);
  const isAll = values.acks === "all" || values.acks === "-1";
  const isPossible = isAll && values.retries > 0 &&
    values["max.in.flight.requests.per.connection"] <= 5;
  if (values["transactional.id"] !== null) {
    if (!isPossible || !values["enable.idempotence"]) {
      throw new KafkaError(
        "INVALID_CONFIG",
        "transactional.id needs enable.idempotence=true, acks=all, retries above 0 and max.in.flight.requests.per.connection of at most 5",
      );
    }
  }
  const isAsked = config["enable.idempotence"] !== undefined;
  if (isAsked && values["enable.idempotence"] && !isPossible) {
    throw new KafkaError(
      "INVALID_CONFIG",
      "enable.idempotence=true needs acks=all, retries above 0 and max.in.flight.requests.per.connection of at most 5",
    );
  }
  if (values["delivery.timeout.ms"] < values["linger.ms"]) {
    throw new KafkaError(
      "INVALID_CONFIG",
      "delivery.timeout.ms must not be below linger.ms",
    );
  }
  return {
    ...values,
    "enable.idempotence": values["enable.idempotence"] && isPossible,
  };
}

/** Bytes that a batch of only this record takes at most. */
function sizeMax({ key, value, headers = [] }: RecordInput): number {
  let size = BATCH_BYTES + RECORD_BYTES + (key?.length ?? 0) +
    (value?.length ?? 0);
  for (const header of headers) {
    size += 10 + 3 * header.key.length + (header.value?.length ?? 0);
  }
  return size;
}

function levelOf(values: ProducerValues): number | undefined {
  switch (values["compression.type"]) {
    case "gzip":
      return values["compression.gzip.level"];
    case "lz4":
      return values["compression.lz4.level"];
    case "zstd":
      return values["compression.zstd.level"];
    default:
      return undefined;
  }
}

function encoded(record: ProducerRecord, nowMs: number): TaggedRecord {
  const input = {
    tag: record.tag,
    timestamp: record.timestamp ?? nowMs,
    key: bytesOf(record.key),
    value: bytesOf(record.value),
  };
  if (!record.headers?.length) return input;
  const headers = record.headers.map(([key, value]) => ({
    key,
    value: bytesOf(value),
  }));
  return { ...input, headers };
}

function bytesOf(
  field: Uint8Array | string | null | undefined,
): Uint8Array | null {
  if (typeof field === "string") return UTF8.encode(field);
  return field ?? null;
}

function copied(record: ProducerRecord, nowMs: number): ProducerRecord {
  const copy = (field: Uint8Array | string | null | undefined) =>
    field instanceof Uint8Array ? field.slice() : field;
  return {
    ...record,
    timestamp: record.timestamp ?? nowMs,
    key: copy(record.key),
    value: copy(record.value),
    headers: record.headers?.map(([key, value]) => [key, copy(value) ?? null]),
  };
}
