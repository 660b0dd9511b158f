/**
 * The cluster of a faulty run: three real nodes, in network namespaces where
 * the machine has them, ended, held and cut off as the faults want it. Owns
 * when they ended and who is what now; judges nothing.
 *
 * @module
 */
import { type Admin, createAdmin } from "../../net/client.ts";
import { Cluster, type ProcessSite } from "../cluster/cluster.ts";
import { until } from "../fixtures.ts";
import { CLIENT } from "./clients.ts";
import { stateOf } from "./host.ts";
import { Namespaces } from "./namespaces.ts";

/** How many nodes vote, and hold each partition. */
export const NODES = 3;
const SETTLED_MS = 90_000;

const CONFIG = {
  "broker.heartbeat.interval.ms": "2000",
  "controller.quorum.election.timeout.ms": "1000",
  "default.replication.factor": String(NODES),
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": String(NODES),
  "transaction.state.log.replication.factor": String(NODES),
  "transaction.state.log.min.isr": "2",
  "group.initial.rebalance.delay.ms": "0",
  "log.segment.bytes": "1048576",
};

/** What a {@linkcode ClusterHost} is made of. */
export interface ClusterHostOptions {
  readonly sessionMs: number;
  /** Where each node's data are, if not on an ordinary disk. */
  readonly dataOf?: ((id: number) => string | undefined) | undefined;
}

/** Three nodes, over all their lives. */
export class ClusterHost implements AsyncDisposable {
  readonly endsMs: number[] = [];
  /** None counts: what one node loses, two others have. */
  readonly powerLossesMs: readonly number[] = [];
  readonly #cluster: Cluster;
  readonly #admin: Admin;
  /** Undefined: all are on loopback. */
  readonly network: Namespaces | undefined;
  /** Why they are. */
  readonly whyNoNetwork: string;

  private constructor(cluster: Cluster, made: Namespaces | string) {
    this.#cluster = cluster;
    this.network = typeof made === "string" ? undefined : made;
    this.whyNoNetwork = typeof made === "string" ? made : "";
    this.#admin = createAdmin({
      ...CLIENT,
      "bootstrap.servers": cluster.addresses,
    });
  }

  static async start(
    { sessionMs, dataOf }: ClusterHostOptions,
  ): Promise<ClusterHost> {
    const made = Namespaces.create(NODES);
    const network = typeof made === "string" ? undefined : made;
    const site = (id: number): ProcessSite => ({
      host: network?.hostOf(id),
      under: network?.under(id),
      data: dataOf?.(id),
    });
    const session = String(sessionMs);
    try {
      const cluster = await Cluster.start({
        nodes: NODES,
        asProcesses: true,
        config: { ...CONFIG, "broker.session.timeout.ms": session },
        site,
      });
      return new ClusterHost(cluster, made);
    } catch (error) {
      network?.[Symbol.dispose]();
      throw error;
    }
  }

  /** For `bootstrap.servers`. */
  get address(): string {
    return this.#cluster.addresses;
  }

  /** What all nodes printed. */
  get printed(): string {
    return this.#cluster.nodes
      .map(({ id, told }) => told.map((line) => `${id} ${line}\n`).join(""))
      .join("");
  }

  ids(): number[] {
    return this.#cluster.nodes.map(({ id }) => id);
  }

  /** `kill -9`, which ends one that is held, too. */
  async kill(id: number): Promise<void> {
    await this.#cluster.node(id).kill();
    this.endsMs.push(Date.now());
  }

  async start(id: number): Promise<void> {
    await this.#cluster.node(id).start();
  }

  /** Starts those that ended by themselves. */
  async startEnded(): Promise<void> {
    const ended = this.#cluster.nodes.filter(({ pid }) => pid === undefined);
    await Promise.all(ended.map((node) => node.start()));
  }

  /** Holds it still: it answers nobody, and its connections stay. */
  async hold(id: number): Promise<void> {
    const pid = this.#cluster.node(id).pid!;
    Deno.kill(pid, "SIGSTOP");
    await until("it is stopped", () => stateOf(pid) === "T");
  }

  release(id: number): void {
    Deno.kill(this.#cluster.node(id).pid!, "SIGCONT");
  }

  /** Ends all in order. */
  async stop(): Promise<void> {
    await this.#admin.close();
    // Together: the last one has nobody to hand over to.
    await Promise.all(this.#cluster.nodes.map((node) => node.stop()));
    this.endsMs.push(Date.now());
  }

  /** The active controller. */
  async controller(): Promise<number> {
    return await until("there is a controller", async () => {
      const quorum = await this.#admin.describeMetadataQuorum()
        .catch(() => undefined);
      return quorum?.leaderId;
    });
  }

  /** Who leads a partition. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    return await until("there is a leader", async () => {
      const [found] = await this.#admin.describeTopics([topic])
        .catch(() => []);
      const leader = found?.partitions[partition]?.leader ?? -1;
      return leader > 0 ? leader : undefined;
    });
  }

  /** Waits until every replica is in sync. */
  async inSync(): Promise<void> {
    await until("all replicas are in sync", async () => {
      const names = await this.#admin.listTopics().catch(() => []);
      if (names.length === 0) return false;
      const topics = await this.#admin.describeTopics(
        names.map(({ name }) => name),
      ).catch(() => []);
      return topics.length > 0 &&
        topics.every(({ partitions }) =>
          partitions.length > 0 &&
          partitions.every(({ isr }) => isr.length === NODES)
        );
    }, SETTLED_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.close();
    await this.#cluster[Symbol.asyncDispose]();
    this.network?.[Symbol.dispose]();
  }
}
