/**
 * The cluster's metadata inside one broker: the quorum's log, the controller
 * that decides over it, and the image of what is committed. Owns the order:
 * a change is in the image and hosted before anyone is told that it is done.
 *
 * @module
 */
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Uuid } from "../../core/bytes/uuid.ts";
import { CoordinatorHost } from "../../core/coordinator/host.ts";
import { DecodeError } from "../../core/bytes/reader.ts";
import type { Env } from "../../core/env/env.ts";
import { KafkaError } from "../../core/errors.ts";
import { InvariantError } from "../../core/invariant.ts";
import {
  Controller,
  type ControllerInput,
  type ControllerRecord,
  type ControllerReply,
} from "../../core/metadata/controller.ts";
import type { MetadataDelta } from "../../core/metadata/delta.ts";
import { MetadataImage } from "../../core/metadata/image.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from "../../core/metadata/records.ts";
import { snapshotRecords } from "../../core/metadata/snapshot.ts";
import { storedBatches } from "../../core/raft/batches.ts";
import type { SnapshotPolicy } from "../../core/raft/snapshot.ts";
import { Quorum, type RaftLog } from "../raft/quorum.ts";

/** What a {@linkcode MetadataLog} is made of. */
export interface MetadataLogOptions {
  readonly env: Env;
  readonly folder: string;
  readonly log: RaftLog;
  readonly nodeId: number;
  readonly config: () => BrokerConfig;
  readonly snapshots: SnapshotPolicy;
  /** The log can't be made durable: the broker must stop. */
  readonly onFailed: (error: unknown) => void;
}

const READ_BYTES = 1024 * 1024;

/**
 * Metadata of one broker.
 *
 * Invariants:
 * 1. `image` holds exactly the committed records below `appliedOffset`.
 * 2. A reply leaves after its records are in the image and `onChange` ran.
 */
export class MetadataLog {
  readonly image = new MetadataImage();
  readonly #options: MetadataLogOptions;
  readonly #quorum: Quorum;
  readonly #host: CoordinatorHost<
    ControllerInput,
    ControllerRecord,
    ControllerReply,
    never
  >;
  /** What was there at the start, until the controller has it too. */
  #stored: MetadataRecord[];
  #appliedOffset: number;
  #isFailed = false;
  #onChange: ((delta: MetadataDelta) => void) | undefined;

  /** Replays what is there; nothing is written before `start()`. */
  constructor(options: MetadataLogOptions) {
    const { env, folder, log, nodeId, snapshots, config } = options;
    this.#options = options;
    this.#quorum = new Quorum({
      disk: env.disk,
      clock: env.clock,
      random: env.random,
      folder,
      log,
      nodeId,
      snapshots,
      onCommitted: (highWatermark) => this.#committed(highWatermark),
      onFailed: (error) => this.#failed(error),
    });
    this.#host = new CoordinatorHost({
      log: {
        get logEndOffset() {
          return log.logEndOffset;
        },
        highWatermark: 0,
        append: (batch) => this.#quorum.append(batch),
      },
      clock: env.clock,
      create: () =>
        new Controller({ config, random: env.random, clock: env.clock }),
      encode: (record) =>
        record.type === "BrokerContact"
          ? undefined
          : { key: null, value: encodeMetadataRecord(record) },
      onEffect: () => {},
      onDiscarded: () => this.#reload(),
      isBatchPerDecision: true,
    });
    this.#stored = this.#read((record) => this.image.apply(record));
    this.#appliedOffset = log.logEndOffset;
  }

  /** All records; what one that isn't known has changed can't be told. */
  #read(take: (record: MetadataRecord) => void): MetadataRecord[] {
    const records: MetadataRecord[] = [];
    try {
      for (const value of this.#quorum.replay()) {
        const record = decodeMetadataRecord(value);
        take(record);
        records.push(record);
      }
    } catch (error) {
      throw this.#unopened(error);
    }
    return records;
  }

  #unopened(error: unknown): unknown {
    const path = `metadata log "${this.#options.folder}"`;
    if (error instanceof DecodeError) {
      return new KafkaError(
        "KAFKA_STORAGE_ERROR",
        `Cannot open ${path}, which something newer wrote: ${error.message}`,
        { cause: error },
      );
    }
    const isDamaged = error instanceof InvariantError ||
      error instanceof KafkaError;
    if (!isDamaged) return error;
    return new KafkaError(
      "KAFKA_STORAGE_ERROR",
      `Cannot open ${path}, which is damaged: ${error.message}`,
      { cause: error },
    );
  }

  /** The offset up to which the image is applied. */
  get appliedOffset(): number {
    return this.#appliedOffset;
  }

  /** Ids of the topics whose deletion was replayed; before `start()` only. */
  *deletedTopics(): Generator<Uuid> {
    for (const { type, value } of this.#stored) {
      if (type === "RemoveTopic") yield value.topicId;
    }
  }

  /** How far the quorum is. */
  get quorum(): Pick<Quorum, "epoch" | "highWatermark" | "logEndOffset"> {
    return this.#quorum;
  }

  /** Becomes the leader and writes a new cluster's first records. */
  async start(): Promise<void> {
    await this.#quorum.start();
    this.#host.load(this.#stored);
    this.#stored = [];
    this.#host.committed(this.#quorum.highWatermark);
    await this.control({ type: "bootstrap" });
  }

  /** Hands committed changes to `onChange` from now on. */
  follow(onChange: (delta: MetadataDelta) => void): void {
    this.image.takeDelta();
    this.#onChange = onChange;
  }

  /** Asks the controller; resolves when its answer is committed and applied. */
  control(input: ControllerInput): Promise<ControllerReply> {
    if (!this.#host.isLoaded) this.#reload();
    return this.#host.submit(input);
  }

  /** Waits for what is in flight and gives up leading. */
  async close(): Promise<void> {
    await this.#quorum.close();
  }

  #committed(highWatermark: number): void {
    while (this.#appliedOffset < highWatermark) this.#applyNext(highWatermark);
    this.#onChange?.(this.image.takeDelta());
    this.#host.committed(highWatermark);
    this.snapshotIfDue();
  }

  /** Writes a snapshot when enough changed, or long enough ago. */
  snapshotIfDue(): void {
    if (this.#quorum.isSnapshotDue) this.#snapshot();
  }

  #applyNext(upperOffset: number): void {
    const from = this.#appliedOffset;
    const bytes = this.#options.log.read(this.#appliedOffset, {
      maxBytes: READ_BYTES,
      upperOffset,
      minOneBatch: true,
    });
    for (const { values, nextOffset } of storedBatches(bytes)) {
      for (const value of values) {
        this.image.apply(decodeMetadataRecord(value));
      }
      this.#appliedOffset = nextOffset;
    }
    if (this.#appliedOffset > from) return;
    throw new KafkaError(
      "KAFKA_STORAGE_ERROR",
      `Cannot read the metadata log at offset ${from}: no batch is there`,
    );
  }

  #snapshot(): void {
    const values = function* (image: MetadataImage) {
      for (const record of snapshotRecords(image)) {
        yield encodeMetadataRecord(record);
      }
    };
    try {
      this.#quorum.writeSnapshot(values(this.image), this.#appliedOffset);
    } catch (error) {
      // The log says the same: a later commit tries again.
      this.#options.env.trace("error", "A metadata snapshot failed", { error });
    }
  }

  /** An append was refused: the controller begins again from the log. */
  #reload(): void {
    if (this.#isFailed) return;
    try {
      this.#host.load(this.#read(() => {}));
    } catch (error) {
      // The next request tries again.
      const { trace } = this.#options.env;
      trace("error", "The controller could not load its state", { error });
      return;
    }
    this.#host.committed(this.#quorum.highWatermark);
  }

  #failed(cause: unknown): void {
    this.#isFailed = true;
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#host.fail(
      new KafkaError("KAFKA_STORAGE_ERROR", `The metadata log failed: ${why}`, {
        cause,
      }),
    );
    this.#options.onFailed(cause);
  }
}
