/**
 * A transaction coordinator on virtual time over a log in memory. Owns the
 * clock, the log, fresh producer ids and the markers that wait to be written;
 * what happens is the product's.
 *
 * @module
 */
import { CoordinatorHost } from "../../core/coordinator/host.ts";
import { KafkaError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/ids.ts";
import {
  LIST_OPEN,
  type ListedTransaction,
  type TxnChange,
  type TxnConfig,
  type TxnReply,
  type TxnRequest,
  type WriteMarkersEffect,
} from "../../core/txn/inputs.ts";
import { storedOf, TransactionMachine } from "../../core/txn/machine.ts";
import { OpenTransactions } from "../../core/txn/overdue.ts";
import {
  decodeTransactionRecord,
  encodeTransactionRecord,
  type TransactionRecord,
} from "../../core/txn/records.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { MemoryLog } from "./memory_log.ts";

/** When a scenario begins. */
export const START_MS = 1_700_000_000_000;

/** Kafka's defaults. */
const DEFAULTS: TxnConfig = {
  transactionVersion: 2,
  timeoutMaxMs: 900_000,
  idExpirationMs: 7 * 24 * 3_600_000,
};

/** One coordinator and everything around it. */
export class TxnWorld {
  readonly log = new MemoryLog();
  config: TxnConfig = DEFAULTS;
  /** What the wall clock says; it may jump. */
  nowMs = 0;
  monoMs = 0;
  /** Markers that were decided and not written. */
  pending: WriteMarkersEffect[] = [];
  machine = this.#create();
  readonly #host: CoordinatorHost<
    TxnRequest,
    TxnChange,
    TxnReply,
    WriteMarkersEffect
  >;
  #turnJobs: (() => void)[] = [];
  #nextProducerId = 1000;
  #open = new OpenTransactions();

  constructor() {
    this.#host = new CoordinatorHost({
      log: this.log,
      clock: {
        wallMs: () => START_MS + this.nowMs,
        endOfTurn: (fn) => this.#turnJobs.push(fn),
      },
      create: () => this.machine = this.#create(),
      encode: storedOf,
      onEffect: (effect) => this.pending.push(effect),
      onDiscarded: () => this.pending = [],
    });
    this.#host.load([]);
  }

  /** Every record of the log, oldest first. */
  *records(): Generator<TransactionRecord> {
    for (const stored of this.log.stored()) {
      const record = decodeTransactionRecord(stored);
      if (record.type === "Transaction") yield record;
    }
  }

  /** Submits; `onReply` is told the reply or the failure. */
  submit(
    request: TxnRequest,
    onReply: (reply: TxnReply | KafkaError) => void,
  ): void {
    this.#host.submit(request).then((reply) => {
      if (reply === null || reply === undefined) onReply(reply);
      else if (!("needsProducerId" in reply)) onReply(reply);
      else {
        const freshProducerId = this.#nextProducerId++;
        this.submit({ ...request, freshProducerId } as TxnRequest, onReply);
      }
    }, (error) => {
      if (!(error instanceof KafkaError)) throw error;
      onReply(error);
    });
  }

  /** The markers of `partitions`, or all that wait, are written. */
  writeMarkers(partitions?: readonly TopicPartition[]): void {
    const waiting = this.pending;
    this.pending = [];
    for (const effect of waiting) {
      const written = partitions ?? effect.partitions;
      const left = effect.partitions.filter((each) =>
        !written.some(({ topic, partition }) =>
          topic === each.topic && partition === each.partition
        )
      );
      if (left.length > 0) this.pending.push({ ...effect, partitions: left });
      this.submit(
        { ...effect, type: "MarkersWritten", partitions: written },
        () => {},
      );
    }
  }

  /** What the host does from time to time: looks for what took too long. */
  abortTimedOut(): void {
    this.submit(LIST_OPEN, (listed) => {
      if (!Array.isArray(listed)) throw listed;
      const open: readonly ListedTransaction[] = listed;
      const now = { wallMs: START_MS + this.nowMs, monoMs: this.monoMs };
      for (const each of this.#open.overdue(open, now)) {
        this.submit({ type: "TimeOut", ...each }, () => {});
      }
    });
  }

  /** Ends turns until nothing is left to do. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 3; idle++) {
      for (const job of this.#turnJobs.splice(0)) {
        job();
        idle = 0;
      }
      for (let i = 0; i < 4; i++) await Promise.resolve();
    }
  }

  /** Everything appended is committed from now on, or nothing more is. */
  hold(isHeld: boolean): void {
    this.log.isHeld = isHeld;
    if (isHeld) return;
    this.log.highWatermark = this.log.logEndOffset;
    this.#host.committed(this.log.highWatermark);
  }

  /** The state is lost and read back from the log. */
  restart(): void {
    this.#host.fail(
      new KafkaError("NOT_COORDINATOR", "The coordinator restarts"),
    );
    this.#host.load(this.records());
    this.submit({ type: "Loaded" }, () => {});
  }

  /** The log holds `record` already when the coordinator finds it. */
  found(record: TransactionRecord): void {
    const stored = encodeTransactionRecord(record);
    this.log.append(
      buildBatch([{ timestamp: START_MS + this.nowMs, ...stored }]),
    );
    this.restart();
  }

  #create(): TransactionMachine {
    return new TransactionMachine(() => this.config);
  }
}
