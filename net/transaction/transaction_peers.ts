/**
 * What transactions need of other brokers: that the coordinator of one has a
 * partition in it, and that the leaders of its partitions end it. Owns a link
 * to each broker for each of the two, since an answer that waits for a commit
 * holds up those behind it; trying again is for whoever asks.
 *
 * @module
 */
import { type ErrorName, errorName, KafkaError } from "../../core/errors.ts";
import type { Link } from "../link/link.ts";
import { ADD_PARTITIONS_TO_TXN } from "../wire/24_add_partitions_to_txn.ts";
import { WRITE_TXN_MARKERS } from "../wire/27_write_txn_markers.ts";

/** A partition of a transaction. */
export interface TxnPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What a coordinator is asked of a producer's transaction. */
export interface AskedTransaction {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Transaction version 1: ask only. Version 2: add them. */
  readonly verifyOnly: boolean;
  readonly partitions: readonly TxnPartition[];
}

/** How a transaction ends. */
export interface EndedTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly committed: boolean;
  readonly transactionVersion: number;
}

interface TopicPartitions {
  readonly name: string;
  readonly indexes: number[];
}

/** What {@linkcode TransactionPeers} are made of. */
export interface TransactionPeersOptions {
  /** Dials a broker, wherever it is now. */
  readonly connect: (brokerId: number) => Promise<Link>;
  /** What tells its lives apart; undefined while it is fenced, or unknown. */
  readonly epochOf: (brokerId: number) => number | undefined;
}

/** A link, and the life of its broker that it was dialled in. */
interface Peer {
  readonly opening: Promise<Link>;
  readonly broker: number;
  readonly epoch: number | undefined;
}

/**
 * The other brokers.
 *
 * Invariants:
 * 1. There is one link at most for each purpose and broker.
 */
export class TransactionPeers {
  readonly #options: TransactionPeersOptions;
  readonly #peers = new Map<string, Peer>();
  #isClosed = false;

  constructor(options: TransactionPeersOptions) {
    this.#options = options;
  }

  /** What a coordinator says of each partition; never rejects. */
  async verify(
    coordinator: number,
    { partitions, ...producer }: AskedTransaction,
  ): Promise<ErrorName[]> {
    try {
      const link = await this.#link("verify", coordinator);
      const topics = byTopic(partitions)
        .map(({ name, indexes }) => ({ name, partitions: indexes }));
      const { errorCode, resultsByTransaction } = await link.request(
        ADD_PARTITIONS_TO_TXN,
        { transactions: [{ ...producer, topics }] },
      );
      const results = resultsByTransaction[0]?.topicResults.flatMap((topic) =>
        topic.resultsByPartition.map((each) => ({
          topic: topic.name,
          partition: each.partitionIndex,
          code: each.partitionErrorCode,
        }))
      );
      return errorsOf(partitions, results ?? [], errorCode);
    } catch (error) {
      return partitions.map(() =>
        unreachedAs("COORDINATOR_NOT_AVAILABLE", error)
      );
    }
  }

  /** Ends a transaction in partitions that `leader` leads; never rejects. */
  async end(
    leader: number,
    { committed, ...marker }: EndedTransaction,
    partitions: readonly TxnPartition[],
  ): Promise<ErrorName[]> {
    try {
      const link = await this.#link("end", leader);
      const topics = byTopic(partitions)
        .map(({ name, indexes }) => ({ name, partitionIndexes: indexes }));
      const { markers } = await link.request(WRITE_TXN_MARKERS, {
        markers: [{ ...marker, transactionResult: committed, topics }],
      });
      const results = markers[0]?.topics.flatMap((topic) =>
        topic.partitions.map((each) => ({
          topic: topic.name,
          partition: each.partitionIndex,
          code: each.errorCode,
        }))
      );
      return errorsOf(partitions, results ?? [], 0);
    } catch (error) {
      return partitions.map(() => unreachedAs("BROKER_NOT_AVAILABLE", error));
    }
  }

  /**
   * These changed. Who lost its power hangs up on nobody: what was asked of it
   * would wait for its time-out, though others lead its partitions.
   */
  brokersChanged(ids: ReadonlySet<number>): void {
    for (const [key, { opening, broker, epoch }] of this.#peers) {
      if (!ids.has(broker) || this.#options.epochOf(broker) === epoch) continue;
      this.#peers.delete(key);
      hangUp(opening);
    }
  }

  /** Ends all links; who waits is refused. */
  close(): void {
    this.#isClosed = true;
    for (const { opening } of this.#peers.values()) hangUp(opening);
    this.#peers.clear();
  }

  async #link(purpose: "verify" | "end", broker: number): Promise<Link> {
    if (this.#isClosed) {
      throw new KafkaError("BROKER_NOT_AVAILABLE", "This broker stops");
    }
    const key = `${purpose} ${broker}`;
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      const { connect, epochOf } = this.#options;
      const opening = connect(broker);
      peer = { opening, broker, epoch: epochOf(broker) };
      this.#peers.set(key, peer);
    }
    try {
      const link = await peer.opening;
      if (link.error === undefined) return link;
      throw link.error;
    } catch (error) {
      if (this.#peers.get(key) === peer) this.#peers.delete(key);
      throw error;
    }
  }
}

function hangUp(opening: Promise<Link>): void {
  opening.then((link) => link.close(), () => {});
}

/** Only what the network does is passed off as something to try again. */
function unreachedAs(name: ErrorName, error: unknown): ErrorName {
  if (error instanceof KafkaError) return name;
  throw error;
}

function byTopic(partitions: readonly TxnPartition[]): TopicPartitions[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [partition]);
    else known.push(partition);
  }
  return [...topics].map(([name, indexes]) => ({ name, indexes }));
}

/** In the order asked; what wasn't answered for is as the whole was. */
function errorsOf(
  partitions: readonly TxnPartition[],
  results: readonly (TxnPartition & { readonly code: number })[],
  whole: number,
): ErrorName[] {
  const codes = new Map(
    results.map((
      { topic, partition, code },
    ) => [`${topic}:${partition}`, code]),
  );
  const missing = whole === 0 ? "UNKNOWN_SERVER_ERROR" : errorName(whole);
  return partitions.map(({ topic, partition }) => {
    const code = codes.get(`${topic}:${partition}`);
    return code === undefined ? missing : errorName(code);
  });
}
