/**
 * The lean entry for programs that only talk to a cluster: producer, consumer
 * and admin client over real time and real sockets. It must never load the
 * broker.
 *
 * @module
 */
import { denoEnv } from "../core/env/deno_env.ts";
import type { MetadataView } from "../core/metadata.ts";
import { denoTransport } from "./tcp/deno_tcp.ts";
import type { Address } from "./tcp/transport.ts";
import { Admin } from "./client/admin.ts";
import { Consumer } from "./client/consumer.ts";
import { Producer } from "./client/producer.ts";
import type {
  ClientConfig,
  ClientOptions,
  ClientSeams,
} from "./client/types.ts";

export { type ClientKind, clientKindsOf } from "../core/config/resolve.ts";
export { type ErrorName, ERRORS, KafkaError } from "../core/errors.ts";
export {
  compileExpression,
  type ExpressionRecord,
} from "../core/expression/expression.ts";
export { ExpressionError } from "../core/expression/expression_error.ts";
export {
  type PlannedBroker,
  type PlannedPartition,
  planReassignment,
  type ReassignmentOptions,
} from "../core/client/reassignment.ts";
export { partitionOfKey } from "../core/client/partitioner.ts";
export { Regex } from "../core/expression/regex.ts";
export { RegexError } from "../core/expression/regex_pattern.ts";
export type { MetadataView } from "../core/metadata.ts";
export type { TraceLevel } from "../core/env/env.ts";
export type { TopicPartition } from "../core/ids.ts";
export type * from "./client/admin_types.ts";
export type * from "./client/types.ts";
export { Admin, Consumer, Producer };

/** How long a connection to a controller may take. */
const CONNECT_TIMEOUT_MS = 10_000;
/** How long a quorum without leader is waited for. */
const READ_TIMEOUT_MS = 30_000;

/** Makes a producer; nothing is sent before the first record. */
export function createProducer(
  config: ClientConfig,
  options?: ClientOptions,
): Producer {
  return new Producer(config, realSeams(options));
}

/** Makes a consumer; nothing is sent before the first poll. */
export function createConsumer(
  config: ClientConfig,
  options?: ClientOptions,
): Consumer {
  return new Consumer(config, realSeams(options));
}

/** Makes an admin client; nothing is sent before the first call. */
export function createAdmin(
  config: ClientConfig,
  options?: ClientOptions,
): Admin {
  return new Admin(config, realSeams(options));
}

/**
 * The cluster's metadata, read from its quorum: `address` is any controller's or
 * broker's. Nothing of the cluster changes, and nobody takes note of it.
 */
export async function readQuorumMetadata(
  address: Address,
  options: ClientOptions & { readonly timeoutMs?: number } = {},
): Promise<MetadataView> {
  // Clients that ask for records don't need it.
  const [{ QuorumReader }, { Link }, { MetadataReplay }, { metadataTree }] =
    await Promise.all([
      import("./raft/quorum_reader.ts"),
      import("./link/link.ts"),
      import("../core/metadata/replay.ts"),
      import("../core/metadata/tree.ts"),
    ]);
  const { env, transport } = realSeams(options);
  const { timeoutMs = READ_TIMEOUT_MS } = options;
  const reader = new QuorumReader({
    clock: env.clock,
    at: address,
    timeoutMs,
    connect: (address) =>
      Link.open({
        env,
        transport,
        address,
        clientId: "kf",
        isAdvertised: false,
        connectTimeoutMs: Math.min(timeoutMs, CONNECT_TIMEOUT_MS),
        requestTimeoutMs: timeoutMs,
      }),
  });
  try {
    let replay = new MetadataReplay();
    const endOffset = await reader.read({
      restart: () => void (replay = new MetadataReplay()),
      take: (values) => replay.take(values),
    });
    return {
      tree: metadataTree(replay.image),
      endOffset,
      missing: replay.missing(),
    };
  } finally {
    reader.close();
  }
}

function realSeams(options: ClientOptions = {}): ClientSeams {
  const { trace } = options;
  return {
    env: options.env ?? denoEnv(trace === undefined ? {} : { trace }),
    transport: options.transport ?? denoTransport(),
  };
}
