/**
 * The lean entry for programs that only talk to a cluster: producer, consumer
 * and admin client over real time and real sockets. It must never load the
 * broker.
 *
 * @module
 */
import { denoEnv } from "../core/env/deno_env.ts";
import { denoTransport } from "./tcp/deno_tcp.ts";
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
export type { TraceLevel } from "../core/env/env.ts";
export type { TopicPartition } from "../core/ids.ts";
export type * from "./client/admin_types.ts";
export type * from "./client/types.ts";
export { Admin, Consumer, Producer };

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

function realSeams(options: ClientOptions = {}): ClientSeams {
  const { trace } = options;
  return {
    env: options.env ?? denoEnv(trace === undefined ? {} : { trace }),
    transport: options.transport ?? denoTransport(),
  };
}
