/**
 * A cluster of Apache Kafka and kf: one static quorum, each node a broker, too.
 * Owns its processes, ports and folders; asserts nothing.
 *
 * @module
 */
import { ClusterNode, ProcessNode } from "../cluster/cluster.ts";
import {
  type ApacheKafka,
  CLUSTER_ID,
  startApacheKafka,
  untilListening,
} from "./apache_kafka.ts";
import { freePorts } from "../ports.ts";

/** What all nodes are told, whichever they are. */
const COMMON = {
  "broker.heartbeat.interval.ms": "500",
  "broker.session.timeout.ms": "6000",
  "offsets.topic.num.partitions": "3",
  "offsets.topic.replication.factor": "2",
  "transaction.state.log.num.partitions": "3",
  "transaction.state.log.replication.factor": "2",
  "transaction.state.log.min.isr": "1",
  "group.initial.rebalance.delay.ms": "0",
  "replica.fetch.wait.max.ms": "200",
  "auto.create.topics.enable": "false",
  "log.retention.check.interval.ms": "1000",
  "log.cleaner.backoff.ms": "300",
};

/** Who should lead the quorum stands for election soon, the others late. */
const ELECTION_MS = { first: 600, other: 4000 };

/** How a {@linkcode MixedCluster} is made. */
export interface MixedClusterOptions {
  /** Folder of Apache Kafka's jars. */
  readonly jars: string;
  /** What nodes 1, 2, … are. */
  readonly nodes: readonly ("kafka" | "kf")[];
  /** Whose node is to be the active controller first. */
  readonly controller: "kafka" | "kf";
  readonly config?: Readonly<Record<string, string>>;
  /** For how long the others wait before they stand for election. */
  readonly patienceMs?: number;
  /** Arguments of Kafka's `format`. */
  readonly format?: readonly string[];
  /** How Java runs Kafka. */
  readonly jvm?: readonly string[];
}

/** Nodes 1, 2, … that vote together. */
export class MixedCluster implements AsyncDisposable {
  readonly nodes: readonly MixedNode[];
  readonly #folder = Deno.makeTempDirSync({ prefix: "kf-test-mixed-" });

  private constructor(options: MixedClusterOptions) {
    const { nodes, controller } = options;
    const ports = freePorts(2 * nodes.length);
    const voters = nodes.map((_, i) =>
      `${i + 1}@127.0.0.1:${ports[nodes.length + i]}`
    ).join();
    this.nodes = nodes.map((kind, i) => {
      const id = i + 1;
      const port = ports[i]!;
      const controllerPort = ports[nodes.length + i]!;
      const home = `${this.#folder}/${id}`;
      Deno.mkdirSync(home);
      const config = {
        "node.id": String(id),
        "process.roles": "broker,controller",
        "log.dirs": `${home}/data`,
        "listeners":
          `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": voters,
        "controller.quorum.election.timeout.ms": String(
          kind === controller
            ? ELECTION_MS.first
            : options.patienceMs ?? ELECTION_MS.other,
        ),
        ...COMMON,
        ...options.config,
      };
      return kind === "kafka"
        ? new KafkaNode({ ...options, id, port, controllerPort, home, config })
        : new KfNode({ id, port, controllerPort, config });
    });
  }

  /** All nodes, ready. */
  static async start(options: MixedClusterOptions): Promise<MixedCluster> {
    const cluster = new MixedCluster(options);
    try {
      // However slow it is to start, the first to stand for election leads.
      const [first, others] = cluster.#byKind(options);
      const starting = Promise.all(first.map((node) => node.start()));
      await Promise.race([
        starting,
        Promise.all(first.map((node) => untilListening(node.controllerPort))),
      ]);
      await Promise.all([starting, ...others.map((node) => node.start())]);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** Those that are to lead the quorum, and the others. */
  #byKind({ nodes, controller }: MixedClusterOptions) {
    const isFirst = (node: MixedNode) => nodes[node.id - 1] === controller;
    return [
      this.nodes.filter(isFirst),
      this.nodes.filter((node) => !isFirst(node)),
    ] as const;
  }

  /** For `bootstrap.servers`. */
  get addresses(): string {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`).join();
  }

  node(id: number): MixedNode {
    return this.nodes[id - 1]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.nodes.map((node) => node.end()));
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** A node of either kind, which can be asked for its folder. */
export interface MixedNode {
  readonly id: number;
  readonly port: number;
  /** Where the quorum's members ask it. */
  readonly controllerPort: number;
  /** The process, while it runs. */
  readonly pid: number | undefined;
  /** The folder with its partitions' folders. */
  readonly data: string;
  /** Resolves when it serves clients. */
  start(): Promise<void>;
  /** Stops it in order. */
  stop(): Promise<void>;
  /** Ends it without a word. */
  kill(): Promise<void>;
  /** Ends it in whatever state it is. */
  end(): Promise<void>;
  /** Lets it stand still, or go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

interface NodeOptions {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  readonly config: Readonly<Record<string, string>>;
}

class KfNode extends ProcessNode implements MixedNode {
  readonly controllerPort: number;

  constructor({ id, port, controllerPort, config }: NodeOptions) {
    super(id, port, { ...config, "kf.cluster.id": CLUSTER_ID });
    this.controllerPort = controllerPort;
  }

  get data(): string {
    return this.config["log.dirs"]!;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    Deno.kill(this.pid!, signal);
  }
}

class KafkaNode extends ClusterNode implements MixedNode {
  override readonly told: string[] = [];
  readonly controllerPort: number;
  readonly data: string;
  readonly #options:
    & Pick<MixedClusterOptions, "jars" | "format" | "jvm">
    & { readonly home: string };
  #running: ApacheKafka | undefined;
  #starting: Promise<ApacheKafka> | undefined;
  #aborting = new AbortController();

  constructor(
    options:
      & NodeOptions
      & Pick<MixedClusterOptions, "jars" | "format" | "jvm">
      & { readonly home: string },
  ) {
    super(options.id, options.port, options.config);
    this.controllerPort = options.controllerPort;
    this.#options = options;
    this.data = `${options.home}/data`;
  }

  override async start(): Promise<void> {
    const { jars, home, format, jvm } = this.#options;
    this.#aborting = new AbortController();
    this.#starting = startApacheKafka(jars, {
      home,
      port: this.port,
      config: {
        ...this.config,
        "log.initial.task.delay.ms": "1000",
        "advertised.listeners": `PLAINTEXT://127.0.0.1:${this.port}`,
      },
      ...(format ? { format } : {}),
      ...(jvm ? { jvm } : {}),
      signal: this.#aborting.signal,
    });
    this.#running = await this.#starting;
  }

  override stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  override kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  override async end(): Promise<void> {
    this.#aborting.abort();
    await this.#starting?.catch(() => {});
    await this.#end("SIGKILL");
  }

  override get pid(): number | undefined {
    return this.#running?.pid;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    Deno.kill(this.#running!.pid, signal);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.stop(signal);
  }
}
