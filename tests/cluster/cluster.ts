/**
 * Several real nodes for tests: in this process, or processes that can be
 * killed. Some vote, and are brokers, too, unless told otherwise; others are
 * brokers only. Owns their ports and folders; asserts nothing.
 *
 * @module
 */
import { uuidFromRandom } from "../../core/bytes/uuid.ts";
import { resolveBrokerConfig } from "../../core/config/resolve.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { Broker } from "../../net/server/broker.ts";
import { denoTransport } from "../../net/tcp/deno_tcp.ts";
import { kfCommand } from "../fixtures.ts";
import { freePorts } from "../ports.ts";

/** Quick to find out that somebody is gone, on a slow machine too. */
export const QUICK = {
  "broker.heartbeat.interval.ms": "200",
  "broker.session.timeout.ms": "4000",
  "controller.quorum.election.timeout.ms": "500",
  "offsets.topic.num.partitions": "3",
  "transaction.state.log.num.partitions": "3",
};

/** How a {@linkcode Cluster} is made. */
export interface ClusterOptions {
  /** How many vote. */
  readonly nodes: number;
  /** How many more are brokers only; then who votes is a controller only. */
  readonly brokers?: number;
  readonly config?: Readonly<Record<string, string>>;
  /** Whether each is a process of its own, which can be killed. */
  readonly asProcesses?: boolean;
  /** Where and how each runs, if it is not like the others. */
  readonly site?: (id: number) => ProcessSite;
}

/** Where and how a node runs. */
export interface ProcessSite {
  /** Default: 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default: a folder of the cluster's own. */
  readonly data?: string | undefined;
  /** A program that runs the command behind its own arguments. */
  readonly under?: readonly string[] | undefined;
  /** What this one is told besides what all are told. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Nodes 1, 2, …; those that vote come first. */
export class Cluster implements AsyncDisposable {
  readonly nodes: readonly ClusterNode[];
  /** Those that serve clients. */
  readonly brokers: readonly ClusterNode[];
  readonly #folder = Deno.makeTempDirSync({ prefix: "kf-cluster-" });
  readonly #joined: ClusterNode[] = [];

  private constructor(
    { nodes, brokers = 0, config, asProcesses, site }: ClusterOptions,
  ) {
    const count = nodes + brokers;
    const ports = freePorts(count + nodes);
    const controllerPort = (id: number) => ports[count + id - 1]!;
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    const sites = ids.map((id) => site?.(id) ?? {});
    const hostOf = (id: number) => sites[id - 1]!.host ?? "127.0.0.1";
    const voters = ids.slice(0, nodes)
      .map((id) => `${id}@${hostOf(id)}:${controllerPort(id)}`);
    const clusterId = uuidFromRandom(denoEnv().random);
    const Kind = asProcesses ? ProcessNode : InProcessNode;
    this.nodes = ids.map((id) => {
      const isVoter = id <= nodes;
      const host = hostOf(id);
      const port = isVoter && brokers > 0 ? controllerPort(id) : ports[id - 1]!;
      const clients = `PLAINTEXT://${host}:${ports[id - 1]}`;
      const peers = isVoter ? `CONTROLLER://${host}:${controllerPort(id)}` : "";
      const site = sites[id - 1]!;
      return new Kind(id, port, {
        "node.id": String(id),
        "log.dirs": site.data ?? `${this.#folder}/${id}`,
        "kf.cluster.id": clusterId,
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": voters.join(),
        ...brokers === 0
          ? { "listeners": `${clients},${peers}` }
          : isVoter
          ? { "process.roles": "controller", "listeners": peers }
          : { "process.roles": "broker", "listeners": clients },
        ...QUICK,
        ...config,
        ...site.config,
      }, site);
    });
    this.brokers = this.nodes.slice(brokers > 0 ? nodes : 0);
  }

  /** All nodes, ready. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** For `bootstrap.servers`. */
  get addresses(): string {
    return this.brokers.map(({ address }) => address).join();
  }

  /**
   * Another node, a broker that is not told of the cluster but by one of it;
   * its first start joins, and later ones do without.
   */
  join(...flags: string[]): JoiningNode {
    const data = `${this.#folder}/joined-${this.#joined.length + 1}`;
    const at = this.addresses.split(",")[0]!;
    const node = new JoiningNode(data, ["--join", at, ...flags]);
    this.#joined.push(node);
    return node;
  }

  node(id: number): ClusterNode {
    return this.nodes[id - 1]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(
      [...this.#joined, ...this.nodes].map((node) => node.end()),
    );
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** One node, running or not. */
export abstract class ClusterNode {
  constructor(
    readonly id: number,
    readonly port: number,
    protected config: Readonly<Record<string, string>>,
    protected readonly site: ProcessSite = {},
  ) {}

  /** Changes its config, for its next start. */
  reconfigure(changed: Readonly<Record<string, string>>): void {
    this.config = { ...this.config, ...changed };
  }

  /** Where clients find it. */
  get address(): string {
    return `${this.site.host ?? "127.0.0.1"}:${this.port}`;
  }

  /** The process, while it is one that runs. */
  get pid(): number | undefined {
    return undefined;
  }

  /** Where its data are. */
  get folder(): string {
    return this.config["log.dirs"]!;
  }

  /** What it told operators since it was made. */
  abstract readonly told: readonly string[];
  /** Resolves when it serves clients. */
  abstract start(): Promise<void>;
  /** Stops it in order. */
  abstract stop(): Promise<void>;
  /** Ends it without a word, where that can be done. */
  abstract kill(): Promise<void>;
  /** Ends it in whatever state it is. */
  abstract end(): Promise<void>;
}

class InProcessNode extends ClusterNode {
  override readonly told: string[] = [];
  readonly #env = denoEnv({
    trace: (level, event, fields) => {
      if (level !== "debug") {
        this.told.push(`${level} ${event} ${JSON.stringify(fields, text)}`);
      }
    },
  });
  #broker: Promise<Broker> | undefined;
  #aborting = new AbortController();

  override async start(): Promise<void> {
    this.#aborting = new AbortController();
    this.#broker = Broker.start({
      env: this.#env,
      transport: denoTransport(),
      config: resolveBrokerConfig(new Map(Object.entries(this.config))),
      signal: this.#aborting.signal,
      onFatal: (error) => this.told.push(`fatal ${error}`),
    });
    await this.#broker;
  }

  override async stop(): Promise<void> {
    const broker = await this.#broker;
    this.#broker = undefined;
    await broker?.stop();
    await this.#env.tasks.settled();
  }

  override kill(): Promise<void> {
    throw new Error("A broker in this process can't be killed");
  }

  override async end(): Promise<void> {
    this.#aborting.abort();
    await this.stop().catch(() => {});
  }
}

const DECODER = new TextDecoder();

/** A `kf broker` in a process of its own. */
export class ProcessNode extends ClusterNode {
  override readonly told: string[] = [];
  #child: Deno.ChildProcess | undefined;
  #reading: Promise<void> | undefined;

  override get pid(): number | undefined {
    return this.#child?.pid;
  }

  override async start(): Promise<void> {
    const given = Object.entries(this.config)
      .flatMap(([name, value]) => ["-X", `${name}=${value}`]);
    const flags = ["--http", "off", ...this.flags(), ...given];
    const [program, ...args] = [
      ...this.site.under ?? [],
      ...kfCommand("broker", ...flags),
    ];
    const child = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#child = child;
    const ready = Promise.withResolvers<void>();
    this.#reading = (async () => {
      let rest = "";
      for await (const chunk of child.stderr) {
        const lines = (rest + DECODER.decode(chunk, { stream: true }))
          .split("\n");
        rest = lines.pop()!;
        this.told.push(...lines);
        if (lines.some((line) => / ready on /.test(line))) {
          ready.resolve();
        }
      }
      ready.reject(new Error(`Node ${this.id} ended: ${this.told.join("\n")}`));
      // By itself, unless it was told to.
      if (this.#child === child) this.#child = undefined;
    })();
    await ready.promise;
  }

  /** What the next start is told besides the config. */
  protected flags(): readonly string[] {
    return [];
  }

  override stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  override kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  override end(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill(signal);
    await child?.status;
    await this.#reading;
  }
}

/** A broker that joins at its first start, and goes by its folder then. */
class JoiningNode extends ProcessNode {
  /** Flags of the next start only. */
  #once: readonly string[];

  constructor(readonly data: string, flags: readonly string[]) {
    super(0, 0, QUICK);
    this.#once = flags;
  }

  override flags(): readonly string[] {
    const flags = ["--data", this.data, ...this.#once];
    this.#once = [];
    return flags;
  }
}

function text(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
