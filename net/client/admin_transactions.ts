/**
 * The admin client's requests that concern transactions: what coordinators and
 * partition leaders know of them, and the two ways to end one that its producer
 * doesn't (KIP-664). Owns their translation; `admin.ts` offers them.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { partitionName, type TopicPartition } from "../../core/ids.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { WRITE_TXN_MARKERS } from "../wire/27_write_txn_markers.ts";
import { DESCRIBE_PRODUCERS } from "../wire/61_describe_producers.ts";
import { DESCRIBE_TRANSACTIONS } from "../wire/65_describe_transactions.ts";
import { LIST_TRANSACTIONS } from "../wire/66_list_transactions.ts";
import type {
  HangingTransaction,
  Outcome,
  ProducerDescription,
  TransactionDescription,
  TransactionFilter,
  TransactionListing,
} from "./admin_types.ts";
import { type Cluster, isTransient, kafkaError } from "./cluster.ts";
import { findCoordinator, knowTopics } from "./offsets.ts";

type Retrying = <T>(attempt: () => Promise<T>) => Promise<T>;

/** Kept by the coordinator until the next producer says another. */
const TIMEOUT_MS = 60_000;

/** Transactions of one cluster. */
export class AdminTransactions {
  readonly #cluster: Cluster;
  readonly #retrying: Retrying;

  constructor(cluster: Cluster, retrying: Retrying) {
    this.#cluster = cluster;
    this.#retrying = retrying;
  }

  async list(filter: TransactionFilter): Promise<TransactionListing[]> {
    await this.#retrying(() => this.#cluster.refresh([]));
    const nodeIds = [...this.#cluster.metadata.brokers.keys()];
    const answers = await Promise.all(
      nodeIds.map((nodeId) =>
        this.#retrying(() => this.#listAt(nodeId, filter))
      ),
    );
    return answers.flat().sort((a, b) =>
      a.transactionalId < b.transactionalId ? -1 : 1
    );
  }

  describe(ids: readonly string[]): Promise<TransactionDescription[]> {
    return Promise.all(
      ids.map((id) => this.#retrying(() => this.#describeOne(id))),
    );
  }

  /** Ends what is open under each id, and whoever uses it. */
  fence(ids: readonly string[]): Promise<Outcome[]> {
    return Promise.all(ids.map(async (name) => {
      try {
        await this.#retrying(() => this.#fenceOne(name));
        return { name };
      } catch (error) {
        if (error instanceof KafkaError && !isTransient(error)) {
          return { name, error };
        }
        throw error;
      }
    }));
  }

  producers(at: TopicPartition): Promise<ProducerDescription[]> {
    const what = `Cannot describe producers of ${
      partitionName(at.topic, at.partition)
    }`;
    return this.#retrying(async () => {
      const { topics } = await this.#cluster.ask(
        await this.#leaderOf(at, what),
        DESCRIBE_PRODUCERS,
        {
          topics: [{ name: at.topic, partitionIndexes: [at.partition] }],
        },
      );
      const part = topics[0]?.partitions[0];
      if (!part) throw new KafkaError("UNKNOWN_SERVER_ERROR", what);
      await this.#check(part.errorCode, what, part.errorMessage);
      return part.activeProducers.map((producer) => ({
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        lastSequence: producer.lastSequence,
        lastTimestamp: producer.lastTimestamp,
        coordinatorEpoch: producer.coordinatorEpoch,
        transactionStartOffset: producer.currentTxnStartOffset < 0
          ? null
          : producer.currentTxnStartOffset,
      }));
    });
  }

  async abortHanging(hanging: HangingTransaction): Promise<void> {
    const what = `Cannot abort the transaction in ${
      partitionName(hanging.topic, hanging.partition)
    }`;
    await this.#retrying(async () => {
      const { markers } = await this.#cluster.ask(
        await this.#leaderOf(hanging, what),
        WRITE_TXN_MARKERS,
        {
          markers: [{
            producerId: hanging.producerId,
            producerEpoch: hanging.producerEpoch,
            transactionResult: false,
            topics: [{
              name: hanging.topic,
              partitionIndexes: [hanging.partition],
            }],
            coordinatorEpoch: hanging.coordinatorEpoch,
          }],
        },
      );
      const code = markers[0]?.topics[0]?.partitions[0]?.errorCode ??
        ERRORS.UNKNOWN_SERVER_ERROR;
      await this.#check(code, what);
    });
  }

  async #listAt(
    nodeId: number,
    filter: TransactionFilter,
  ): Promise<TransactionListing[]> {
    const { states = [], runningMs, pattern } = filter;
    const answer = await this.#cluster.ask(nodeId, LIST_TRANSACTIONS, {
      stateFilters: [...states],
      producerIdFilters: [],
      ...(runningMs === undefined ? {} : { durationFilter: runningMs }),
      ...(pattern === undefined ? {} : { transactionalIdPattern: pattern }),
    });
    const what = "Cannot list transactions";
    if (answer.errorCode !== ERRORS.NONE) {
      throw kafkaError(answer.errorCode, what);
    }
    if (answer.unknownStateFilters.length > 0) {
      throw new KafkaError(
        "INVALID_REQUEST",
        `${what}: there is no state "${answer.unknownStateFilters.join(", ")}"`,
      );
    }
    return answer.transactionStates.map((each) => ({
      transactionalId: each.transactionalId,
      producerId: each.producerId,
      state: each.transactionState,
      coordinator: nodeId,
    }));
  }

  async #describeOne(id: string): Promise<TransactionDescription> {
    const coordinator = await this.#coordinatorOf(id);
    const answer = await this.#cluster.ask(
      coordinator,
      DESCRIBE_TRANSACTIONS,
      { transactionalIds: [id] },
    );
    const found = answer.transactionStates[0];
    const what = `Cannot describe transactional id "${id}"`;
    if (!found) throw new KafkaError("UNKNOWN_SERVER_ERROR", what);
    const error = found.errorCode === ERRORS.NONE
      ? undefined
      : kafkaError(found.errorCode, what);
    if (error && isTransient(error)) throw error;
    return {
      name: id,
      coordinator,
      state: found.transactionState,
      timeoutMs: found.transactionTimeoutMs,
      startTimestamp: found.transactionStartTimeMs < 0
        ? null
        : found.transactionStartTimeMs,
      producerId: found.producerId,
      producerEpoch: found.producerEpoch,
      partitions: found.topics.flatMap(({ topic, partitions }) =>
        partitions.map((partition) => ({ topic, partition }))
      ),
      ...(error ? { error } : {}),
    };
  }

  /** A new identity makes the one before, and its transaction, void. */
  async #fenceOne(transactionalId: string): Promise<void> {
    const coordinator = await this.#coordinatorOf(transactionalId);
    const { errorCode } = await this.#cluster.ask(
      coordinator,
      INIT_PRODUCER_ID,
      { transactionalId, transactionTimeoutMs: TIMEOUT_MS },
    );
    const what = `Cannot fence transactional id "${transactionalId}"`;
    if (errorCode !== ERRORS.NONE) throw kafkaError(errorCode, what);
  }

  #coordinatorOf(id: string): Promise<number> {
    return findCoordinator(this.#cluster, id, { kind: "transactional id" });
  }

  async #leaderOf(at: TopicPartition, what: string): Promise<number> {
    await knowTopics(this.#cluster, [at.topic]);
    const { topics } = this.#cluster.metadata;
    const leader = this.#cluster.metadata.partition(at.topic, at.partition)
      ?.leader;
    if (leader !== undefined && leader >= 0) return leader;
    const isThere = topics.get(at.topic)?.error === "NONE";
    throw new KafkaError(
      isThere && leader !== undefined
        ? "LEADER_NOT_AVAILABLE"
        : "UNKNOWN_TOPIC_OR_PARTITION",
      `${what}: ${
        leader === undefined ? "there is no such partition" : "it has no leader"
      }`,
    );
  }

  /** Throws for an error; one that tells of another leader renews metadata. */
  async #check(
    code: number,
    what: string,
    detail?: string | null,
  ): Promise<void> {
    if (code === ERRORS.NONE) return;
    const error = kafkaError(code, what, detail);
    if (isTransient(error)) {
      await this.#cluster.refresh([...this.#cluster.metadata.topics.keys()]);
    }
    throw error;
  }
}
