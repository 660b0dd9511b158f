/**
 * Clients before a broker that answers anything: values that the schema allows
 * and nobody expects, damaged ones, bytes that are none, silence. Whatever they
 * are asked for ends in time with an answer or a `KafkaError`, and they close.
 *
 * @module
 */
import { KafkaError } from "../../../core/errors.ts";
import {
  createAdmin,
  createConsumer,
  createProducer,
} from "../../../net/client.ts";
import type { Api } from "../../../net/wire/api.ts";
import { APIS } from "../../../net/wire/api_keys.ts";
import {
  decodeRequestHeader,
  encodeResponse,
} from "../../../net/wire/headers.ts";
import { Chance } from "../../sim/chance.ts";
import { someBatch } from "../batches.ts";
import { mutate } from "../mutate.ts";
import type { FuzzTarget } from "../target.ts";
import { valueOf, type Words } from "../values.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
/** How long one use of a client may take, and its close. */
const USE_MS = 400;
const PATIENCE_MS = 20_000;

const API_VERSIONS = 18;
const HONEST: ReadonlySet<string> = new Set(["ApiVersions", "Metadata"]);

/** A broker on a port of its own that answers as chance wills. */
class Liar implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #chance: Chance;

  constructor(seed: number) {
    this.#chance = new Chance(seed);
    this.#accept();
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get #port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const connection of this.#connections) hangUp(connection);
  }

  async #accept(): Promise<void> {
    try {
      for await (const connection of this.#listener) {
        this.#connections.add(connection);
        this.#serve(connection).catch(() => {}).finally(() => {
          hangUp(connection);
        });
      }
    } catch {
      // It is closed: the input is over.
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const { readable, writable } = connection;
    const writer = writable.getWriter();
    let bytes = new Uint8Array(0);
    for await (const chunk of readable) {
      bytes = Uint8Array.of(...bytes, ...chunk);
      while (bytes.length >= 4) {
        const size = new DataView(bytes.buffer).getInt32(0);
        if (bytes.length < 4 + size) break;
        const answer = this.#answer(bytes.slice(4, 4 + size));
        bytes = bytes.slice(4 + size);
        if (answer !== undefined) await writer.write(answer.slice());
      }
    }
  }

  #answer(frame: Uint8Array): Uint8Array | undefined {
    const chance = this.#chance;
    const { apiKey, apiVersion, correlationId } = decodeRequestHeader(frame);
    const api: Api = APIS.get(apiKey)!;
    const isHonest = HONEST.has(api.name) && !chance.oneIn(12);
    const head = { api, version: apiVersion, correlationId };
    if (isHonest) return encodeResponse(head, this.#truth(api));
    if (chance.oneIn(30)) return undefined;
    const body = valueOf(api.response, {
      version: apiVersion,
      chance,
      words: this.#words(),
    });
    const answer = encodeResponse(head, body);
    if (chance.oneIn(3)) return answer;
    const damaged = mutate(answer.subarray(8), chance);
    const framed = new Uint8Array(8 + damaged.length);
    framed.set(answer.subarray(0, 8));
    framed.set(damaged, 8);
    if (!chance.oneIn(20)) {
      new DataView(framed.buffer).setInt32(0, 4 + damaged.length);
    }
    return framed;
  }

  /** What leads a client on to ask for more. */
  #truth(api: Api): object {
    if (api.key === API_VERSIONS) {
      const apiKeys = [...APIS.values()].map(({ key, advertised }) => ({
        apiKey: key,
        minVersion: advertised.min,
        maxVersion: advertised.max,
      }));
      return { apiKeys };
    }
    return {
      brokers: [{ nodeId: 0, host: "127.0.0.1", port: this.#port }],
      controllerId: 0,
      clusterId: "c",
      topics: [{
        name: "t",
        topicId: "AAAAAAAAAAAAAAAAAAAABA",
        partitions: [{
          partitionIndex: 0,
          leaderId: 0,
          leaderEpoch: 0,
          replicaNodes: [0],
          isrNodes: [0],
        }],
      }],
    };
  }

  #words(): Words {
    return {
      errorCode: (chance) =>
        chance.pick([0, 0, 0, 0, 3, 6, 14, 16, 25, 27, -1]),
      name: () => "t",
      topic: () => "t",
      topicName: () => "t",
      topicId: () => "AAAAAAAAAAAAAAAAAAAABA",
      key: () => "g",
      groupId: () => "g",
      host: () => "127.0.0.1",
      port: () => this.#port,
      nodeId: () => 0,
      leaderId: () => 0,
      partitionIndex: () => 0,
      index: () => 0,
      records: someBatch,
      memberId: () => "m",
      leader: () => "m",
      protocolName: () => "range",
      protocolType: () => "consumer",
      throttleTimeMs: () => 0,
      heartbeatIntervalMs: () => 50,
      highWatermark: (chance) => chance.pick([0, 1, 1000, Infinity]),
    };
  }
}

/** Reading to the end of a connection's stream closes it, too. */
function hangUp(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

const PATIENT = {
  "request.timeout.ms": 200,
  "socket.connection.setup.timeout.ms": 200,
  "retry.backoff.ms": 10,
  "reconnect.backoff.ms": 10,
};

/** Uses of clients, by name. */
const USES: Readonly<Record<string, (servers: string) => Promise<void>>> = {
  async producer(servers) {
    const producer = createProducer({
      ...PATIENT,
      "bootstrap.servers": servers,
      "delivery.timeout.ms": USE_MS,
      "max.block.ms": USE_MS,
      "linger.ms": 0,
    });
    try {
      await answered(producer.send({ topic: "t", value: "x" }));
    } finally {
      await inTime("closing the producer", producer.close());
    }
  },
  async transactions(servers) {
    const producer = createProducer({
      ...PATIENT,
      "bootstrap.servers": servers,
      "transactional.id": "x",
      "delivery.timeout.ms": USE_MS,
      "max.block.ms": USE_MS,
    });
    try {
      await answered((async () => {
        await producer.initTransactions();
        producer.beginTransaction();
        producer.append({ topic: "t", value: "x" });
        await producer.commitTransaction();
      })());
    } finally {
      await inTime("closing the producer", producer.close());
    }
  },
  consumer: (servers) => consume(servers, "classic"),
  members: (servers) => consume(servers, "consumer"),
  async admin(servers) {
    const admin = createAdmin({
      ...PATIENT,
      "bootstrap.servers": servers,
      "default.api.timeout.ms": USE_MS,
    });
    try {
      await answered(admin.listGroupOffsets("g"));
      await answered(admin.createTopics([{ name: "t", partitions: 1 }]));
    } finally {
      await inTime("closing the admin", admin.close());
    }
  },
};

async function consume(servers: string, protocol: string): Promise<void> {
  const consumer = createConsumer({
    ...PATIENT,
    "bootstrap.servers": servers,
    "group.id": "g",
    "group.protocol": protocol,
    "default.api.timeout.ms": USE_MS,
    "auto.offset.reset": "earliest",
  });
  try {
    consumer.subscribe(["t"]);
    const untilMs = performance.now() + USE_MS;
    while (performance.now() < untilMs) await answered(consumer.poll(100));
    await answered(consumer.commit());
  } finally {
    await inTime("closing the consumer", consumer.close());
  }
}

/** Waits for an answer; what a client says of it must be Kafka's. */
async function answered(use: Promise<unknown>): Promise<void> {
  try {
    await inTime("an answer", use);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
  }
}

async function inTime<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what} took more than ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const answers: FuzzTarget = {
  name: "answers",
  extraBytesMax: 64 * 1024 * 1024,
  generate: (chance) =>
    ENCODER.encode(`${chance.pick(Object.keys(USES))} ${chance.u32()}`),
  vary: (_, chance) =>
    ENCODER.encode(`${chance.pick(Object.keys(USES))} ${chance.u32()}`),
  async run(input) {
    const [use = "", seed] = DECODER.decode(input).split(" ");
    if (!Object.hasOwn(USES, use)) return;
    using liar = new Liar(Number(seed));
    await USES[use]!(liar.address);
  },
};
