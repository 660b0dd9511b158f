/**
 * Reads a cluster's metadata from its quorum without being a member: any node's
 * address is enough. Owns finding the leader and the walk through snapshot and
 * log; it must never leave a trace with the quorum, nor go beyond what is
 * committed.
 *
 * @module
 */
import { METADATA_TOPIC_ID, type Uuid } from "../../core/bytes/uuid.ts";
import type { Clock } from "../../core/env/env.ts";
import { type ErrorName, errorName, KafkaError } from "../../core/errors.ts";
import { addressText } from "../../core/ids.ts";
import { storedBatches, wholeBatches } from "../../core/raft/batches.ts";
import { decodeSnapshot, type SnapshotId } from "../../core/raft/snapshot.ts";
import type { Link } from "../link/link.ts";
import { METADATA_TOPIC } from "./voters.ts";
import type { Address } from "../tcp/transport.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { DESCRIBE_QUORUM } from "../wire/55_describe_quorum.ts";
import { FETCH_SNAPSHOT } from "../wire/59_fetch_snapshot.ts";
import { DESCRIBE_CLUSTER } from "../wire/60_describe_cluster.ts";

/** What a {@linkcode QuorumReader} is made of. */
export interface QuorumReaderOptions {
  readonly clock: Pick<Clock, "monoMs" | "sleep">;
  readonly connect: (address: Address) => Promise<Link>;
  /** Any node: a broker's listener or a controller's. */
  readonly at: Address;
  readonly timeoutMs: number;
}

/** Who takes in what is read. */
export interface MetadataSink {
  /** All that was taken in so far does not count. */
  restart(): void;
  /** Values of committed records, in order. */
  take(values: Iterable<Uint8Array>): void;
}

/** Where the controllers are. */
export interface FoundQuorum {
  readonly clusterId: Uuid;
  /** Name of the listener at which they are reached. */
  readonly listenerName: string;
  readonly controllers: readonly (Address & { readonly id: number })[];
}

const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const RETRY_MS = 100;
/** Nobody: a replica's id would be taken note of. */
const NO_REPLICA = -1;
const CONTROLLERS = 2;
const EMPTY = new Uint8Array(0);
/** What passes once the quorum has settled. */
const PASSING: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "NONE",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "NOT_LEADER_OR_FOLLOWER",
  "BROKER_NOT_AVAILABLE",
  "SNAPSHOT_NOT_FOUND",
]);

interface Leading {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/**
 * One look at a quorum.
 *
 * Invariants:
 * 1. There is one link at most besides the one that is being opened.
 */
export class QuorumReader {
  readonly #options: QuorumReaderOptions;
  readonly #deadlineMs: number;
  #link: Link | undefined;
  /** The epoch that the last answer told. */
  #epoch = 0;
  /** The offset after the last record that was read, and its epoch. */
  #endOffset = 0;
  #lastEpoch = 0;
  #sink: MetadataSink = { restart: () => {}, take: () => {} };

  constructor(options: QuorumReaderOptions) {
    this.#options = options;
    this.#deadlineMs = options.clock.monoMs() + options.timeoutMs;
  }

  /** Reads all that is committed by now; resolves with the offset after it. */
  async read(sink: MetadataSink): Promise<number> {
    const { at } = this.#options;
    this.#sink = sink;
    const link = await this.#linkTo(at);
    if (link.version(METADATA) !== undefined) await this.#enter(link);
    let targetOffset: number | undefined;
    while (targetOffset === undefined || this.#endOffset < targetOffset) {
      const highWatermark = await this.#untilServed(() => this.#fetch());
      targetOffset ??= highWatermark;
    }
    return this.#endOffset;
  }

  /** Who the cluster and its controllers are, once they were read from. */
  async find(): Promise<FoundQuorum> {
    const { clusterId, errorCode } = await this.link.request(
      DESCRIBE_CLUSTER,
      { endpointType: CONTROLLERS },
    );
    if (errorCode !== 0) throw this.#refused(errorName(errorCode));
    return { clusterId, ...await this.#nodes(this.link) };
  }

  /** To the controller that led when it was last asked. */
  get link(): Link {
    return this.#link!;
  }

  /** Ends the link. */
  close(): void {
    this.#link?.close();
  }

  /** From a broker to one of the controllers that it tells of. */
  async #enter(broker: Link): Promise<void> {
    const { controllers } = await this.#nodes(broker);
    let failure: unknown;
    for (const controller of controllers) {
      try {
        await this.#linkTo(controller);
        return;
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? this.#unfound();
  }

  /** A controller that nobody else was to reach has no listener for it. */
  #unfound(): KafkaError {
    const { at } = this.#options;
    const listeners = `PLAINTEXT://${addressText(at)},CONTROLLER://${
      addressText({ ...at, port: at.port + 1 })
    }`;
    return new KafkaError(
      "BROKER_NOT_AVAILABLE",
      `Cannot find the controllers: the node tells no address of theirs. If it votes alone, start it again with a listener for others: -X listeners=${listeners} -X controller.listener.names=CONTROLLER`,
    );
  }

  async #nodes(link: Link): Promise<Omit<FoundQuorum, "clusterId">> {
    const { errorCode, nodes } = await link.request(DESCRIBE_QUORUM, {
      topics: [{
        topicName: METADATA_TOPIC,
        partitions: [{ partitionIndex: 0 }],
      }],
    });
    if (errorCode !== 0) throw this.#refused(errorName(errorCode));
    const controllers = nodes.flatMap(({ nodeId: id, listeners }) =>
      listeners.slice(0, 1).map(({ host, port }) => ({ id, host, port }))
    );
    const listenerName = nodes[0]?.listeners[0]?.name ?? "";
    return { controllers, listenerName };
  }

  async #linkTo(address: Address): Promise<Link> {
    this.#link?.close();
    this.#link = undefined;
    return this.#link = await this.#options.connect(address);
  }

  /** Again and again until there is a leader that answers. */
  async #untilServed<T>(
    ask: () => Promise<T | undefined>,
  ): Promise<T> {
    const { clock, at } = this.#options;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (clock.monoMs() + RETRY_MS >= this.#deadlineMs) {
        throw new KafkaError(
          "REQUEST_TIMED_OUT",
          `Cannot read the metadata at ${at.host}:${at.port}: the quorum has no leader that answers; see that a majority of the controllers runs`,
        );
      }
      await clock.sleep(RETRY_MS);
    }
  }

  /** The high watermark, once some more is read; undefined: ask again. */
  async #fetch(): Promise<number | undefined> {
    const link = this.#link!;
    const { errorCode, responses, nodeEndpoints } = await link.request(FETCH, {
      replicaId: NO_REPLICA,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: FETCH_BYTES_MAX,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [{
        topic: METADATA_TOPIC,
        topicId: METADATA_TOPIC_ID,
        partitions: [{
          partition: 0,
          currentLeaderEpoch: this.#epoch,
          fetchOffset: this.#endOffset,
          lastFetchedEpoch: this.#lastEpoch,
          logStartOffset: -1,
          partitionMaxBytes: FETCH_BYTES_MAX,
        }],
      }],
    });
    const partition = responses[0]?.partitions[0];
    const error = errorName(partition?.errorCode ?? errorCode);
    if (partition === undefined || error !== "NONE") {
      return await this.#moved(error, {
        leading: partition?.currentLeader,
        nodeEndpoints,
      });
    }
    const { highWatermark, snapshotId, divergingEpoch } = partition;
    if (divergingEpoch.endOffset >= 0) {
      // What was read is not of this quorum's log any more: begin anew.
      this.#begin({ endOffset: 0, epoch: 0 });
      return undefined;
    }
    if (snapshotId.endOffset >= 0) {
      return await this.#load(snapshotId) ? highWatermark : undefined;
    }
    if (highWatermark < 0) return undefined;
    const from = this.#endOffset;
    this.#take(partition.records ?? EMPTY, highWatermark);
    const isFurther = this.#endOffset > from ||
      this.#endOffset >= highWatermark;
    return isFurther ? highWatermark : undefined;
  }

  #take(records: Uint8Array, highWatermark: number): void {
    for (const batch of storedBatches(wholeBatches(records))) {
      if (batch.nextOffset > highWatermark) return;
      if (batch.baseOffset < this.#endOffset) continue;
      this.#sink.take(batch.values);
      this.#endOffset = batch.nextOffset;
      this.#lastEpoch = batch.epoch;
    }
  }

  /** Whether all of the snapshot is taken in. */
  async #load(id: SnapshotId): Promise<boolean> {
    const pieces: Uint8Array[] = [];
    let position = 0;
    let size = Infinity;
    while (position < size) {
      const { errorCode, topics, nodeEndpoints } = await this.#link!.request(
        FETCH_SNAPSHOT,
        {
          replicaId: NO_REPLICA,
          maxBytes: FETCH_BYTES_MAX,
          topics: [{
            name: METADATA_TOPIC,
            partitions: [{
              partition: 0,
              currentLeaderEpoch: this.#epoch,
              snapshotId: id,
              position,
            }],
          }],
        },
      );
      const partition = topics[0]?.partitions[0];
      const error = errorName(partition?.errorCode ?? errorCode);
      if (partition === undefined || error !== "NONE") {
        const leading = partition?.currentLeader;
        await this.#moved(error, { leading, nodeEndpoints });
        return false;
      }
      pieces.push(partition.unalignedRecords);
      position += partition.unalignedRecords.length;
      size = partition.size;
    }
    const bytes = new Uint8Array(position);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.#begin(id);
    this.#sink.take(decodeSnapshot(bytes));
    return true;
  }

  #begin({ endOffset, epoch }: SnapshotId): void {
    this.#sink.restart();
    this.#endOffset = endOffset;
    this.#lastEpoch = epoch;
  }

  /** Follows what an answer tells of the leader. */
  async #moved(
    error: ErrorName,
    { leading, nodeEndpoints }: {
      readonly leading: Leading | undefined;
      readonly nodeEndpoints: readonly (Address & {
        readonly nodeId: number;
      })[];
    },
  ): Promise<undefined> {
    if (!PASSING.has(error)) throw this.#refused(error);
    const { leaderId = -1, leaderEpoch = -1 } = leading ?? {};
    this.#epoch = Math.max(this.#epoch, leaderEpoch);
    const leader = nodeEndpoints.find(({ nodeId }) => nodeId === leaderId);
    const isElsewhere = leader !== undefined &&
      error === "NOT_LEADER_OR_FOLLOWER";
    if (isElsewhere) await this.#linkTo(leader);
    return undefined;
  }

  #refused(error: ErrorName): KafkaError {
    const { host, port } = this.#options.at;
    return new KafkaError(
      error,
      `Cannot read the metadata at ${host}:${port}: ${error}`,
    );
  }
}
