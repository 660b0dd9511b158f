/**
 * A broker for tests that speak raw frames: one on a free port and a temporary
 * folder, and the few requests that most of them need. Asserts nothing.
 *
 * @module
 */
import { resolveBrokerConfig } from "../core/config/resolve.ts";
import { denoEnv } from "../core/env/deno_env.ts";
import type { Env } from "../core/env/env.ts";
import type { RecordInput } from "../core/record/builder.ts";
import { Broker } from "../net/server/broker.ts";
import { denoTransport } from "../net/tcp/deno_tcp.ts";
import { PRODUCE } from "../net/wire/00_produce.ts";
import { FETCH } from "../net/wire/01_fetch.ts";
import { FIND_COORDINATOR } from "../net/wire/10_find_coordinator.ts";
import { CREATE_TOPICS } from "../net/wire/19_create_topics.ts";
import { INIT_PRODUCER_ID } from "../net/wire/22_init_producer_id.ts";
import { until } from "./fixtures.ts";
import type { RawClient } from "./raw_client.ts";

export interface Running extends AsyncDisposable {
  readonly broker: Broker;
  readonly port: number;
  readonly folder: string;
}

/** A broker on a free port and a temporary folder, gone with the scope. */
export async function running(
  config: Readonly<Record<string, string>> = {},
  folder: string = Deno.makeTempDirSync({ prefix: "kf-test-" }),
): Promise<Running> {
  const env = denoEnv({ traceLevel: "error" });
  const broker = await start(folder, { env, config });
  return {
    broker,
    port: broker.address.port,
    folder,
    async [Symbol.asyncDispose]() {
      await broker.stop();
      await env.tasks.settled();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** Real seams on which time passes `factor` times as fast. */
export function hurried(factor: number): Env {
  const real = denoEnv({ traceLevel: "error" });
  const clock = {
    ...real.clock,
    monoMs: () => real.clock.monoMs() * factor,
    timer: (ms: number, fn: () => void) => real.clock.timer(ms / factor, fn),
  };
  return { ...real, clock };
}

/** How {@linkcode start} starts a broker. */
export interface StartOptions {
  readonly env?: Env;
  readonly config?: Readonly<Record<string, string>>;
  readonly onFatal?: (error: unknown) => void;
}

/** A broker on `folder`; whoever asks stops it. */
export function start(
  folder: string,
  options: StartOptions = {},
): Promise<Broker> {
  const { env = denoEnv({ traceLevel: "error" }), config, onFatal } = options;
  return Broker.start({
    env,
    ...(onFatal ? { onFatal } : {}),
    transport: denoTransport(),
    config: resolveBrokerConfig(
      new Map(Object.entries({
        "listeners": "PLAINTEXT://127.0.0.1:0",
        "log.dirs": folder,
        ...config,
      })),
    ),
  });
}

const TEXT = new TextEncoder();
export const latest = <A extends { versions: { max: number } }>(api: A) => ({
  api,
  version: api.versions.max,
});

export function records(...values: string[]): RecordInput[] {
  return values.map((value) => ({
    timestamp: Date.now(),
    key: null,
    value: TEXT.encode(value),
  }));
}

export async function create(client: RawClient, name: string, partitions = 1) {
  const { topics } = await client.call(latest(CREATE_TOPICS), {
    topics: [{ name, numPartitions: partitions, replicationFactor: 1 }],
  });
  return topics[0]!;
}

export async function produce(
  client: RawClient,
  batch: Uint8Array | null,
  { topic = "t", index = 0, acks = -1, version = 12 } = {},
) {
  const { responses } = await client.call({ api: PRODUCE, version }, {
    acks,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index, records: batch }] }],
  });
  return responses[0]!.partitionResponses[0]!;
}

export async function fetch(
  client: RawClient,
  { offset = 0, maxWaitMs = 0, minBytes = 1, topic = "t" } = {},
) {
  const { responses } = await client.call({ api: FETCH, version: 12 }, {
    maxWaitMs,
    minBytes,
    topics: [{
      topic,
      partitions: [{
        partition: 0,
        fetchOffset: offset,
        partitionMaxBytes: 1_000_000,
      }],
    }],
  });
  return responses[0]!.partitions[0]!;
}

/** The producer of transactional id "x", as its coordinator has it. */
export async function initProducer(client: RawClient) {
  await until("transactions are coordinated", async () => {
    const { coordinators } = await client.call(latest(FIND_COORDINATOR), {
      keyType: 1,
      coordinatorKeys: ["x"],
    });
    return coordinators[0]!.errorCode === 0;
  });
  // What was open is aborted first, and the producer told to ask again.
  return await until("the producer has its epoch", async () => {
    const producer = await client.call(latest(INIT_PRODUCER_ID), {
      transactionalId: "x",
      transactionTimeoutMs: 60_000,
      producerId: -1,
      producerEpoch: -1,
    });
    return producer.errorCode === 0 ? producer : undefined;
  });
}
