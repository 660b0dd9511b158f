/**
 * Everything that this broker replicates: a fetcher for each broker that leads
 * what is followed here, and one proposer of in-sync replicas. Owns which
 * partition is fetched by whom, and when lag is looked for; a broker that is
 * alone has no fetcher, and nothing to look for.
 *
 * @module
 */
import type { BrokerConfig } from "../../core/config/resolve.ts";
import type { Cancel, Env } from "../../core/env/env.ts";
import type { MetadataImage } from "../../core/metadata/image.ts";
import type { Link } from "../link/link.ts";
import {
  IsrProposer,
  type ProposerOptions,
} from "../replication/isr_proposer.ts";
import { ReplicaFetcher } from "../replication/replica_fetcher.ts";
import type { HostedPartition } from "./hosted_partition.ts";
import type { Hosting } from "./hosting.ts";

/** `metadata.version` 4.1-IV1: followers say what they know is committed. */
const HIGH_WATERMARK_LEVEL = 27;

/** What {@linkcode Replication} is made of. */
export interface ReplicationOptions {
  readonly env: Env;
  readonly nodeId: number;
  readonly hosting: Hosting;
  readonly image: MetadataImage;
  readonly config: () => BrokerConfig;
  /** Asks the active controller for other ISRs. */
  readonly alterPartition: ProposerOptions["request"];
  /** Opens a link to where broker `id` is now. */
  readonly connect: (id: number) => Promise<Link>;
}

/**
 * The replication of one broker.
 *
 * Invariants:
 * 1. A partition is followed by one fetcher at most: that of its leader.
 * 2. Nothing is followed after `close()`: metadata go on to come while logs close.
 */
export class Replication {
  readonly #options: ReplicationOptions;
  readonly #proposer: IsrProposer;
  readonly #fetchers = new Map<number, ReplicaFetcher>();
  /** The incarnation of each broker that is fetched from; −1: not registered. */
  readonly #epochs = new Map<number, number>();
  /** The leader from whom each partition is fetched. */
  readonly #leaders = new Map<HostedPartition, number>();
  #cancelCheck: Cancel | undefined;
  #isClosed = false;

  constructor(options: ReplicationOptions) {
    const { env, nodeId, alterPartition, hosting } = options;
    this.#options = options;
    this.#proposer = new IsrProposer({
      env,
      nodeId,
      brokerEpoch: () => this.#brokerEpoch(),
      request: alterPartition,
    });
    hosting.replicateBy({
      onProposal: (hosted) => this.#proposer.propose(hosted),
      onFollowed: (hosted) => {
        const leader = this.#leaders.get(hosted);
        if (leader !== undefined) this.#fetchers.get(leader)!.wake();
      },
    });
  }

  /** Follows what others lead, and looks for lag from now on. */
  start(): void {
    this.rolesChanged(this.#options.hosting.partitions.all());
    this.#scheduleCheck();
  }

  /** Ends all fetchers. */
  close(): void {
    this.#isClosed = true;
    this.#cancelCheck?.();
    this.#proposer.close();
    for (const fetcher of this.#fetchers.values()) fetcher.close();
  }

  /** Another broker may lead these, or they are no longer here. */
  rolesChanged(changed: Iterable<HostedPartition>): void {
    if (this.#isClosed) return;
    for (const hosted of changed) {
      const known = this.#leaders.get(hosted);
      const leader = hosted.followedLeader;
      if (known !== undefined && known !== leader) {
        this.#fetchers.get(known)!.unfollow(hosted);
        this.#leaders.delete(hosted);
      }
      if (leader === -1) continue;
      this.#leaders.set(hosted, leader);
      this.#fetcherOf(leader).follow(hosted);
    }
  }

  /**
   * These changed. Who lost its power hangs up on nobody: without this a request
   * would wait for its time-out, though the broker is back.
   */
  brokersChanged(ids: Iterable<number>): void {
    for (const id of ids) {
      const fetcher = this.#fetchers.get(id);
      const epoch = this.#epochOf(id);
      if (fetcher === undefined || this.#epochs.get(id) === epoch) continue;
      this.#epochs.set(id, epoch);
      fetcher.hangUp();
    }
  }

  #fetcherOf(leaderId: number): ReplicaFetcher {
    const known = this.#fetchers.get(leaderId);
    if (known !== undefined) return known;
    const { env, nodeId, image, connect } = this.#options;
    const fetcher = new ReplicaFetcher({
      env,
      leaderId,
      nodeId,
      brokerEpoch: () => this.#brokerEpoch(),
      limits: () => this.#limits(),
      connect: () => connect(leaderId),
      fetchVersionMax: () =>
        (image.features.get("metadata.version") ?? 0) >= HIGH_WATERMARK_LEVEL
          ? 18
          : 17,
    });
    this.#fetchers.set(leaderId, fetcher);
    this.#epochs.set(leaderId, this.#epochOf(leaderId));
    return fetcher;
  }

  #brokerEpoch(): number {
    return this.#epochOf(this.#options.nodeId);
  }

  #epochOf(id: number): number {
    return this.#options.image.broker(id)?.epoch ?? -1;
  }

  #limits() {
    const config = this.#options.config();
    return {
      minBytes: config["replica.fetch.min.bytes"],
      maxWaitMs: config["replica.fetch.wait.max.ms"],
      partitionBytesMax: config["replica.fetch.max.bytes"],
      responseBytesMax: config["replica.fetch.response.max.bytes"],
      backoffMs: config["replica.fetch.backoff.ms"],
      requestTimeoutMs: config["replica.socket.timeout.ms"],
    };
  }

  /** As often as Kafka: a follower is out after one and a half times the limit. */
  #scheduleCheck(): void {
    const { env: { clock }, config, hosting } = this.#options;
    const ms = config()["replica.lag.time.max.ms"] / 2;
    this.#cancelCheck = clock.timer(ms, () => {
      for (const hosted of hosting.partitions.all()) hosted.checkLag();
      this.#scheduleCheck();
    });
  }
}
