/**
 * Moves batches from their partitions' queues to the leaders and settles them
 * by the answers: when to send, what to retry, when to give up. Order and
 * sequences are the queues' own; it must never settle a batch twice.
 *
 * @module
 */
import {
  PartitionQueue,
  type ProducerIdentity,
} from "../../core/client/partition_queue.ts";
import type {
  BatchOptions,
  DeliveryCallback,
  ProducerBatch,
  TaggedRecord,
} from "../../core/client/producer_batch.ts";
import type { ProducerValues } from "../../core/config/client_keys.ts";
import type { Cancel } from "../../core/env/env.ts";
import type { ProducerTransaction } from "../../core/client/transaction.ts";
import { ERRORS, KafkaError, needsRefresh } from "../../core/errors.ts";
import { partitionName } from "../../core/ids.ts";
import type { Decoded } from "../../core/schema/schema.ts";
import type { Link } from "../link/link.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";

/** What the holder provides. */
export interface SenderOptions {
  readonly batches: BatchOptions;
  /** Of a transactional producer. */
  readonly transaction?:
    | {
      readonly machine: ProducerTransaction;
      /** Partitions wait to be added to the transaction. */
      readonly onLacking: () => void;
      /** Records were lost; what waits has no use. */
      readonly onSpoiled: (error: KafkaError) => void;
    }
    | undefined;
  /** Ask for metadata again, soon. */
  readonly refresh: () => void;
  /** Buffered bytes went down. */
  readonly onRoom: () => void;
  /** A callback of the user threw. */
  readonly onThrow: (error: unknown) => void;
}

interface Sent {
  readonly queue: PartitionQueue;
  readonly batch: ProducerBatch;
}

interface Node {
  inFlight: number;
  isOpening: boolean;
  /** Why there is no connection to it. */
  failure?: unknown;
}

type PartitionAnswer = Decoded<
  typeof PRODUCE.response
>["responses"][number]["partitionResponses"][number];

const EPOCH_MAX = 32767;
/** Above, a request says that its transaction is of version 2 (KIP-890). */
const VERSION_1_MAX = 11;
/** Above, topics go by their ids. */
const NAMES_VERSION_MAX = 12;

/**
 * The sending half of a producer.
 *
 * 1. `bufferedBytes` is the sum of what is held by `#incomplete`.
 * 2. `#active` holds exactly the queues that are not empty.
 */
export class Sender {
  /** Bytes of all batches not yet settled. */
  bufferedBytes = 0;
  readonly #cluster: Cluster;
  readonly #values: ProducerValues;
  readonly #options: SenderOptions;
  readonly #batches: BatchOptions & { readonly nowMs: () => number };
  readonly #queues = new Map<string, PartitionQueue>();
  readonly #active = new Set<PartitionQueue>();
  readonly #nodes = new Map<number, Node>();
  /** What the batches of a partition that are in flight went over. */
  readonly #ways = new WeakMap<PartitionQueue, Link>();
  readonly #incomplete = new Set<ProducerBatch>();
  readonly #flushes = new Set<{ left: Set<ProducerBatch>; done: () => void }>();
  #identity: ProducerIdentity | undefined;
  #isIdentifying = false;
  #isWoken = false;
  #timer: { atMs: number; cancel: Cancel } | undefined;
  #closed: KafkaError | undefined;

  constructor(
    cluster: Cluster,
    values: ProducerValues,
    options: SenderOptions,
  ) {
    this.#cluster = cluster;
    this.#values = values;
    this.#options = options;
    const { clock } = cluster.env;
    this.#batches = { ...options.batches, nowMs: () => clock.monoMs() };
  }

  /** The queue of a partition. */
  queue(topic: string, partition: number): PartitionQueue {
    const name = partitionName(topic, partition);
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = new PartitionQueue(topic, partition);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** Adds a record to a partition's open batch. */
  append(
    queue: PartitionQueue,
    record: TaggedRecord,
    callback: DeliveryCallback | undefined,
  ): void {
    const before = queue.openBytes;
    const begun = queue.append(record, callback, this.#batches);
    if (!begun) {
      this.bufferedBytes += queue.openBytes - before;
      return;
    }
    this.bufferedBytes += begun.heldBytes;
    this.#incomplete.add(begun);
    this.#active.add(queue);
    this.wake();
  }

  /** Looks for something to send at the end of this turn. */
  wake(): void {
    if (this.#isWoken || this.#closed) return;
    this.#isWoken = true;
    this.#cluster.env.clock.endOfTurn(() => {
      this.#isWoken = false;
      this.#pump();
    });
  }

  /** Resolves when everything appended so far is settled. */
  flush(): Promise<void> {
    if (this.#incomplete.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const flush = {
        left: new Set(this.#incomplete),
        done: () => {
          this.#flushes.delete(flush);
          resolve();
        },
      };
      this.#flushes.add(flush);
      this.wake();
    });
  }

  /** Fails what is not in flight. */
  failWaiting(error: KafkaError): void {
    for (const queue of [...this.#active]) {
      for (const batch of [...queue.waiting]) {
        this.#fail({ queue, batch }, error);
      }
    }
  }

  /** Whether the fate of a batch that was sent is unknown. */
  get hasGap(): boolean {
    return this.#queues.values().some(({ hasGap }) => hasGap);
  }

  /** A transaction ended with a new identity: sequences begin anew. */
  renew(): void {
    for (const queue of this.#queues.values()) queue.renew();
  }

  /** Fails what is left. */
  close(error: KafkaError): void {
    this.#closed = error;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const queue of [...this.#active]) {
      for (const batch of queue.all()) this.#fail({ queue, batch }, error);
    }
  }

  #nowMs(): number {
    return this.#cluster.env.clock.monoMs();
  }

  #pump(): void {
    if (this.#closed || this.#active.size === 0) return;
    const { transaction } = this.#options;
    const needsIdentity = !transaction && this.#values["enable.idempotence"];
    if (needsIdentity && !this.#identity) this.#identify();
    const nowMs = this.#nowMs();
    let nextMs = this.#expire(nowMs);
    const ready = new Map<number, PartitionQueue[]>();
    for (const queue of this.#active) {
      const atMs = this.#readyAtMs(queue);
      if (atMs > nowMs) {
        nextMs = Math.min(nextMs, atMs);
        continue;
      }
      const info = this.#cluster.metadata.partition(
        queue.topic,
        queue.partition,
      );
      // A leader that is no broker of the cluster yet is nobody to ask.
      if (!info || !this.#cluster.metadata.brokers.has(info.leader)) {
        this.#options.refresh();
        continue;
      }
      const queues = ready.get(info.leader);
      if (queues) queues.push(queue);
      else ready.set(info.leader, [queue]);
    }
    for (const [nodeId, queues] of ready) this.#sendTo(nodeId, queues);
    if (transaction?.machine.toAdd.length) transaction.onLacking();
    this.#arm(nextMs);
  }

  #readyAtMs(queue: PartitionQueue): number {
    const { transaction } = this.#options;
    if (transaction) {
      if (!transaction.machine.admits(queue)) return Infinity;
    } else if (this.#values["enable.idempotence"]) {
      if (!this.#identity) return Infinity;
      if (queue.isStale(this.#identity) && queue.inFlight === 0) {
        this.#bumpEpoch(this.#identity);
        if (!this.#identity) return Infinity;
      }
    }
    return queue.readyAtMs({
      lingerMs: this.#values["linger.ms"],
      batchSizeBytes: this.#options.batches.batchSizeBytes,
      isFlushing: this.#flushes.size > 0 ||
        this.bufferedBytes >= this.#values["buffer.memory"],
      inFlightMax: this.#values["max.in.flight.requests.per.connection"],
    });
  }

  #sendTo(nodeId: number, queues: PartitionQueue[]): void {
    let node = this.#nodes.get(nodeId);
    if (!node) {
      this.#nodes.set(nodeId, node = { inFlight: 0, isOpening: false });
    }
    const link = this.#cluster.openLink(nodeId);
    if (!link) {
      this.#open(nodeId, node);
      return;
    }
    const nowMs = this.#nowMs();
    const { transaction } = this.#options;
    const identity = transaction?.machine.identity ?? this.#identity;
    const inFlightMax = this.#values["max.in.flight.requests.per.connection"];
    const bytesMax = this.#values["max.request.size"];
    while (node.inFlight < inFlightMax) {
      const batches: Sent[] = [];
      let bytes = 0;
      for (const queue of queues) {
        if (this.#readyAtMs(queue) > nowMs) continue;
        // A leader that knows nothing of this producer takes any sequence: what
        // is on its way to the one before must not be overtaken.
        if (queue.inFlight > 0 && this.#ways.get(queue) !== link) continue;
        if (bytes > 0 && bytes + queue.headBytes > bytesMax) continue;
        const batch = queue.take(identity);
        this.#ways.set(queue, link);
        bytes += batch.bytes.length;
        batches.push({ queue, batch });
      }
      if (batches.length === 0) return;
      // The next request begins with another partition.
      queues.push(queues.shift()!);
      this.#send(link, node, batches);
    }
  }

  #open(nodeId: number, node: Node): void {
    if (node.isOpening) return;
    node.isOpening = true;
    this.#cluster.env.tasks.spawn(`producer link to ${nodeId}`, async () => {
      try {
        await this.#cluster.link(nodeId);
        node.failure = undefined;
        this.#cluster.recovered("Cannot reach a leader");
      } catch (error) {
        node.failure = error;
        this.#cluster.failing("Cannot reach a leader", error);
        this.#options.refresh();
      } finally {
        node.isOpening = false;
        this.wake();
      }
    });
  }

  #send(link: Link, node: Node, batches: Sent[]): void {
    node.inFlight++;
    this.#cluster.env.tasks.spawn("producer request", async () => {
      try {
        await this.#exchange(link, batches);
      } catch (error) {
        const failure = error instanceof KafkaError
          ? error
          : new KafkaError("UNKNOWN_SERVER_ERROR", String(error));
        for (const sent of batches) this.#failed(sent, failure);
      } finally {
        node.inFlight--;
        this.wake();
      }
    });
  }

  async #exchange(link: Link, batches: readonly Sent[]): Promise<void> {
    const { acks } = this.#values;
    const { topics } = this.#cluster.metadata;
    const byTopic = new Map<string, { index: number; records: Uint8Array }[]>();
    for (const { batch } of batches) {
      const part = { index: batch.partition, records: batch.bytes };
      const parts = byTopic.get(batch.topic);
      if (parts) parts.push(part);
      else byTopic.set(batch.topic, [part]);
    }
    let hasIds = true;
    const topicData = [...byTopic].map(([name, partitionData]) => {
      const topicId = topics.get(name)?.topicId;
      if (topicId === undefined) hasIds = false;
      return { name, ...(topicId ? { topicId } : {}), partitionData };
    });
    const transaction = this.#options.transaction?.machine;
    const body = {
      transactionalId: transaction ? this.#values["transactional.id"] : null,
      acks: acks === "all" ? -1 : Number(acks),
      timeoutMs: this.#values["request.timeout.ms"],
      topicData,
    };
    const versionMax = transaction?.version === 1
      ? VERSION_1_MAX
      : hasIds
      ? undefined
      : NAMES_VERSION_MAX;
    const options = { versionMax };
    if (acks === "0") {
      await link.sendOnly(PRODUCE, body, options);
      for (const sent of batches) this.#succeed(sent, -1, -1);
      return;
    }
    this.#settle(batches, await link.request(PRODUCE, body, options));
  }

  #settle(
    batches: readonly Sent[],
    answer: Decoded<typeof PRODUCE.response>,
  ): void {
    const { metadata } = this.#cluster;
    const answers = new Map<string, PartitionAnswer>();
    for (const { name, topicId, partitionResponses } of answer.responses) {
      const topic = name || metadata.nameOf(topicId) || "";
      for (const part of partitionResponses) {
        answers.set(partitionName(topic, part.index), part);
      }
    }
    for (const sent of batches) {
      const { topic, partition } = sent.batch;
      const part = answers.get(partitionName(topic, partition));
      if (!part) {
        this.#failed(
          sent,
          new KafkaError(
            "UNKNOWN_SERVER_ERROR",
            `The broker's answer leaves out ${partitionName(topic, partition)}`,
          ),
        );
      } else if (
        part.errorCode === ERRORS.NONE ||
        part.errorCode === ERRORS.DUPLICATE_SEQUENCE_NUMBER
      ) {
        this.#succeed(sent, part.baseOffset, part.logAppendTimeMs);
      } else {
        metadata.learnLeader(topic, partition, part.currentLeader);
        this.#failed(sent, answerError(sent.batch, part), part.recordErrors);
      }
    }
  }

  #succeed({ queue, batch }: Sent, offset: number, logAppendMs: number): void {
    // An answer may come after delivery.timeout.ms has ended the batch.
    if (batch.isSettled) return;
    queue.acknowledge(batch);
    batch.succeed(offset, logAppendMs, this.#options.onThrow);
    this.#done(queue, batch);
  }

  #failed(
    sent: Sent,
    error: KafkaError,
    recordErrors: PartitionAnswer["recordErrors"] = [],
  ): void {
    const { queue, batch } = sent;
    if (batch.isSettled) return;
    const nowMs = this.#nowMs();
    const isLate = nowMs - batch.createdMs >=
      this.#values["delivery.timeout.ms"];
    const retry = () =>
      queue.retry(batch, nowMs + this.#cluster.retryMs(batch.attempts++));
    if (!isLate && this.#isSequenceFault(sent, error)) return retry();
    const isTooLarge = error.error === "MESSAGE_TOO_LARGE";
    if (isTooLarge && batch.recordCount > 1 && !isLate && !this.#closed) {
      this.#split(sent);
      return;
    }
    if (needsRefresh(error.code)) this.#options.refresh();
    const { transaction } = this.#options;
    const canRetry = isTransient(error) && !isLate && !this.#closed &&
      (transaction?.machine.isSending ?? true) &&
      batch.attempts < this.#values.retries;
    if (canRetry) retry();
    else this.#fail(sent, error, recordErrors);
  }

  /** Whether a new epoch, or patience, mends it; prepares the former. */
  #isSequenceFault({ queue, batch }: Sent, { error }: KafkaError): boolean {
    if (batch.baseSequence < 0) return false;
    if (this.#options.transaction) {
      // Only an abort mends a sequence; an older batch may still be on its way.
      return error === "OUT_OF_ORDER_SEQUENCE_NUMBER" && !queue.isNext(batch) &&
        this.#options.transaction.machine.isSending;
    }
    if (error === "OUT_OF_ORDER_SEQUENCE_NUMBER") {
      // An older batch failed in between: it goes first.
      queue.refused(batch);
      return true;
    }
    if (error === "UNKNOWN_PRODUCER_ID") {
      queue.breakOff();
      return true;
    }
    if (error === "INVALID_PRODUCER_EPOCH") {
      queue.breakOff();
      this.#identity = undefined;
      return true;
    }
    return false;
  }

  /** What the broker finds too large is sent as two. */
  #split({ queue, batch }: Sent): void {
    const heldBytes = batch.heldBytes;
    const halves = queue.split(batch, this.#options.batches);
    this.#incomplete.delete(batch);
    this.bufferedBytes -= heldBytes;
    for (const half of halves) {
      this.#incomplete.add(half);
      this.bufferedBytes += half.heldBytes;
    }
    for (const { left } of this.#flushes) {
      if (left.delete(batch)) { for (const half of halves) left.add(half); }
    }
  }

  #fail(
    { queue, batch }: Sent,
    error: KafkaError,
    recordErrors: PartitionAnswer["recordErrors"] = [],
  ): void {
    queue.drop(batch);
    const { transaction } = this.#options;
    // Before anybody is told, so that a callback finds the transaction spoiled.
    const isSpoiled = transaction?.machine.lost(error) ?? false;
    const byIndex = new Map(
      recordErrors.map((e) => [e.batchIndex, e.batchIndexErrorMessage]),
    );
    batch.fail((index) => {
      if (byIndex.size === 0) return error;
      const detail = byIndex.has(index)
        ? byIndex.get(index) ?? error.message
        : "another record of its batch was refused";
      return new KafkaError(error.error, `Cannot append: ${detail}`);
    }, this.#options.onThrow);
    this.#done(queue, batch);
    if (isSpoiled) transaction?.onSpoiled(error);
  }

  #done(queue: PartitionQueue, batch: ProducerBatch): void {
    if (!this.#incomplete.delete(batch)) return;
    this.bufferedBytes -= batch.heldBytes;
    if (queue.size === 0) this.#active.delete(queue);
    for (const flush of [...this.#flushes]) {
      flush.left.delete(batch);
      if (flush.left.size === 0) flush.done();
    }
    this.#options.onRoom();
  }

  /** Fails what waited too long; returns when to look again. */
  #expire(nowMs: number): number {
    const timeoutMs = this.#values["delivery.timeout.ms"];
    let nextMs = Infinity;
    for (const queue of [...this.#active]) {
      for (const batches of [queue.sent, queue.waiting]) {
        // Oldest first; each one that fails leaves its list.
        for (let batch = batches[0]; batch; batch = batches[0]) {
          if (batch.createdMs + timeoutMs > nowMs) {
            nextMs = Math.min(nextMs, batch.createdMs + timeoutMs);
            break;
          }
          const error = deliveryTimeout(batch, timeoutMs, this.#away(queue));
          this.#fail({ queue, batch }, error);
        }
      }
    }
    return nextMs;
  }

  /** Why a partition's leader can't be reached; `undefined` when it can. */
  #away({ topic, partition }: PartitionQueue): unknown {
    const info = this.#cluster.metadata.partition(topic, partition);
    return info && this.#nodes.get(info.leader)?.failure;
  }

  #arm(atMs: number): void {
    if (this.#timer && this.#timer.atMs <= atMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (atMs === Infinity) return;
    const cancel = this.#cluster.env.clock.timer(
      Math.max(1, atMs - this.#nowMs()),
      () => {
        this.#timer = undefined;
        this.#pump();
      },
    );
    this.#timer = { atMs, cancel };
  }

  /** KIP-360: a new epoch of the same id makes sequences begin anew. */
  #bumpEpoch({ producerId, producerEpoch }: ProducerIdentity): void {
    this.#identity = producerEpoch < EPOCH_MAX
      ? { producerId, producerEpoch: producerEpoch + 1 }
      : undefined;
    if (!this.#identity) this.#identify();
  }

  #identify(): void {
    if (this.#isIdentifying) return;
    this.#isIdentifying = true;
    this.#cluster.env.tasks.spawn("producer id", async () => {
      try {
        this.#identity = await this.#cluster.retrying(
          this.#values["delivery.timeout.ms"],
          () => this.#askIdentity(),
        );
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        for (const queue of [...this.#active]) {
          for (const batch of queue.all()) this.#fail({ queue, batch }, error);
        }
      } finally {
        this.#isIdentifying = false;
        this.wake();
      }
    });
  }

  async #askIdentity(): Promise<ProducerIdentity> {
    const answer = await this.#cluster.ask("any", INIT_PRODUCER_ID, {
      transactionalId: null,
      transactionTimeoutMs: 0x7fffffff,
    });
    if (answer.errorCode !== ERRORS.NONE) {
      throw kafkaError(answer.errorCode, "Cannot get a producer id");
    }
    return {
      producerId: answer.producerId,
      producerEpoch: answer.producerEpoch,
    };
  }
}

function deliveryTimeout(
  batch: ProducerBatch,
  timeoutMs: number,
  cause: unknown,
): KafkaError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new KafkaError(
    "REQUEST_TIMED_OUT",
    `Cannot deliver ${batch.recordCount} records to ${
      partitionName(batch.topic, batch.partition)
    }: delivery.timeout.ms (${timeoutMs}) passed${why}`,
    { cause },
  );
}

function answerError(batch: ProducerBatch, part: PartitionAnswer): KafkaError {
  return kafkaError(
    part.errorCode,
    `Cannot append to ${partitionName(batch.topic, batch.partition)}`,
    part.errorMessage,
  );
}
