/**
 * One partition as its leader sees it: epoch check, validation, append, high
 * watermark, bounded reads. Owns the high watermark; the bytes are the log's.
 * It must never answer anybody: who waits for what is the server's business.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { TopicConfig } from "../config/resolve.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import { partitionName } from "../ids.ts";
import type { AppendOptions, Log } from "../log/log.ts";
import type {
  SequencedBatch,
  VerificationGuard,
} from "../log/producer_state.ts";
import type { AbortedTransaction } from "../log/txn_index.ts";
import { BATCH_OVERHEAD, batchesOf } from "../record/batch.ts";
import { type RecordError, validateProduced } from "../record/validate.ts";

/** What a partition is made of. */
export interface PartitionOptions {
  readonly log: Log;
  readonly topicId: Uuid;
  readonly config: TopicConfig;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly leaderEpoch: number;
  /** Checkpointed high watermark, 0 when there is none. */
  readonly highWatermark: number;
}

/** How a client's batch is to be appended. */
export interface ProduceOptions {
  readonly acks: number;
  readonly nowMs: number;
  readonly produceVersion: number;
  /** What {@linkcode Partition.beginVerification} gave. */
  readonly guard?: VerificationGuard | undefined;
}

/** How a coordinator's own batch is appended. */
export type OwnOptions = Pick<
  AppendOptions,
  "nowMs" | "guard" | "transactionVersion"
>;

/** What became of a client's batch. */
export type Produced =
  | {
    readonly ok: true;
    readonly baseOffset: number;
    readonly lastOffset: number;
    /** −1 unless the topic's timestamps are the broker's. */
    readonly logAppendTimeMs: number;
  }
  | {
    readonly ok: false;
    readonly error: ErrorName;
    readonly message: string;
    readonly recordErrors?: readonly RecordError[];
  };

/** How far a reader may see. */
export type Isolation = "read_uncommitted" | "read_committed" | "log_end";

/** What a reader asks for. */
export interface ReadOptions {
  readonly maxBytes: number;
  readonly isolation: Isolation;
  /** Whether one whole batch comes even when it is above `maxBytes`. */
  readonly minOneBatch: boolean;
}

/**
 * A partition that this broker leads.
 *
 * Invariants:
 * 1. The high watermark never falls and never passes the log's end.
 * 2. An append happens in the current leader epoch only.
 */
export class Partition {
  readonly topic: string;
  readonly index: number;
  readonly topicId: Uuid;
  readonly log: Log;
  readonly name: string;
  #config: TopicConfig;
  #replicas: readonly number[];
  #isr: readonly number[];
  #leaderEpoch: number;
  #highWatermark: number;

  constructor(options: PartitionOptions) {
    const { log } = options;
    this.log = log;
    this.topic = log.topic;
    this.index = log.partition;
    this.name = partitionName(log.topic, log.partition);
    this.topicId = options.topicId;
    this.#config = options.config;
    this.#replicas = options.replicas;
    this.#isr = options.isr;
    this.#leaderEpoch = options.leaderEpoch;
    this.#highWatermark = Math.min(options.highWatermark, log.logEndOffset);
    log.assignEpoch(options.leaderEpoch);
    if (!this.advance()) log.committed(this.#highWatermark);
  }

  get config(): TopicConfig {
    return this.#config;
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** The first offset that a read_committed reader does not see. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset(this.#highWatermark);
  }

  /** Another config counts from now on. */
  reconfigure(config: TopicConfig): void {
    this.#config = config;
    this.log.reconfigure(config);
  }

  /** Takes over leader epoch and replicas from the metadata. */
  update(
    { leaderEpoch, replicas, isr }: {
      readonly leaderEpoch: number;
      readonly replicas: readonly number[];
      readonly isr: readonly number[];
    },
  ): void {
    this.#replicas = replicas;
    this.#isr = isr;
    if (leaderEpoch > this.#leaderEpoch) {
      this.#leaderEpoch = leaderEpoch;
      this.log.assignEpoch(leaderEpoch);
    }
  }

  /** What a client's idea of the leader epoch (−1: none) is answered with. */
  epochError(currentLeaderEpoch: number): ErrorName | undefined {
    if (currentLeaderEpoch === -1) return undefined;
    if (currentLeaderEpoch < this.#leaderEpoch) return "FENCED_LEADER_EPOCH";
    if (currentLeaderEpoch > this.#leaderEpoch) return "UNKNOWN_LEADER_EPOCH";
    return undefined;
  }

  /** Checks and appends a client's payload; refusals are values, not throws. */
  produce(payload: Uint8Array | null, options: ProduceOptions): Produced {
    const { acks, nowMs, produceVersion, guard } = options;
    if (acks === -1 && this.#isUnderMinIsr()) {
      return refusalOf(this.#tooFewReplicas(), this.name);
    }
    const validated = this.#validate(payload, { nowMs, produceVersion });
    if (!validated.ok) return validated;
    try {
      const { leaderEpoch } = this;
      const appended = this.log.appendAsLeader(validated.bytes, {
        leaderEpoch,
        nowMs,
        guard,
      });
      const isBrokerTime =
        this.#config.messageTimestampType === "LogAppendTime";
      return {
        ok: true,
        baseOffset: appended.baseOffset,
        lastOffset: appended.lastOffset,
        logAppendTimeMs: isBrokerTime ? nowMs : -1,
      };
    } catch (error) {
      return refusalOf(error, this.name);
    }
  }

  /** Appends a coordinator's own batch; throws when that fails. */
  appendOwn(batch: Uint8Array, options: OwnOptions): number {
    const { leaderEpoch } = this;
    return this.log.appendAsLeader(batch, {
      ...options,
      leaderEpoch,
      origin: "coordinator",
    }).lastOffset;
  }

  /** Appends the marker that ends a transaction; throws when it is refused. */
  appendMarker(batch: Uint8Array, options: OwnOptions): number {
    if (this.#isUnderMinIsr()) throw this.#tooFewReplicas();
    return this.appendOwn(batch, options);
  }

  /**
   * What the append of a transactional `batch` needs once its coordinator has
   * confirmed its transaction; undefined: it is open here already.
   */
  beginVerification(
    batch: SequencedBatch,
    options: { readonly bumpsEpoch: boolean; readonly nowMs: number },
  ): VerificationGuard | undefined {
    return this.log.beginVerification(batch, options);
  }

  /** Moves the high watermark as far as it may; tells whether it moved. */
  advance(): boolean {
    if (this.#isUnderMinIsr()) return false;
    const settled = this.log.settledOffset;
    if (settled <= this.#highWatermark) return false;
    this.#highWatermark = settled;
    this.log.committed(settled);
    return true;
  }

  /** The first offset that a reader of `isolation` does not see. */
  bound(isolation: Isolation): number {
    if (isolation === "read_uncommitted") return this.#highWatermark;
    if (isolation === "read_committed") return this.lastStableOffset;
    return this.log.logEndOffset;
  }

  /** Whether a reader may ask for `offset` at all. */
  isInRange(offset: number): boolean {
    return offset >= this.log.logStartOffset &&
      offset <= this.log.logEndOffset;
  }

  /** Whole batches from the one that holds `offset`, up to the bound. */
  read(offset: number, options: ReadOptions): Uint8Array {
    return this.log.read(offset, {
      maxBytes: options.maxBytes,
      upperOffset: this.bound(options.isolation),
      minOneBatch: options.minOneBatch,
    });
  }

  /** The aborted transactions that `records`, read at `offset`, may be of. */
  abortedIn(records: Uint8Array, offset: number): AbortedTransaction[] {
    if (records.length < BATCH_OVERHEAD) return [];
    let end = offset;
    for (const { nextOffset } of batchesOf(records)) end = nextOffset;
    return this.log.abortedTransactions(offset, end);
  }

  /** Forgets records before `offset` (−1: the high watermark). */
  deleteRecords(offset: number): number {
    const target = offset === -1 ? this.#highWatermark : offset;
    if (target < 0 || target > this.#highWatermark) {
      throw new KafkaError(
        "OFFSET_OUT_OF_RANGE",
        `Cannot delete records of ${this.name} before ${target}: the high ` +
          `watermark is ${this.#highWatermark}`,
      );
    }
    this.log.deleteRecordsBefore(target);
    return this.log.logStartOffset;
  }

  #validate(
    payload: Uint8Array | null,
    { nowMs, produceVersion }: {
      readonly nowMs: number;
      readonly produceVersion: number;
    },
  ) {
    const config = this.#config;
    return validateProduced(payload, {
      maxMessageBytes: config.maxMessageBytes,
      segmentBytes: config.segmentBytes,
      isCompacted: config.cleanupPolicy.compact,
      timestampType: config.messageTimestampType,
      nowMs,
      beforeMaxMs: config.messageTimestampBeforeMaxMs,
      afterMaxMs: config.messageTimestampAfterMaxMs,
      compressionType: config.compressionType,
      compressionLevel: levelOf(config),
      produceVersion,
    });
  }

  #tooFewReplicas(): KafkaError {
    return new KafkaError(
      "NOT_ENOUGH_REPLICAS",
      `Cannot append to ${this.name}: ${this.#isr.length} in-sync ` +
        `replicas are fewer than min.insync.replicas`,
    );
  }

  #isUnderMinIsr(): boolean {
    const effective = Math.min(
      this.#config.minInsyncReplicas,
      this.#replicas.length,
    );
    return this.#isr.length < effective;
  }
}

function levelOf(config: TopicConfig): number | undefined {
  if (config.compressionType === "gzip") return config.compressionGzipLevel;
  if (config.compressionType === "lz4") return config.compressionLz4Level;
  if (config.compressionType === "zstd") return config.compressionZstdLevel;
  return undefined;
}

function refusalOf(error: unknown, name: string): Produced {
  if (error instanceof KafkaError) {
    return { ok: false, error: error.error, message: error.message };
  }
  if (error instanceof Error && error.name === "DiskError") {
    return {
      ok: false,
      error: "KAFKA_STORAGE_ERROR",
      message: `Cannot append to ${name}: ${error.message}`,
    };
  }
  throw error;
}
