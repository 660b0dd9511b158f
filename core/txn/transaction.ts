/**
 * One transactional id: its states and the steps between them, each a new
 * value. Owns what a step changes; whether it may be taken is decided where
 * requests are.
 *
 * | step              | from                          | to              |
 * |-------------------|-------------------------------|-----------------|
 * | a producer starts | none, Empty, Complete*        | Empty           |
 * | partitions come   | Empty, Ongoing, Complete*     | Ongoing         |
 * | an end is asked   | Ongoing                       | Prepare*        |
 * | an abort is asked | Empty, Complete* (version 2)  | PrepareAbort    |
 * | markers are there | PrepareCommit, PrepareAbort   | CompleteCommit, CompleteAbort |
 *
 * @module
 */
import { DecodeError } from "../bytes/reader.ts";
import type { TopicPartition } from "../ids.ts";

/** Every state in the order of its number in records. */
export const STATES = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
  "Dead",
  "PrepareEpochFence",
] as const;

/** What a transactional id is doing. */
export type TxnState = typeof STATES[number];

/** Partition indexes by topic. */
export type TxnPartitions = ReadonlyMap<string, ReadonlySet<number>>;

/** A transactional id between two steps. */
export interface Transaction {
  readonly producerId: number;
  /** The producer id before the last step; −1: not known. */
  readonly previousProducerId: number;
  /** The producer id after this transaction, its epochs being used up; −1: the same. */
  readonly nextProducerId: number;
  readonly producerEpoch: number;
  /**
   * The epoch before, for a producer that raises its own and asks again; −1
   * when another raised it. Not stored: a restart forgets it.
   */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TxnState;
  /** Those without a marker yet. */
  readonly partitions: TxnPartitions;
  /** When the transaction began; −1 while none did. */
  readonly startMs: number;
  readonly updateMs: number;
  /** Transaction version of the producer; 2: epochs rise with each transaction. */
  readonly clientVersion: number;
}

/** The highest epoch that producers are told. */
export const PRODUCER_EPOCH_MAX = 32_766;

/** The one above, for markers that end the last transaction of an id. */
const MARKER_EPOCH_MAX = PRODUCER_EPOCH_MAX + 1;

const NO_PARTITIONS: TxnPartitions = new Map();

/** The state of a record that says `status`. */
export function stateOf(status: number): TxnState {
  const state = STATES[status];
  if (state === undefined) {
    throw new DecodeError(
      `Cannot decode transaction record: there is no state ${status}`,
    );
  }
  return state;
}

/** Whether each transaction of a producer has an epoch of its own (KIP-890). */
export function raisesEpochs(transactionVersion: number): boolean {
  return transactionVersion >= 2;
}

/** Whether `transaction` waits for its markers. */
export function isPrepared({ state }: Transaction): boolean {
  return state === "PrepareCommit" || state === "PrepareAbort";
}

/** Whether the epochs of the producer id are used up. */
export function isExhausted({ producerEpoch }: Transaction): boolean {
  return producerEpoch >= PRODUCER_EPOCH_MAX;
}

/** Whether the partition is in the transaction. */
export function hasPartition(
  { partitions }: Transaction,
  { topic, partition }: TopicPartition,
): boolean {
  return partitions.get(topic)?.has(partition) ?? false;
}

/** The partitions as a list. */
export function listOf(partitions: TxnPartitions): TopicPartition[] {
  return [...partitions].flatMap(([topic, ids]) =>
    [...ids].map((partition) => ({ topic, partition }))
  );
}

/** A transactional id that nobody used before; its epoch comes next. */
export function fresh(
  { producerId, timeoutMs, nowMs }: {
    readonly producerId: number;
    readonly timeoutMs: number;
    readonly nowMs: number;
  },
): Transaction {
  return {
    producerId,
    previousProducerId: -1,
    nextProducerId: -1,
    producerEpoch: -1,
    lastProducerEpoch: -1,
    timeoutMs,
    state: "Empty",
    partitions: NO_PARTITIONS,
    startMs: -1,
    updateMs: nowMs,
    clientVersion: 0,
  };
}

/** A producer starts with this id and epoch. */
export function started(
  before: Transaction,
  next: {
    readonly producerId: number;
    readonly producerEpoch: number;
    readonly lastProducerEpoch: number;
    readonly timeoutMs: number;
    readonly nowMs: number;
  },
): Transaction {
  return {
    ...stepped(before, next.nowMs),
    producerId: next.producerId,
    producerEpoch: next.producerEpoch,
    lastProducerEpoch: next.lastProducerEpoch,
    timeoutMs: next.timeoutMs,
    state: "Empty",
    partitions: NO_PARTITIONS,
    startMs: -1,
  };
}

/** Partitions come into the transaction; the first ones begin it. */
export function extended(
  before: Transaction,
  { added, clientVersion, nowMs }: {
    readonly added: readonly TopicPartition[];
    readonly clientVersion: number;
    readonly nowMs: number;
  },
): Transaction {
  const partitions = new Map<string, Set<number>>();
  for (const [topic, ids] of before.partitions) {
    partitions.set(topic, new Set(ids));
  }
  for (const { topic, partition } of added) {
    const ids = partitions.get(topic);
    if (ids === undefined) partitions.set(topic, new Set([partition]));
    else ids.add(partition);
  }
  return {
    ...stepped(before, nowMs),
    state: "Ongoing",
    partitions,
    startMs: before.state === "Ongoing" ? before.startMs : nowMs,
    clientVersion,
  };
}

/**
 * The end is decided. Version 2 raises the epoch and remembers the one before:
 * its producer may ask again. Version 1 raises it to fence, and for good.
 */
export function prepared(
  before: Transaction,
  { committed, clientVersion, nextProducerId, isFence, nowMs }: {
    readonly committed: boolean;
    readonly clientVersion: number;
    readonly nextProducerId: number;
    readonly isFence: boolean;
    readonly nowMs: number;
  },
): Transaction {
  const { producerEpoch } = before;
  const raises = isFence || raisesEpochs(clientVersion);
  const lastProducerEpoch = raisesEpochs(clientVersion)
    ? producerEpoch
    : isFence
    ? -1
    : before.lastProducerEpoch;
  return {
    ...stepped(before, nowMs),
    nextProducerId,
    producerEpoch: raises
      ? Math.min(MARKER_EPOCH_MAX, producerEpoch + 1)
      : producerEpoch,
    lastProducerEpoch,
    state: committed ? "PrepareCommit" : "PrepareAbort",
    // An abort without a transaction began now.
    startMs: before.state === "Ongoing" ? before.startMs : nowMs,
    clientVersion,
  };
}

/** The markers are written. */
export function completed(before: Transaction, nowMs: number): Transaction {
  const hasNext = before.nextProducerId !== -1;
  return {
    ...stepped(before, nowMs),
    ...(hasNext
      ? { producerId: before.nextProducerId, producerEpoch: 0 }
      : undefined),
    state: before.state === "PrepareCommit"
      ? "CompleteCommit"
      : "CompleteAbort",
    partitions: NO_PARTITIONS,
  };
}

/** Id and epoch that its producer was told: once prepared, of what follows. */
export function toldOf(
  transaction: Transaction,
): { readonly producerId: number; readonly producerEpoch: number } {
  return isPrepared(transaction)
    ? completed(transaction, transaction.updateMs)
    : transaction;
}

/** What every step does. */
function stepped(before: Transaction, nowMs: number): Transaction {
  return {
    ...before,
    previousProducerId: before.producerId,
    nextProducerId: -1,
    updateMs: nowMs,
  };
}

/** `partitions` without those of `written`. */
export function without(
  partitions: TxnPartitions,
  written: readonly TopicPartition[],
): TxnPartitions {
  const left = new Map<string, Set<number>>();
  for (const [topic, ids] of partitions) left.set(topic, new Set(ids));
  for (const { topic, partition } of written) {
    const ids = left.get(topic);
    ids?.delete(partition);
    if (ids?.size === 0) left.delete(topic);
  }
  return left;
}
