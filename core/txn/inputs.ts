/**
 * What the transaction coordinator takes in and gives out: inputs, replies,
 * records and effects. Types only, independent of the wire's versions.
 *
 * @module
 */
import type { Decision } from "../coordinator/machine.ts";
import type { ErrorName } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";
import type { TransactionRecord } from "./records.ts";
import type { Transaction } from "./transaction.ts";

/** Bounds and times that an operator sets, as they are now. */
export interface TxnConfig {
  /** The cluster's level of the feature `transaction.version`. */
  readonly transactionVersion: number;
  readonly timeoutMaxMs: number;
  readonly idExpirationMs: number;
}

/** A producer id with its epoch. */
export interface ProducerIdAndEpoch {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Of inputs that may use up a fresh producer id. */
interface MayTakeProducerId {
  /** Absent at first: only the decision knows whether one is needed. */
  readonly freshProducerId?: number;
}

/** A producer starts, or raises its own epoch. */
export interface InitProducerIdInput extends MayTakeProducerId {
  readonly type: "InitProducerId";
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What the producer has; absent: it fences whoever was there. */
  readonly expected?: ProducerIdAndEpoch;
}

/** Who asks, as a producer. */
export interface TxnProducer extends ProducerIdAndEpoch {
  readonly transactionalId: string;
}

/** Partitions come into a transaction. */
export interface AddPartitionsInput extends TxnProducer {
  readonly type: "AddPartitions";
  readonly partitions: readonly TopicPartition[];
  /** Transaction version of the producer. */
  readonly clientVersion: number;
}

/** Are these partitions in the transaction? */
export interface VerifyPartitionsInput extends TxnProducer {
  readonly type: "VerifyPartitions";
  readonly partitions: readonly TopicPartition[];
}

/** A producer ends its transaction. */
export interface EndTxnInput extends TxnProducer, MayTakeProducerId {
  readonly type: "EndTxn";
  readonly committed: boolean;
  /** Transaction version of the producer. */
  readonly clientVersion: number;
}

/** What is a transactional id doing? */
export interface DescribeTransactionInput {
  readonly type: "DescribeTransaction";
  readonly transactionalId: string;
}

/** What are all of them doing? */
export interface ListTransactionsInput {
  readonly type: "ListTransactions";
  /** Names of states; empty: all. */
  readonly states: readonly string[];
  /** Empty: all. */
  readonly producerIds: readonly number[];
  /** Only those that run longer; negative: all. */
  readonly longerThanMs: number;
  /** Expression that the whole transactional id matches; empty: all. */
  readonly pattern: string;
}

/** Markers were written to these partitions, or are not needed there. */
export interface MarkersWrittenInput extends TxnProducer {
  readonly type: "MarkersWritten";
  readonly partitions: readonly TopicPartition[];
}

/** A transaction took too long, if it is still the same. */
export interface TimeOutInput extends TxnProducer, MayTakeProducerId {
  readonly type: "TimeOut";
  /** When it began. */
  readonly startMs: number;
}

/** What the transaction coordinator is asked. */
export type TxnRequest =
  | InitProducerIdInput
  | AddPartitionsInput
  | VerifyPartitionsInput
  | EndTxnInput
  | DescribeTransactionInput
  | ListTransactionsInput
  | MarkersWrittenInput
  | TimeOutInput
  /** Ids that nobody used for long are forgotten. */
  | { readonly type: "ExpireIds" }
  /** The state was replayed: what was prepared goes on. */
  | { readonly type: "Loaded" };

/** Answers to InitProducerId and EndTxn; id and epoch are −1 with an error. */
export interface ProducerReply extends ProducerIdAndEpoch {
  readonly error: ErrorName;
}

/** The same input must come again, with a fresh producer id. */
export interface NeedsProducerId {
  readonly needsProducerId: true;
}

/** Answers per partition, in the order asked. */
export interface PartitionsReply {
  readonly errors: readonly ErrorName[];
}

/** A transactional id by name. */
export type ListedTransaction = Transaction & {
  readonly transactionalId: string;
};

/** Answers by the type of the request. */
export interface TxnReplies {
  readonly InitProducerId: ProducerReply | NeedsProducerId;
  readonly AddPartitions: PartitionsReply;
  readonly VerifyPartitions: PartitionsReply;
  readonly EndTxn: ProducerReply | NeedsProducerId;
  readonly DescribeTransaction: Transaction | undefined;
  readonly ListTransactions: readonly ListedTransaction[];
  readonly MarkersWritten: null;
  readonly TimeOut: NeedsProducerId | null;
  readonly ExpireIds: null;
  readonly Loaded: null;
}

/** Any answer. */
export type TxnReply = TxnReplies[keyof TxnReplies];

/** Asks for every transaction that somebody must end. */
export const LIST_OPEN: ListTransactionsInput = {
  type: "ListTransactions",
  states: ["Ongoing"],
  producerIds: [],
  longerThanMs: -1,
  pattern: "",
};

/** What changes the state: what is stored, and markers, which are not. */
export type TxnChange = TransactionRecord | {
  readonly type: "MarkersWritten";
  readonly transactionalId: string;
  readonly partitions: readonly TopicPartition[];
};

/** Write these markers, until all are there, and say so. */
export interface WriteMarkersEffect extends TxnProducer {
  readonly type: "WriteMarkers";
  readonly committed: boolean;
  readonly transactionVersion: number;
  readonly partitions: readonly TopicPartition[];
}

/** What is decided. */
export type TxnDecision = Decision<TxnChange, TxnReply, WriteMarkersEffect>;
