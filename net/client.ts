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
import type { ClientConfig, ClientSeams } from "./client/types.ts";

export { type ClientKind, clientKindsOf } from "../core/config/resolve.ts";
export { type ErrorName, ERRORS, KafkaError } from "../core/errors.ts";
export {
  compileExpression,
  type ExpressionRecord,
} from "../core/expression/expression.ts";
export { ExpressionError } from "../core/expression/expression_error.ts";
export { partitionOfKey } from "../core/client/partitioner.ts";
export { Regex } from "../core/expression/regex.ts";
export { RegexError } from "../core/expression/regex_pattern.ts";
export type { TopicPartition } from "../core/ids.ts";
export type * from "./client/admin_types.ts";
export type * from "./client/types.ts";
export { Admin, Consumer, Producer };

/** Makes a producer; nothing is sent before the first record. */
export function createProducer(
  config: ClientConfig,
  seams?: Partial<ClientSeams>,
): Producer {
  return new Producer(config, realSeams(seams));
}

/** Makes a consumer; nothing is sent before the first poll. */
export function createConsumer(
  config: ClientConfig,
  seams?: Partial<ClientSeams>,
): Consumer {
  return new Consumer(config, realSeams(seams));
}

/** Makes an admin client; nothing is sent before the first call. */
export function createAdmin(
  config: ClientConfig,
  seams?: Partial<ClientSeams>,
): Admin {
  return new Admin(config, realSeams(seams));
}

function realSeams(seams: Partial<ClientSeams> | undefined): ClientSeams {
  return {
    env: seams?.env ?? denoEnv(),
    transport: seams?.transport ?? denoTransport(),
  };
}
