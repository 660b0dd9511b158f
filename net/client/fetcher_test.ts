/**
 * A consumer between two scripted brokers in memory: from whom it reads, when
 * leaders change, and when the leader names a follower in its rack.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { until } from "../../tests/fixtures.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { decode } from "../../core/schema/codec.ts";
import type { Input } from "../../core/schema/schema.ts";
import { records } from "../../tests/raw_broker.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Consumer } from "./consumer.ts";

const TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAQ";
const T0 = { topic: "t", partition: 0 };
const DECODER = new TextDecoder();

/** What a broker says of partition 0. */
type Verdict =
  | { readonly values: string }
  | { readonly error: ErrorName }
  | { readonly readAt: number }
  | "close";

/** Asks that came, and how they are answered. */
class TwoBrokers {
  readonly transport = memoryTransport();
  readonly #listeners = [1, 2].map(() =>
    this.transport.listen({ host: "localhost", port: 0 })
  );
  readonly #open = new Set<Connection>();
  readonly #serving: Promise<unknown>;
  /** Broker and offset of each fetch. */
  readonly fetches: string[] = [];
  readonly metadataAsked: number[] = [];
  /** As each broker knows it. */
  readonly leaders = new Map([[1, 1], [2, 1]]);
  judge: (at: number, offset: number) => Verdict | Promise<Verdict> = () => ({
    values: "",
  });

  constructor() {
    this.#serving = Promise.all(
      this.#listeners.map(async (listener, i) => {
        const all: Promise<void>[] = [];
        for (let next; (next = await listener.accept());) {
          all.push(this.#serve(next, i + 1));
        }
        await Promise.all(all);
      }),
    );
  }

  get addresses(): string {
    return this.#listeners.map(({ address }) => `localhost:${address.port}`)
      .join();
  }

  async #serve(connection: Connection, at: number): Promise<void> {
    const frames = new FrameReader(connection, LIMITS.frameBytesMax);
    this.#open.add(connection);
    try {
      for (let frame; (frame = await frames.next());) {
        const answer = await this.#answer(frame, at);
        if (answer === undefined) break;
        await connection.writeAll(answer);
      }
    } catch {
      // The client hung up.
    }
    this.#open.delete(connection);
    connection.close();
  }

  async #answer(
    frame: Uint8Array,
    at: number,
  ): Promise<Uint8Array | undefined> {
    const header = decodeRequestHeader(frame);
    const { apiKey, apiVersion: version, correlationId, bodyAt } = header;
    if (apiKey === API_VERSIONS.key) {
      return encodeResponse({ api: API_VERSIONS, version, correlationId }, {
        apiKeys: [FETCH, METADATA, API_VERSIONS].map((api) => ({
          apiKey: api.key,
          minVersion: api.versions.min,
          maxVersion: api.versions.max,
        })),
      });
    }
    if (apiKey === METADATA.key) {
      this.metadataAsked.push(at);
      const body = this.#metadata(this.leaders.get(at)!);
      return encodeResponse({ api: METADATA, version, correlationId }, body);
    }
    const body = decode(FETCH.request, version, frame.subarray(bodyAt));
    const offset = body.topics[0]!.partitions[0]!.fetchOffset;
    this.fetches.push(`${at}@${offset}`);
    const verdict = await this.judge(at, offset);
    if (verdict === "close") return undefined;
    // As a broker waits for records: an endless exchange starves timers.
    if ("values" in verdict && verdict.values === "") await turn();
    const answer = answerOf(verdict, offset);
    return encodeResponse({ api: FETCH, version, correlationId }, answer);
  }

  #metadata(leaderId: number): Input<typeof METADATA.response> {
    return {
      brokers: this.#listeners.map(({ address: { port } }, i) => ({
        ...{ nodeId: i + 1, host: "localhost", port },
      })),
      controllerId: 1,
      clusterId: "c",
      topics: [{
        errorCode: 0,
        name: "t",
        topicId: TOPIC_ID,
        partitions: [{
          partitionIndex: 0,
          leaderId,
          leaderEpoch: leaderId,
          replicaNodes: [1, 2],
          isrNodes: [1, 2],
        }],
      }],
    };
  }

  async [Symbol.asyncDispose]() {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#open) connection.close();
    await this.#serving;
  }
}

/** Lets everybody have a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Without a session, so that each request says where it stands. */
function answerOf(
  verdict: Exclude<Verdict, "close">,
  offset: number,
): Input<typeof FETCH.response> {
  const answered = (partition: object) => ({
    sessionId: 0,
    responses: [{
      topicId: TOPIC_ID,
      partitions: [{ partitionIndex: 0, highWatermark: 100, ...partition }],
    }],
  });
  if ("error" in verdict) {
    return answered({ errorCode: ERRORS[verdict.error], highWatermark: -1 });
  }
  if ("readAt" in verdict) {
    const { readAt } = verdict;
    return answered({
      preferredReadReplica: readAt,
      records: new Uint8Array(),
    });
  }
  if (verdict.values === "") return answered({ records: new Uint8Array() });
  const batch = buildBatch(records(...verdict.values));
  new DataView(batch.buffer, batch.byteOffset).setBigInt64(0, BigInt(offset));
  return answered({ records: batch });
}

function consumerOf(brokers: TwoBrokers) {
  const env = denoEnv({ traceLevel: "error" });
  const consumer = new Consumer({
    "bootstrap.servers": brokers.addresses,
    "client.rack": "r",
    "retry.backoff.ms": 1,
    "reconnect.backoff.ms": 1,
    "auto.offset.reset": "none",
  }, { env, transport: brokers.transport });
  let read = "";
  consumer.assign([T0]);
  consumer.seek(T0, 0);
  return {
    consumer,
    /** Everything read so far, once `wanted` is. */
    async reads(wanted: string): Promise<void> {
      await until(`${wanted} is read`, async () => {
        for (const { records } of await consumer.poll(5)) {
          read += records.map(({ value }) => DECODER.decode(value!)).join("");
        }
        return read.length >= wanted.length;
      });
      assertEquals(read, wanted);
    },
    async [Symbol.asyncDispose]() {
      await consumer.close();
      await env.tasks.settled();
    },
  };
}

Deno.test("what a former leader answers late is not handed out a second time", async () => {
  await using brokers = new TwoBrokers();
  await using reader = consumerOf(brokers);
  const late = Promise.withResolvers<Verdict>();
  const next = Promise.withResolvers<Verdict>();
  brokers.judge = (at, offset) => {
    if (offset > 0) return { values: offset === 2 ? "c" : "" };
    return at === 1 ? late.promise : next.promise;
  };
  await until("broker 1 is asked", async () => {
    await reader.consumer.poll(1);
    return brokers.fetches.includes("1@0");
  });
  for (const at of [1, 2]) brokers.leaders.set(at, 2);
  await reader.consumer.partitionsFor("t");
  await until("broker 2 is asked", async () => {
    await reader.consumer.poll(1);
    return brokers.fetches.includes("2@0");
  });
  // Both are there before anything is taken.
  late.resolve({ values: "ab" });
  next.resolve({ values: "abc" });
  await until("both have answered", () => brokers.fetches.length >= 2);
  await turn();
  await reader.reads("abc");
});

Deno.test("a consumer reads from the follower that the leader names, and from the leader again when that fails", async () => {
  for (
    const failure of [
      "close",
      { error: "NOT_LEADER_OR_FOLLOWER" },
      { error: "OFFSET_OUT_OF_RANGE" },
    ] as const
  ) {
    await using brokers = new TwoBrokers();
    await using reader = consumerOf(brokers);
    let named = 0;
    brokers.judge = (at, offset) => {
      if (at === 1 && offset === 0 && named++ === 0) return { readAt: 2 };
      if (at === 2) return offset === 0 ? { values: "ab" } : failure;
      return { values: offset === 2 ? "c" : "" };
    };
    await reader.reads("abc");
    assertEquals(brokers.fetches.slice(0, 4), ["1@0", "2@0", "2@2", "1@2"]);
  }
});

Deno.test("a follower that nobody knows is not read from", async () => {
  await using brokers = new TwoBrokers();
  await using reader = consumerOf(brokers);
  let named = 0;
  brokers.judge = (_, offset) => {
    if (named++ < 2) return { readAt: 9 };
    return { values: offset === 0 ? "a" : "" };
  };
  await reader.reads("a");
  assertEquals(brokers.fetches.slice(0, 3), ["1@0", "1@0", "1@0"]);
});

Deno.test("metadata are asked of any broker: one that is cut off tells of old leaders", async () => {
  await using brokers = new TwoBrokers();
  await using reader = consumerOf(brokers);
  brokers.leaders.set(2, 2);
  brokers.judge = (at) =>
    at === 1 ? { error: "REQUEST_TIMED_OUT" } : { values: "a" };
  // A connection to each.
  await reader.consumer.partitionsFor("t");
  await until("the new leader is found", async () => {
    await reader.consumer.partitionsFor("t");
    await reader.consumer.poll(1);
    return brokers.fetches.some((fetch) => fetch.startsWith("2"));
  });
});
