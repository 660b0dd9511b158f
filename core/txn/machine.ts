/**
 * The transaction coordinator of one `__transaction_state` partition as a
 * machine: which request decides by which rules, and what a record does to the
 * state. Owns the transactional ids; no promise, clock or log in here.
 *
 * @module
 */
import type { DecideContext, Machine } from "../coordinator/machine.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { Regex } from "../expression/regex.ts";
import { RegexError } from "../expression/regex_pattern.ts";
import { LIMITS } from "../limits.ts";
import { endStep, fenceStep } from "./end.ts";
import { initStep, isStale } from "./init.ts";
import type {
  AddPartitionsInput,
  EndTxnInput,
  InitProducerIdInput,
  ListedTransaction,
  ListTransactionsInput,
  MarkersWrittenInput,
  ProducerIdAndEpoch,
  ProducerReply,
  TimeOutInput,
  TxnChange,
  TxnConfig,
  TxnDecision,
  TxnProducer,
  TxnReply,
  TxnRequest,
  VerifyPartitionsInput,
  WriteMarkersEffect,
} from "./inputs.ts";
import { encodeTransactionRecord, type TransactionRecord } from "./records.ts";
import {
  completed,
  extended,
  hasPartition,
  isPrepared,
  listOf,
  toldOf,
  type Transaction,
  type TxnState,
  without,
} from "./transaction.ts";

/**
 * The transactional ids of one coordinator partition.
 *
 * Invariants:
 * 1. `decide` changes nothing; `apply` alone does.
 * 2. A transactional id leaves Prepare* only when every partition has its
 *    marker.
 * 3. What was replayed from the log equals what was live, but for the last
 *    epoch of a producer and for markers of a transaction that is prepared:
 *    those are written again.
 */
export class TransactionMachine
  implements Machine<TxnRequest, TxnChange, TxnReply, WriteMarkersEffect> {
  readonly #config: () => TxnConfig;
  readonly #transactions = new Map<string, Transaction>();

  constructor(config: () => TxnConfig) {
    this.#config = config;
  }

  /** How many transactional ids are in each state, added to `counts`. */
  countStates(counts: Map<TxnState, number>): void {
    for (const { state } of this.#transactions.values()) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
  }

  decide(request: TxnRequest, { nowMs }: DecideContext): TxnDecision {
    switch (request.type) {
      case "InitProducerId":
        return this.#init(request, nowMs);
      case "AddPartitions":
        return this.#addPartitions(request, nowMs);
      case "VerifyPartitions":
        return only({ errors: this.#verify(request) });
      case "EndTxn":
        return this.#end(request, nowMs);
      case "DescribeTransaction":
        return only(this.#transactions.get(request.transactionalId));
      case "ListTransactions":
        return only(this.#list(request, nowMs));
      case "MarkersWritten":
        return this.#markersWritten(request, nowMs);
      case "TimeOut":
        return this.#timeOut(request, nowMs);
      case "ExpireIds":
        return this.#expire(nowMs);
      case "Loaded":
        return this.#resume();
    }
  }

  apply(change: TxnChange): void {
    const { transactionalId } = change;
    if (change.type === "MarkersWritten") {
      const before = this.#transactions.get(transactionalId)!;
      const partitions = without(before.partitions, change.partitions);
      this.#transactions.set(transactionalId, { ...before, partitions });
    } else if (change.transaction === null) {
      this.#transactions.delete(transactionalId);
    } else {
      this.#transactions.set(transactionalId, change.transaction);
    }
  }

  #init(request: InitProducerIdInput, nowMs: number): TxnDecision {
    const { timeoutMaxMs } = this.#config();
    if (request.timeoutMs <= 0 || request.timeoutMs > timeoutMaxMs) {
      return only(refused("INVALID_TRANSACTION_TIMEOUT"));
    }
    const { transactionalId } = request;
    const before = this.#transactions.get(transactionalId);
    if (before?.state === "Ongoing" && !isStale(before, request.expected)) {
      // The producer asks again, and finds the transaction aborted.
      const reply = refused("CONCURRENT_TRANSACTIONS");
      return this.#fence(request, { before, reply, nowMs });
    }
    const next = initStep(before, request, nowMs);
    if (typeof next === "string") return only(refused(next));
    if ("needsProducerId" in next) return only(next);
    const isSame = next === before;
    return {
      records: isSame ? [] : [this.#record(transactionalId, next)],
      reply: producerOf(next),
      effects: [],
    };
  }

  #addPartitions(request: AddPartitionsInput, nowMs: number): TxnDecision {
    const { transactionalId, partitions: added, clientVersion } = request;
    const all = (error: ErrorName) => ({ errors: added.map(() => error) });
    const before = this.#of(request);
    if (typeof before === "string") return only(all(before));
    const isThere = before.state === "Ongoing" &&
      added.every((each) => hasPartition(before, each));
    if (isThere) return only(all("NONE"));
    const next = extended(before, { added, clientVersion, nowMs });
    return {
      records: [this.#record(transactionalId, next)],
      reply: all("NONE"),
      effects: [],
    };
  }

  #verify(request: VerifyPartitionsInput): ErrorName[] {
    const found = this.#of(request);
    return request.partitions.map((each) => {
      if (typeof found === "string") return found;
      return hasPartition(found, each) ? "NONE" : "TRANSACTION_ABORTABLE";
    });
  }

  /** The producer's transactional id while it may be added to, or why not. */
  #of(
    { transactionalId, producerId, producerEpoch }: TxnProducer,
  ): Transaction | ErrorName {
    if (transactionalId === "") return "INVALID_REQUEST";
    const found = this.#transactions.get(transactionalId);
    if (found === undefined) return "INVALID_PRODUCER_ID_MAPPING";
    const told = toldOf(found);
    if (told.producerId !== producerId) return "INVALID_PRODUCER_ID_MAPPING";
    if (told.producerEpoch !== producerEpoch) return "PRODUCER_FENCED";
    return isPrepared(found) ? "CONCURRENT_TRANSACTIONS" : found;
  }

  #end(request: EndTxnInput, nowMs: number): TxnDecision {
    const { transactionalId } = request;
    if (transactionalId === "") return only(refused("INVALID_REQUEST"));
    const before = this.#transactions.get(transactionalId);
    if (before === undefined) {
      return only(refused("INVALID_PRODUCER_ID_MAPPING"));
    }
    const next = endStep(before, request, nowMs);
    if (next === "NONE") return only(producerOf(before));
    if (typeof next === "string") return only(refused(next));
    if ("needsProducerId" in next) return only(next);
    // What the producer goes on with, once the markers are there.
    return this.#prepare(transactionalId, next, producerOf(toldOf(next)));
  }

  /** Aborts the ongoing transaction and shuts its producer out. */
  #fence(
    { transactionalId, freshProducerId }: InitProducerIdInput | TimeOutInput,
    { before, reply, nowMs }: {
      readonly before: Transaction;
      readonly reply: TxnReply;
      readonly nowMs: number;
    },
  ): TxnDecision {
    const { transactionVersion } = this.#config();
    const next = fenceStep(before, {
      transactionVersion,
      freshProducerId,
      nowMs,
    });
    if ("needsProducerId" in next) return only(next);
    return this.#prepare(transactionalId, next, reply);
  }

  #prepare(
    transactionalId: string,
    next: Transaction,
    reply: TxnReply,
  ): TxnDecision {
    return {
      records: [this.#record(transactionalId, next)],
      reply,
      effects: [markersOf(transactionalId, next)],
    };
  }

  #markersWritten(request: MarkersWrittenInput, nowMs: number): TxnDecision {
    const { transactionalId, producerId, producerEpoch, partitions } = request;
    const before = this.#transactions.get(transactionalId);
    const isSame = before !== undefined && isPrepared(before) &&
      before.producerId === producerId &&
      before.producerEpoch === producerEpoch;
    if (!isSame) return only(null);
    const isDone = without(before.partitions, partitions).size === 0;
    return {
      records: [
        isDone
          ? this.#record(transactionalId, completed(before, nowMs))
          : { type: "MarkersWritten", transactionalId, partitions },
      ],
      reply: null,
      effects: [],
    };
  }

  #timeOut(request: TimeOutInput, nowMs: number): TxnDecision {
    const { transactionalId, producerId, producerEpoch, startMs } = request;
    const before = this.#transactions.get(transactionalId);
    const isSame = before?.state === "Ongoing" &&
      before.startMs === startMs &&
      before.producerId === producerId &&
      before.producerEpoch === producerEpoch;
    if (!isSame) return only(null);
    return this.#fence(request, { before, reply: null, nowMs });
  }

  #list(
    { states, producerIds, longerThanMs, pattern }: ListTransactionsInput,
    nowMs: number,
  ): ListedTransaction[] {
    const regex = pattern === "" ? undefined : compiled(pattern);
    const found: ListedTransaction[] = [];
    for (const [transactionalId, each] of this.#transactions) {
      const isWanted = (states.length === 0 || states.includes(each.state)) &&
        (producerIds.length === 0 || producerIds.includes(each.producerId)) &&
        (longerThanMs < 0 || nowMs - each.startMs > longerThanMs) &&
        (regex?.matches(transactionalId) ?? true);
      if (isWanted) found.push({ ...each, transactionalId });
    }
    return found;
  }

  #expire(nowMs: number): TxnDecision {
    const { idExpirationMs } = this.#config();
    const records: TxnChange[] = [];
    for (const [transactionalId, transaction] of this.#transactions) {
      const isIdle = transaction.state !== "Ongoing" &&
        !isPrepared(transaction);
      if (isIdle && transaction.updateMs <= nowMs - idExpirationMs) {
        records.push(this.#record(transactionalId, null));
      }
    }
    return { records, reply: null, effects: [] };
  }

  /** What was prepared when the state was lost gets its markers (again). */
  #resume(): TxnDecision {
    const effects: WriteMarkersEffect[] = [];
    for (const [transactionalId, transaction] of this.#transactions) {
      if (isPrepared(transaction)) {
        effects.push(markersOf(transactionalId, transaction));
      }
    }
    return { records: [], reply: null, effects };
  }

  #record(
    transactionalId: string,
    transaction: Transaction | null,
  ): TransactionRecord {
    const { transactionVersion } = this.#config();
    const version = transactionVersion >= 1 ? 1 : 0;
    return { type: "Transaction", transactionalId, transaction, version };
  }
}

/** The bytes of what is written down; undefined for what is not. */
export function storedOf(
  change: TxnChange,
): ReturnType<typeof encodeTransactionRecord> | undefined {
  return change.type === "Transaction"
    ? encodeTransactionRecord(change)
    : undefined;
}

function only(reply: TxnReply): TxnDecision {
  return { records: [], reply, effects: [] };
}

function refused(error: ErrorName): ProducerReply {
  return { error, producerId: -1, producerEpoch: -1 };
}

function producerOf(
  { producerId, producerEpoch }: ProducerIdAndEpoch,
): ProducerReply {
  return { error: "NONE", producerId, producerEpoch };
}

function markersOf(
  transactionalId: string,
  { producerId, producerEpoch, state, clientVersion, partitions }: Transaction,
): WriteMarkersEffect {
  return {
    type: "WriteMarkers",
    transactionalId,
    producerId,
    producerEpoch,
    committed: state === "PrepareCommit",
    transactionVersion: clientVersion,
    partitions: listOf(partitions),
  };
}

/** The compiled expression; throws INVALID_REGULAR_EXPRESSION. */
function compiled(pattern: string): Regex {
  try {
    return new Regex(pattern, { stepsMax: LIMITS.brokerRegexStepsMax });
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw new KafkaError(
      "INVALID_REGULAR_EXPRESSION",
      `Transactional ID pattern \`${pattern}\` is not a valid regular expression: ${error.reason}.`,
    );
  }
}
