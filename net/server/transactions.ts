/**
 * The transaction coordinators of this broker: one per hosted partition of
 * `__transaction_state`, loaded when first needed. Owns the binding of machine,
 * log, timers and markers; it must never decide about a transaction.
 *
 * @module
 */
import { CoordinatorHost } from "../../core/coordinator/host.ts";
import type { Cancel } from "../../core/env/env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import { partitionName } from "../../core/ids.ts";
import { decodeRecords } from "../../core/record/record.ts";
import {
  LIST_OPEN,
  type ListedTransaction,
  type ListTransactionsInput,
  type NeedsProducerId,
  type TxnChange,
  type TxnProducer,
  type TxnReplies,
  type TxnReply,
  type TxnRequest,
  type WriteMarkersEffect,
} from "../../core/txn/inputs.ts";
import { storedOf, TransactionMachine } from "../../core/txn/machine.ts";
import { OpenTransactions } from "../../core/txn/overdue.ts";
import {
  decodeTransactionRecord,
  type TransactionRecord,
} from "../../core/txn/records.ts";
import type { TxnState } from "../../core/txn/transaction.ts";
import {
  batchesIn,
  coordinatorLog,
  CoordinatorTopic,
  errorNameOf,
  TRANSACTIONS_TOPIC,
} from "./coordinator_topic.ts";
import { type Coordinator, Coordinators } from "./coordinators.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import { type Services, transactionVersionOf } from "./services.ts";
import { endTransaction, type TopicPartitionRef } from "./txn_markers.ts";

type Host = CoordinatorHost<
  TxnRequest,
  TxnChange,
  TxnReply,
  WriteMarkersEffect
>;

type Answer<R extends TxnRequest> = TxnReplies[R["type"]];

/** How long partitions that refused a marker are left alone. */
const MARKER_RETRY_MS = 100;

/** Markers with these errors go nowhere, however often they are sent. */
const POINTLESS: ReadonlySet<ErrorName> = new Set([
  // A later transaction of the producer is there already.
  "INVALID_PRODUCER_EPOCH",
  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
  "UNSUPPORTED_VERSION",
]);

/**
 * One coordinator: machine, log, markers on their way.
 *
 * Invariants:
 * 1. Markers of one life of the state are never reported to another: what was
 *    prepared is written again after each load.
 */
class TransactionCoordinator implements Coordinator {
  readonly #services: Services;
  readonly #hosted: HostedPartition;
  readonly #host: Host;
  readonly #retries = new Set<Cancel>();
  readonly #open = new OpenTransactions();
  #machine: TransactionMachine | undefined;

  constructor(services: Services, hosted: HostedPartition) {
    this.#services = services;
    this.#hosted = hosted;
    this.#host = new CoordinatorHost({
      log: coordinatorLog(hosted, services),
      clock: services.env.clock,
      create: () =>
        this.#machine = new TransactionMachine(() => configOf(services)),
      encode: storedOf,
      onEffect: (effect) =>
        this.#writeMarkers(this.#machine!, effect, effect.partitions),
      onDiscarded: () => this.#discard(),
    });
    hosted.onCommitted((highWatermark) => this.#host.committed(highWatermark));
    hosted.onFailed((error) => this.fail(error));
  }

  get hosted(): HostedPartition {
    return this.#hosted;
  }

  /** Adds its transactional ids by state to `counts`. */
  countStates(counts: Map<TxnState, number>): void {
    this.#machine?.countStates(counts);
  }

  /** Replays the log unless that is done. */
  load(): void {
    if (this.#host.isLoaded) return;
    this.#host.load(recordsOf(this.#hosted));
    this.tell({ type: "Loaded" });
  }

  /** Decides a request. */
  ask<R extends TxnRequest>(request: R): Promise<Answer<R>> {
    return this.#host.submit(request) as Promise<Answer<R>>;
  }

  /** Decides what nobody waits for; failures are traced. */
  tell(request: TxnRequest): void {
    this.ask(request).catch((error) => {
      if (errorNameOf(error) === "COORDINATOR_LOAD_IN_PROGRESS") return;
      this.#services.env.trace("warn", "A transaction coordinator failed", {
        partition: this.#hosted.index,
        error,
      });
    });
  }

  /** The transactions that take too long. */
  async overdue(): Promise<ListedTransaction[]> {
    const { clock } = this.#services.env;
    const now = { wallMs: clock.wallMs(), monoMs: clock.monoMs() };
    return this.#open.overdue(await this.ask(LIST_OPEN), now);
  }

  fail(error: unknown): void {
    this.#host.fail(error);
  }

  /** Writes markers until each partition has its own, or needs none. */
  async #writeMarkers(
    life: TransactionMachine,
    effect: WriteMarkersEffect,
    partitions: readonly TopicPartitionRef[],
  ): Promise<void> {
    const errors = await this.#attempt(effect, partitions);
    if (this.#machine !== life) return;
    const written: TopicPartitionRef[] = [];
    const left: TopicPartitionRef[] = [];
    partitions.forEach((each, i) => {
      const isDone = this.#isDone(each, errors[i] ?? "UNKNOWN_SERVER_ERROR");
      (isDone ? written : left).push(each);
    });
    if (written.length > 0 || left.length === 0) {
      this.tell({ ...effect, type: "MarkersWritten", partitions: written });
    }
    if (left.length === 0) return;
    const { clock, trace } = this.#services.env;
    // Said once: it may go on for as long as a disk is broken.
    if (partitions === effect.partitions) {
      const { topic, partition } = left[0]!;
      trace("warn", "A transaction waits for partitions to take its markers", {
        transactionalId: effect.transactionalId,
        partitions: left.length,
        first: partitionName(topic, partition),
        error: errors[partitions.indexOf(left[0]!)],
      });
    }
    const cancel = clock.timer(MARKER_RETRY_MS, () => {
      this.#retries.delete(cancel);
      this.#writeMarkers(life, effect, left);
    });
    this.#retries.add(cancel);
  }

  async #attempt(
    { producerId, producerEpoch, committed, transactionVersion }:
      WriteMarkersEffect,
    partitions: readonly TopicPartitionRef[],
  ): Promise<readonly ErrorName[]> {
    if (partitions.length === 0) return [];
    const marker = {
      producerId,
      producerEpoch,
      coordinatorEpoch: this.#hosted.partition.leaderEpoch,
      committed,
      transactionVersion,
    };
    try {
      return await endTransaction(this.#services, marker, partitions);
    } catch (error) {
      this.#services.env.trace("warn", "Markers could not be written", {
        partition: this.#hosted.index,
        error,
      });
      return partitions.map(() => errorNameOf(error));
    }
  }

  #isDone({ topic, partition }: TopicPartitionRef, error: ErrorName): boolean {
    if (error === "NONE") return true;
    const { image, env } = this.#services;
    const isGone = image.topic(topic)?.partitions[partition] === undefined;
    if (isGone) return true;
    if (!POINTLESS.has(error)) return false;
    env.trace("warn", "A partition takes no marker", {
      topic,
      partition,
      error,
    });
    return true;
  }

  #discard(): void {
    this.#machine = undefined;
    for (const cancel of this.#retries) cancel();
    this.#retries.clear();
  }
}

/** All transaction coordinators of one broker. */
export class Transactions {
  readonly #services: Services;
  readonly #topic: CoordinatorTopic;
  readonly #coordinators: Coordinators<TransactionCoordinator>;
  readonly #timers = new Set<Cancel>();

  constructor(services: Services) {
    this.#services = services;
    this.#topic = new CoordinatorTopic(services, TRANSACTIONS_TOPIC);
    this.#coordinators = new Coordinators(
      services,
      this.#topic,
      (hosted) => new TransactionCoordinator(services, hosted),
    );
  }

  /** Loads what is hosted, and looks for what takes too long from now on. */
  start(): void {
    this.#coordinators.all();
    const { config } = this.#services;
    this.#every(
      config["transaction.abort.timed.out.transaction.cleanup.interval.ms"],
      () => this.#abortTimedOut(),
    );
    this.#every(
      config["transaction.remove.expired.transaction.cleanup.interval.ms"],
      () => {
        for (const each of this.#coordinators.all()) {
          each.tell({ type: "ExpireIds" });
        }
      },
    );
  }

  /** Forgets everything. */
  close(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#coordinators.close();
  }

  /** Decides a request of the transactional id's coordinator. */
  async ask<
    R extends TxnRequest & { readonly transactionalId: string },
  >(request: R): Promise<Exclude<Answer<R>, NeedsProducerId>> {
    const { transactionalId } = request;
    return await this.#coordinators.attempt(async () => {
      const reply = await this.#coordinators.of(transactionalId).ask(request);
      if (!needsProducerId(reply)) return reply;
      const freshProducerId = await this.#services.producerIds.take();
      return await this.#coordinators.of(transactionalId).ask({
        ...request,
        freshProducerId,
      });
    }) as Exclude<Answer<R>, NeedsProducerId>;
  }

  /** What AddPartitionsToTxn answers partitions' leaders (KIP-890). */
  async verify(
    { verifyOnly, ...producer }: TxnProducer & {
      /** Transaction version 1: ask only. Version 2: add them. */
      readonly verifyOnly: boolean;
      readonly partitions: readonly TopicPartitionRef[];
    },
  ): Promise<readonly ErrorName[]> {
    const { nodeId, txnPeers } = this.#services;
    const coordinator = this.#topic.leaderOf(producer.transactionalId);
    if (coordinator !== -1 && coordinator !== nodeId) {
      return await txnPeers.verify(coordinator, { verifyOnly, ...producer });
    }
    const { errors } = verifyOnly
      ? await this.ask({ type: "VerifyPartitions", ...producer })
      : await this.ask({
        type: "AddPartitions",
        ...producer,
        clientVersion: 2,
      });
    return errors;
  }

  /** The transactional ids of all coordinators here that `filter` lets through. */
  list(
    filter: ListTransactionsInput,
  ): Promise<TxnReplies["ListTransactions"]> {
    return this.#coordinators.attempt(async () => {
      const found = this.#coordinators.all().map((each) => each.ask(filter));
      return (await Promise.all(found)).flat();
    });
  }

  /** How many transactional ids are in each state. */
  countStates(): ReadonlyMap<TxnState, number> {
    const counts = new Map<TxnState, number>();
    for (const each of this.#coordinators.made) each.countStates(counts);
    return counts;
  }

  /** Partitions of `topics` are led here now. */
  ledHere(topics: ReadonlySet<string>): void {
    this.#coordinators.ledHere(topics);
  }

  /** Coordinators of a topic that is gone are gone, too. */
  topicsDeleted(topics: readonly string[]): void {
    if (topics.includes(TRANSACTIONS_TOPIC)) this.#coordinators.forget();
  }

  /** The broker that coordinates the id; creates the topic when needed. */
  coordinatorOf(transactionalId: string): Promise<number | undefined> {
    return this.#topic.coordinatorOf(transactionalId);
  }

  #every(ms: number, fn: () => void): void {
    const cancel = this.#services.env.clock.timer(ms, () => {
      this.#timers.delete(cancel);
      fn();
      this.#every(ms, fn);
    });
    this.#timers.add(cancel);
  }

  async #abortTimedOut(): Promise<void> {
    for (const coordinator of this.#coordinators.all()) {
      try {
        const found = await coordinator.overdue();
        for (const { transactionalId, producerId, ...each } of found) {
          const { producerEpoch, startMs } = each;
          const producer = { transactionalId, producerId, producerEpoch };
          await this.ask({ type: "TimeOut", ...producer, startMs });
          this.#services.env.trace("info", "A transaction timed out", producer);
        }
      } catch (error) {
        this.#services.env.trace("warn", "Transactions can't be timed out", {
          partition: coordinator.hosted.index,
          error,
        });
      }
    }
  }
}

/** The code of an answer; old versions don't tell fencing from an old epoch. */
export function txnErrorCode(
  error: ErrorName,
  { knowsFencing }: { readonly knowsFencing: boolean },
): number {
  return error === "PRODUCER_FENCED" && !knowsFencing
    ? ERRORS.INVALID_PRODUCER_EPOCH
    : ERRORS[error];
}

function needsProducerId(reply: TxnReply): reply is NeedsProducerId {
  return typeof reply === "object" && reply !== null &&
    "needsProducerId" in reply;
}

function configOf({ config, image }: Services) {
  return {
    transactionVersion: transactionVersionOf(image),
    timeoutMaxMs: config["transaction.max.timeout.ms"],
    idExpirationMs: config["transactional.id.expiration.ms"],
  };
}

/** Every record of the partition that is understood, oldest first. */
function* recordsOf(hosted: HostedPartition): Generator<TransactionRecord> {
  for (const view of batchesIn(hosted)) {
    if (view.isControl) continue;
    for (const stored of decodeRecords(view)) {
      const record = decodeTransactionRecord(stored);
      if (record.type === "Transaction") yield record;
    }
  }
}
