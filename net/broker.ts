/**
 * The lean entry to the broker: a running broker on this machine's disk and
 * network, and nothing of the clients. Owns the binding to the real seams.
 *
 * @module
 */
import { resolveBrokerConfig } from "../core/config/resolve.ts";
import { denoEnv, openFilesMax, processUsage } from "../core/env/deno_env.ts";
import type { Trace, TraceLevel } from "../core/env/env.ts";
import { Broker } from "./server/broker.ts";
import { denoTransport } from "./tcp/deno_tcp.ts";
import type { Address } from "./tcp/transport.ts";

export { parseProperties } from "../core/config/properties.ts";

/** How {@linkcode startBroker} starts a broker. */
export interface StartBrokerOptions {
  /** Kafka's broker keys and their texts, as in `server.properties`. */
  readonly config?: ReadonlyMap<string, string>;
  /** Takes what is printed for operators; stderr when absent. */
  readonly trace?: Trace;
  /** The lowest level that is printed to stderr. */
  readonly traceLevel?: TraceLevel;
  /** Told once when the broker can't go on: its disk failed. */
  readonly onFatal?: (error: unknown) => void;
}

/** A broker that runs. */
export interface RunningBroker {
  /** `HOST:PORT` with the real port. */
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
  const { trace, traceLevel, onFatal } = options;
  const broker = await Broker.start({
    env: denoEnv({
      ...(trace ? { trace } : {}),
      ...(traceLevel ? { traceLevel } : {}),
    }),
    transport: denoTransport(),
    config: resolveBrokerConfig(options.config),
    ...(onFatal ? { onFatal } : {}),
    processUsage,
    openFilesMax: openFilesMax(),
  });
  const { address, httpAddress } = broker;
  return {
    address: textOf(address),
    port: address.port,
    httpAddress: httpAddress && textOf(httpAddress),
    clusterId: broker.clusterId,
    nodeId: broker.nodeId,
    stop: () => broker.stop(),
  };
}

function textOf({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
