/**
 * Carries what `core/client/transaction.ts` decides: the requests of a
 * transactional producer to its coordinator and to groups' coordinators. It
 * must never end a transaction while records of it are in flight.
 *
 * @module
 */
import type { ProducerIdentity } from "../../core/client/partition_queue.ts";
import type { ProducerTransaction } from "../../core/client/transaction.ts";
import type { ProducerValues } from "../../core/config/client_keys.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import type { Decoded, Input, Message } from "../../core/schema/schema.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { ADD_PARTITIONS_TO_TXN } from "../wire/24_add_partitions_to_txn.ts";
import { ADD_OFFSETS_TO_TXN } from "../wire/25_add_offsets_to_txn.ts";
import { END_TXN } from "../wire/26_end_txn.ts";
import { TXN_OFFSET_COMMIT } from "../wire/28_txn_offset_commit.ts";
import type { Api } from "../wire/api.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { Coordinator } from "./coordinator.ts";
import { grouped } from "./offsets.ts";
import type { Sender } from "./sender.ts";
import type { CommittedOffset, ConsumerGroupMetadata } from "./types.ts";

/** Clients add partitions up to this version; above, brokers do. */
const ADD_PARTITIONS_VERSION_MAX = 3;
/** From these versions on a request is of transaction version 2 (KIP-890). */
const END_VERSION_2 = 5;
const OFFSETS_VERSION_2 = 5;
/** The first version in which an epoch can be raised by its owner (KIP-360). */
const BUMP_VERSION = 3;
/** The transaction before is about to be done with: it takes no backoff. */
const CONCURRENT_PAUSE_MS = 20;

/** What the holder provides. */
export interface ProducerTransactionsOptions {
  readonly machine: ProducerTransaction;
  readonly values: ProducerValues;
  readonly transactionalId: string;
  readonly sender: Sender;
  /** Fails records whose topic is still unknown. */
  readonly failUnplaced: (error: KafkaError) => void;
  /** Resolves when everything that was appended is settled. */
  readonly flush: () => Promise<void>;
}

/**
 * The transactions of one producer.
 *
 * 1. At most one AddPartitionsToTxn is under way, and none while a transaction
 *    is being ended.
 */
export class ProducerTransactions {
  readonly #cluster: Cluster;
  readonly #options: ProducerTransactionsOptions;
  readonly #machine: ProducerTransaction;
  readonly #coordinator: Coordinator;
  readonly #groups = new Map<string, Coordinator>();
  #adding: Promise<void> | undefined;

  constructor(cluster: Cluster, options: ProducerTransactionsOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#machine = options.machine;
    this.#coordinator = new Coordinator(cluster, options.transactionalId, {
      kind: "transactional id",
    });
  }

  /** Gets an identity; fences whoever had the transactional id before. */
  async initialize(): Promise<void> {
    this.#machine.checkInitialize();
    await this.#askIdentity("Cannot initialize transactions");
  }

  /** Begins a transaction of the version that the cluster has finalized. */
  begin(): void {
    const level = this.#cluster.featureLevel("transaction.version");
    this.#machine.begin(level >= 2 ? 2 : 1);
  }

  /** Makes offsets of a group part of the transaction. */
  async sendOffsets(
    offsets: readonly CommittedOffset[],
    group: ConsumerGroupMetadata,
  ): Promise<void> {
    const refusal = this.#machine.refusal("send offsets");
    if (refusal) throw refusal;
    if (offsets.length === 0) return;
    const what = `Cannot commit offsets of group "${group.groupId}"`;
    try {
      if (this.#machine.lacksGroup(group.groupId)) {
        await this.#addGroup(group.groupId, what);
      }
      await this.#commitOffsets(offsets, group, what);
    } catch (error) {
      if (error instanceof KafkaError) this.#machine.gaveUp(error);
      throw error;
    }
  }

  /** Waits for all records, then makes them and the offsets visible. */
  async commit(): Promise<void> {
    this.#machine.commit();
    await this.#options.flush();
    await this.#adding;
    if (this.#machine.error) throw this.#machine.error;
    await this.#end(true);
  }

  /** Gives up all records and offsets of the transaction. */
  async abort(): Promise<void> {
    this.#machine.abort();
    this.#failUnsent(
      new KafkaError(
        "TRANSACTION_ABORTABLE",
        "Cannot deliver: the transaction is being aborted",
      ),
    );
    await this.#options.flush();
    await this.#adding;
    // Fenced meanwhile: whoever took the id over has aborted it.
    if (this.#machine.state === "fatal") throw this.#machine.error!;
    await this.#end(false);
  }

  /** Fails what has not been sent: it can't be committed any more. */
  spoiled(cause: KafkaError): void {
    this.#failUnsent(
      new KafkaError(
        cause.error,
        `Cannot deliver: the transaction lacks another record. ${cause.message}`,
        { cause },
      ),
    );
  }

  #failUnsent(error: KafkaError): void {
    this.#options.failUnplaced(error);
    this.#options.sender.failWaiting(error);
  }

  /** Tells the coordinator of partitions that wait to be admitted. */
  addPartitions(): void {
    if (this.#adding) return;
    const adding = Promise.withResolvers<void>();
    this.#adding = adding.promise;
    this.#cluster.env.tasks.spawn("transaction partitions", async () => {
      try {
        await this.#addAll();
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        this.#machine.gaveUp(error);
        this.#failUnsent(error);
      } finally {
        this.#adding = undefined;
        adding.resolve();
        this.#options.sender.wake();
      }
    });
  }

  async #addAll(): Promise<void> {
    for (;;) {
      const partitions = this.#machine.toAdd;
      if (partitions.length === 0) return;
      await this.#untilAccepted(
        () => this.#add(partitions),
        { timeoutMs: this.#options.values["delivery.timeout.ms"] },
      );
      this.#machine.added(partitions);
      this.#options.sender.wake();
    }
  }

  async #add(partitions: readonly TopicPartition[]): Promise<void> {
    const { producerId, producerEpoch } = this.#machine.identity!;
    this.#machine.starting();
    const answer = await this.#ask(this.#coordinator, ADD_PARTITIONS_TO_TXN, {
      v3AndBelowTransactionalId: this.#options.transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: grouped(partitions).map(({ topic, items }) => ({
        name: topic,
        partitions: items.map(({ partition }) => partition),
      })),
    }, { versionMax: ADD_PARTITIONS_VERSION_MAX });
    throwWorst(
      answer.resultsByTopicV3AndBelow.flatMap(({ name, resultsByPartition }) =>
        resultsByPartition.map(({ partitionIndex, partitionErrorCode }) => ({
          code: partitionErrorCode,
          what: `Cannot add ${
            partitionName(name, partitionIndex)
          } to the transaction`,
        }))
      ),
    );
  }

  async #addGroup(groupId: string, what: string): Promise<void> {
    await this.#untilAccepted(async () => {
      const { producerId, producerEpoch } = this.#machine.identity!;
      this.#machine.starting();
      const { errorCode } = await this.#ask(
        this.#coordinator,
        ADD_OFFSETS_TO_TXN,
        {
          transactionalId: this.#options.transactionalId,
          producerId,
          producerEpoch,
          groupId,
        },
      );
      if (errorCode !== ERRORS.NONE) throw kafkaError(errorCode, what);
    });
    this.#machine.addedGroup(groupId);
  }

  async #commitOffsets(
    offsets: readonly CommittedOffset[],
    group: ConsumerGroupMetadata,
    what: string,
  ): Promise<void> {
    const { groupId } = group;
    let coordinator = this.#groups.get(groupId);
    if (!coordinator) {
      coordinator = new Coordinator(this.#cluster, groupId);
      this.#groups.set(groupId, coordinator);
    }
    const { version } = this.#machine;
    await this.#untilAccepted(async () => {
      const { producerId, producerEpoch } = this.#machine.identity!;
      const answer = await this.#ask(coordinator, TXN_OFFSET_COMMIT, {
        transactionalId: this.#options.transactionalId,
        groupId,
        producerId,
        producerEpoch,
        generationIdOrMemberEpoch: group.generationId,
        memberId: group.memberId,
        groupInstanceId: group.groupInstanceId,
        topics: grouped(offsets).map(({ topic, items }) => ({
          name: topic,
          partitions: items.map((item) => ({
            partitionIndex: item.partition,
            committedOffset: item.offset,
            committedLeaderEpoch: item.leaderEpoch ?? -1,
            committedMetadata: item.metadata ?? "",
          })),
        })),
      }, {
        versionMax: version === 2 ? OFFSETS_VERSION_2 : OFFSETS_VERSION_2 - 1,
      });
      throwWorst(
        answer.topics.flatMap(({ partitions }) =>
          partitions.map(({ errorCode }) => ({ code: errorCode, what }))
        ),
      );
    }, { coordinator });
  }

  /** What has to be sent, until the transaction is over. */
  async #end(isCommitted: boolean): Promise<void> {
    const { sender } = this.#options;
    const before = this.#machine.identity;
    const word = isCommitted ? "commit" : "abort";
    for (
      let step = this.#machine.endStep(sender.hasGap);
      step !== undefined;
      step = this.#machine.isSending || this.#machine.state === "aborting"
        ? this.#machine.endStep(sender.hasGap)
        : undefined
    ) {
      if (step === "bump") {
        await this.#askIdentity(`Cannot ${word} the transaction`);
      } else await this.#sendEnd(isCommitted, `Cannot ${word} the transaction`);
      if (this.#machine.identity !== before) sender.renew();
    }
  }

  async #sendEnd(committed: boolean, what: string): Promise<void> {
    const { version } = this.#machine;
    const next = await this.#untilAccepted(async () => {
      const { producerId, producerEpoch } = this.#machine.identity!;
      const answer = await this.#ask(this.#coordinator, END_TXN, {
        transactionalId: this.#options.transactionalId,
        producerId,
        producerEpoch,
        committed,
      }, { versionMax: version === 2 ? END_VERSION_2 : END_VERSION_2 - 1 });
      if (answer.errorCode === ERRORS.NONE) return answer;
      const error = kafkaError(answer.errorCode, what);
      if (this.#machine.wasNeverStarted(error)) return undefined;
      throw error;
    });
    if (next) this.#machine.ended(next);
  }

  /** A first identity, or a newer epoch of the one that there is. */
  async #askIdentity(what: string): Promise<void> {
    const { identity } = this.#machine;
    this.#machine.initialized(
      await this.#untilAccepted(() => this.#askIdentityOnce(identity, what)),
    );
  }

  async #askIdentityOnce(
    identity: ProducerIdentity | undefined,
    what: string,
  ): Promise<ProducerIdentity> {
    const nodeId = await this.#coordinator.nodeId();
    const link = await this.#cluster.link(nodeId, "group");
    if (identity && (link.version(INIT_PRODUCER_ID) ?? 0) < BUMP_VERSION) {
      throw new KafkaError(
        "UNSUPPORTED_VERSION",
        `${what}: the broker can't raise a producer's epoch, it is older than Kafka 2.5. Close this producer and make a new one`,
      );
    }
    const answer = await this.#ask(this.#coordinator, INIT_PRODUCER_ID, {
      transactionalId: this.#options.transactionalId,
      transactionTimeoutMs: this.#options.values["transaction.timeout.ms"],
      ...(identity
        ? {
          producerId: identity.producerId,
          producerEpoch: identity.producerEpoch,
        }
        : {}),
    });
    if (answer.errorCode === ERRORS.NONE) return answer;
    throw kafkaError(answer.errorCode, what);
  }

  /**
   * Runs `attempt` until the coordinator (default: this producer's) accepts it;
   * the machine judges its refusals.
   */
  async #untilAccepted<T>(
    attempt: () => Promise<T>,
    {
      coordinator = this.#coordinator,
      timeoutMs = this.#options.values["max.block.ms"],
    }: { readonly coordinator?: Coordinator; readonly timeoutMs?: number } = {},
  ): Promise<T> {
    try {
      return await this.#cluster.retrying(timeoutMs, async () => {
        try {
          return await attempt();
        } catch (error) {
          if (!(error instanceof KafkaError) || this.#cluster.isClosed) {
            throw error;
          }
          coordinator.noteError(error);
          if (isTransient(error) && !isGroupRefusal(error)) throw error;
          if (this.#machine.refused(error) === "retry") throw error;
          throw new Refused(this.#machine.error ?? error);
        }
      }, {
        pauseMs: ({ error }) =>
          error === "CONCURRENT_TRANSACTIONS" ? CONCURRENT_PAUSE_MS : undefined,
      });
    } catch (error) {
      throw error instanceof Refused ? error.error : error;
    }
  }

  /** One request to a coordinator. */
  async #ask<Req extends Message, Res extends Message>(
    coordinator: Coordinator,
    api: Api<Req, Res>,
    body: Input<Req>,
    { versionMax }: { readonly versionMax?: number } = {},
  ): Promise<Decoded<Res>> {
    const nodeId = await coordinator.nodeId();
    return await this.#cluster.ask(nodeId, api, body, {
      versionMax,
      lane: "group",
    });
  }
}

/** What only the group's next poll mends: here the transaction is over. */
function isGroupRefusal({ error }: KafkaError): boolean {
  return error === "REBALANCE_IN_PROGRESS" || error === "STALE_MEMBER_EPOCH";
}

/** Throws the worst of several outcomes: one that retrying does not mend. */
function throwWorst(
  outcomes: readonly { readonly code: number; readonly what: string }[],
): void {
  const errors = outcomes.filter(({ code }) => code !== ERRORS.NONE)
    .map(({ code, what }) => kafkaError(code, what));
  const isSkipped = ({ error }: KafkaError) =>
    error === "OPERATION_NOT_ATTEMPTED";
  const worst =
    errors.find((error) => !isTransient(error) && !isSkipped(error)) ??
      errors.find((error) => !isSkipped(error)) ?? errors[0];
  if (worst) throw worst;
}

/** Carries a judged refusal through the retry loop, which may like its code. */
class Refused extends Error {
  constructor(readonly error: KafkaError) {
    super(error.message);
  }
}
