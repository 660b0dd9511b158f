/**
 * The lean entry to the broker: a running broker on this machine's disk and
 * network, and nothing of the clients. Owns the binding to the real seams.
 *
 * @module
 */
import { resolveBrokerConfig } from "../core/config/resolve.ts";
import { denoEnv, openFilesMax, processUsage } from "../core/env/deno_env.ts";
import type { Trace, TraceLevel } from "../core/env/env.ts";
import { addressText } from "../core/ids.ts";
import { Broker } from "./server/broker.ts";
import { joinedBefore, type Joining } from "./server/joined_note.ts";
import { localNodes } from "./server/local_cluster.ts";
import { dataPath } from "./server/node_folder.ts";
import { denoTransport } from "./tcp/deno_tcp.ts";
import type { Address } from "./tcp/transport.ts";

export { parseProperties } from "../core/config/properties.ts";

/** How {@linkcode startBroker} starts a broker. */
export interface StartBrokerOptions {
  /** Kafka's broker keys and their texts, as in `server.properties`. */
  readonly config?: ReadonlyMap<string, string>;
  /** What counts where neither `config` nor a joined folder says otherwise. */
  readonly defaults?: ReadonlyMap<string, string>;
  /**
   * Any node of a running cluster, which the broker joins: it learns the rest
   * from there, and its folder keeps it for later starts.
   */
  readonly join?: Address | undefined;
  /** Takes what is printed for operators; stderr when absent. */
  readonly trace?: Trace;
  /** The lowest level that is printed to stderr. */
  readonly traceLevel?: TraceLevel;
  /** Told once when the broker can't go on: its disk failed. */
  readonly onFatal?: (error: unknown) => void;
  /** Ends a start that waits for other nodes; it rejects then. */
  readonly signal?: AbortSignal;
}

/** How {@linkcode startCluster} starts a cluster. */
export interface StartClusterOptions extends StartBrokerOptions {
  /** How many nodes; each is a broker and votes on the metadata. */
  readonly nodes: number;
  /** Node N keeps its data in the subfolder N. */
  readonly folder: string;
  /** The first node's port, the others' follow; 0 takes free ones. */
  readonly port: number;
}

/** A broker that runs. */
export interface RunningBroker {
  /** `HOST:PORT` with the real port; of a cluster all, with commas. */
  readonly address: string;
  readonly port: number;
  /** 22 characters of url-safe base64. */
  readonly clusterId: string;
  readonly nodeId: number;
  /** `HOST:PORT` of HTTP with the real port; undefined when it is off. */
  readonly httpAddress: string | undefined;
  /** Answers what was asked, makes everything durable, gives the folder back. */
  stop(): Promise<void>;
}

/**
 * Starts a broker. Rejects with one sentence for people when it can't: a bad
 * config (`KafkaError` `INVALID_CONFIG`), the port or the folder is taken, the
 * folder belongs to another cluster, can't be written or is full.
 */
export async function startBroker(
  options: StartBrokerOptions = {},
): Promise<RunningBroker> {
  const broker = await start(await configured(options), { nodes: 1 });
  const { address, httpAddress } = broker;
  return {
    address: addressText(address),
    port: address.port,
    httpAddress: httpAddress && addressText(httpAddress),
    clusterId: broker.clusterId,
    nodeId: broker.nodeId,
    stop: () => broker.stop(),
  };
}

/**
 * Starts several nodes in this process, which are one cluster: to try out what
 * happens among several, not to survive anything. The answer is the first
 * node's, with the addresses of all.
 */
export async function startCluster(
  { nodes, folder, port, ...options }: StartClusterOptions,
): Promise<RunningBroker> {
  const configs = localNodes({
    env: denoEnv(),
    transport: denoTransport(),
    nodes,
    folder,
    port,
    config: options.config ?? new Map(),
  });
  const failing = new AbortController();
  const signal = AbortSignal.any([
    failing.signal,
    ...options.signal ? [options.signal] : [],
  ]);
  const brokers: Broker[] = [];
  const failures: unknown[] = [];
  await Promise.all(configs.map(async (config) => {
    try {
      const own = { ...options, config, signal };
      brokers.push(await start(own, { nodes }));
    } catch (error) {
      failures.push(error);
      // The others would wait for this one for ever.
      failing.abort();
    }
  }));
  // All end at once: there is nobody to hand anything over to.
  const stop = async () => {
    await Promise.all(brokers.map((broker) => broker.stop({ isLast: true })));
  };
  if (failures.length > 0) {
    await stop();
    throw failures[0];
  }
  brokers.sort((a, b) => a.nodeId - b.nodeId);
  const [first] = brokers as [Broker, ...Broker[]];
  return {
    address: brokers.map(({ address }) => addressText(address)).join(),
    port: first.address.port,
    httpAddress: first.httpAddress && addressText(first.httpAddress),
    clusterId: first.clusterId,
    nodeId: first.nodeId,
    stop,
  };
}

/**
 * The configs of several nodes that are one cluster on this machine, each to be
 * started as a process of its own, as often as need be. Node N keeps its data in
 * the subfolder N.
 */
export function clusterConfigs(
  { nodes, folder, config = new Map() }: {
    readonly nodes: number;
    readonly folder: string;
    readonly config?: ReadonlyMap<string, string>;
  },
): ReadonlyMap<string, string>[] {
  const env = denoEnv();
  const transport = denoTransport();
  return localNodes({ env, transport, nodes, folder, port: "fixed", config });
}

interface Configured extends StartBrokerOptions {
  readonly joining?: Joining | undefined;
}

/** The config with what is learned now, or was learned before, beneath it. */
async function configured(options: StartBrokerOptions): Promise<Configured> {
  const { config = new Map(), defaults = new Map(), join: at } = options;
  const env = denoEnv();
  const given = new Map([...defaults, ...config]);
  const path = dataPath(resolveBrokerConfig(given));
  let joining: Joining | undefined;
  if (at !== undefined) {
    // What starts in a folder of its own needn't load it.
    const { join } = await import("./server/joining.ts");
    joining = await join({ env, transport: denoTransport(), at, given });
  }
  const learned = joining?.learned ?? joinedBefore(env.disk, path);
  return {
    ...options,
    config: new Map([...defaults, ...learned, ...config]),
    joining,
  };
}

/** One of `nodes` brokers in this process. */
function start(
  options: Configured,
  { nodes }: { readonly nodes: number },
): Promise<Broker> {
  const { trace, traceLevel, onFatal, signal } = options;
  const config = resolveBrokerConfig(options.config);
  const open = openFilesMax();
  const env = denoEnv({
    ...(trace ? { trace } : {}),
    ...(traceLevel ? { traceLevel } : {}),
  });
  return Broker.start({
    env: nodes === 1 ? env : {
      ...env,
      trace: (level, event, fields) =>
        env.trace(level, event, { node: config["node.id"], ...fields }),
    },
    transport: denoTransport(),
    config,
    joining: options.joining,
    ...(onFatal ? { onFatal } : {}),
    signal,
    processUsage,
    openFilesMax: open === undefined ? undefined : Math.floor(open / nodes),
  });
}
