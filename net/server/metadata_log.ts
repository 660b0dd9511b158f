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
import { KafkaError, storageError } from "../../core/errors.ts";
import { InvariantError } from "../../core/invariant.ts";
import {
  Controller,
  type ControllerInput,
  type ControllerRecord,
  type ControllerReply,
} from "../../core/metadata/controller.ts";
import { unsupportedLevel } from "../../core/metadata/features.ts";
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
import {
  type Leadership,
  Quorum,
  type QuorumMembership,
  type RaftLog,
} from "../raft/quorum.ts";

/** What a {@linkcode MetadataLog} is made of. */
export interface MetadataLogOptions {
  readonly env: Env;
  readonly folder: string;
  readonly log: RaftLog;
  readonly nodeId: number;
  readonly config: () => BrokerConfig;
  readonly membership: QuorumMembership;
  readonly snapshots: SnapshotPolicy;
  /** The log can't be made durable: the broker must stop. */
  readonly onFailed: (error: unknown) => void;
}

const READ_BYTES = 1024 * 1024;

/**
 * Metadata of one node.
 *
 * Invariants:
 * 1. `image` holds exactly the committed records below `appliedOffset`.
 * 2. A reply leaves after its records are in the image and `onChange` ran.
 * 3. The controller decides only while this node leads the quorum: it begins
 *    with the image and the records behind it, and forgets all at the end.
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
  #appliedOffset = 0;
  /** Topics that were deleted, until somebody follows. */
  #deletedTopics: Uuid[] = [];
  /** The first records of a new cluster, being committed. */
  #bootstrapped: Promise<unknown> | undefined;
  #isFailed = false;
  #onChange: ((delta: MetadataDelta) => void) | undefined;
  #onControllerMoved: (() => void) | undefined;

  /** Takes in what is committed; nothing is written before `start()`. */
  constructor(options: MetadataLogOptions) {
    const { env, log, config } = options;
    this.#options = options;
    this.#quorum = this.#open();
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
      onDiscarded: () => this.#load(),
      isBatchPerDecision: true,
    });
    this.#replay();
  }

  /** The quorum, which reads who votes. */
  #open(): Quorum {
    const { membership, ...options } = this.#options;
    try {
      return new Quorum({
        ...membership,
        ...options,
        onCommitted: (highWatermark) => this.#committed(highWatermark),
        onLeadership: (leadership) => this.#onLeadership(leadership),
        onSnapshotLoaded: () => this.#onSnapshotLoaded(),
        onFailed: (error) => this.#failed(error),
      });
    } catch (error) {
      throw this.#unopened(error);
    }
  }

  /** All that is committed; what a record that isn't known says can't be told. */
  #replay(): void {
    try {
      for (const { values, nextOffset } of this.#quorum.replay()) {
        for (const value of values) this.#apply(decodeMetadataRecord(value));
        this.#appliedOffset = nextOffset;
      }
    } catch (error) {
      throw this.#unopened(error);
    }
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
    const isUnsupported = error instanceof KafkaError &&
      error.error === "UNSUPPORTED_VERSION";
    const isDamaged = error instanceof InvariantError ||
      error instanceof KafkaError;
    if (!isDamaged) return error;
    return new KafkaError(
      isUnsupported ? error.error : "KAFKA_STORAGE_ERROR",
      `Cannot open ${path}${
        isUnsupported ? "" : ", which is damaged"
      }: ${error.message}`,
      { cause: error },
    );
  }

  /** The offset up to which the image is applied. */
  get appliedOffset(): number {
    return this.#appliedOffset;
  }

  /** Ids of topics that were deleted; of use until somebody follows. */
  deletedTopics(): readonly Uuid[] {
    return this.#deletedTopics;
  }

  /** The quorum of which this is a member. */
  get quorum(): Quorum {
    return this.#quorum;
  }

  /** Takes part in the quorum; alone it leads when this resolves. */
  async start(): Promise<void> {
    await this.#quorum.start();
    await this.#bootstrapped;
  }

  /** Hands committed changes to `onChange` from now on. */
  follow(onChange: (delta: MetadataDelta) => void): void {
    this.image.takeDelta();
    this.#deletedTopics = [];
    this.#onChange = onChange;
  }

  /** Calls `fn` whenever another node may be the active controller. */
  onControllerMoved(fn: () => void): void {
    this.#onControllerMoved = fn;
  }

  /** Asks the controller; resolves when its answer is committed and applied. */
  control(input: ControllerInput): Promise<ControllerReply> {
    if (!this.#quorum.isActive && !this.#isFailed) {
      return Promise.reject(notController(this.#quorum.leaderId));
    }
    if (!this.#host.isLoaded) this.#load();
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

  #apply(record: MetadataRecord, image = this.image): void {
    if (record.type === "FeatureLevel") this.#checkLevel(record.value);
    image.apply(record);
    const isDeletion = record.type === "RemoveTopic";
    if (isDeletion && this.#onChange === undefined) {
      this.#deletedTopics.push(record.value.topicId);
    }
  }

  /**
   * The others act by the levels: whoever doesn't know one must not take part.
   * Alone there is nobody else, and a newer Kafka's folder can be read.
   */
  #checkLevel(
    { name, featureLevel }: { name: string; featureLevel: number },
  ): void {
    const { voters } = this.#quorum;
    const isAlone = voters.length === 1 &&
      voters[0]!.id === this.#options.nodeId;
    const why = isAlone ? undefined : unsupportedLevel(name, featureLevel);
    if (why === undefined) return;
    throw new KafkaError(
      "UNSUPPORTED_VERSION",
      `a feature of the cluster is at a level that this broker doesn't support: ${why}`,
    );
  }

  #onLeadership({ isActive, leaderId, epoch }: Leadership): void {
    this.#onControllerMoved?.();
    if (leaderId >= 0 && this.#quorum.voters.length !== 1) {
      const { trace } = this.#options.env;
      trace("info", "The cluster has a controller", { leaderId, epoch });
    }
    if (!isActive) return this.#host.fail(notController(leaderId));
    this.#load();
    const { trace } = this.#options.env;
    this.#bootstrapped = this.#host.submit({ type: "bootstrap" })
      .catch((error) =>
        trace("warn", "The cluster's first records are not committed", {
          error,
        })
      );
  }

  /** What is in the image gives way to what the fetched snapshot holds. */
  #onSnapshotLoaded(): void {
    const committed = new MetadataImage();
    for (const { values, nextOffset } of this.#quorum.replay()) {
      for (const value of values) {
        this.#apply(decodeMetadataRecord(value), committed);
      }
      this.#appliedOffset = nextOffset;
    }
    this.image.replaceWith(committed);
    this.#onChange?.(this.image.takeDelta());
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
      for (const value of values) this.#apply(decodeMetadataRecord(value));
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

  /** The controller begins: what is committed, then what is in the log. */
  #load(): void {
    if (this.#isFailed || !this.#quorum.isActive) return;
    try {
      this.#host.load(this.#undecided());
    } catch (error) {
      // The next request tries again.
      const { trace } = this.#options.env;
      trace("error", "The controller could not load its state", { error });
      return;
    }
    this.#host.committed(this.#quorum.highWatermark);
  }

  *#undecided(): Generator<MetadataRecord> {
    yield* snapshotRecords(this.image);
    for (const value of this.#quorum.valuesFrom(this.#appliedOffset)) {
      yield decodeMetadataRecord(value);
    }
  }

  #failed(cause: unknown): void {
    this.#isFailed = true;
    this.#host.fail(storageError("The metadata log failed", cause));
    this.#options.onFailed(cause);
  }
}

function notController(leaderId: number): KafkaError {
  const who = leaderId < 0 ? "nobody is known to be" : `node ${leaderId} is`;
  return new KafkaError(
    "NOT_CONTROLLER",
    `This node is not the active controller: ${who}`,
  );
}
