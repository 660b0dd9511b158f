/**
 * A producer against a scripted broker in memory: what is sent again, in which
 * order, and what is told. Asserts no timing but `delivery.timeout.ms`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { until } from "../../tests/fixtures.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { ERRORS } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { BatchView } from "../../core/record/batch.ts";
import { decodeRecords } from "../../core/record/record.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { PRODUCE, type ProduceRequest } from "../wire/00_produce.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { decode } from "../../core/schema/codec.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Producer } from "./producer.ts";

const DECODER = new TextDecoder();

/** A batch as the broker got it. */
interface Got {
  readonly epoch: number;
  readonly sequence: number;
  readonly values: string;
}

/** An error, an offset to acknowledge at, the end of the connection, silence. */
type Verdict = keyof typeof ERRORS | number | "close" | "silence";

interface Script {
  readonly port: number;
  readonly got: Got[];
  readonly judge: (got: Got, index: number) => Verdict;
  readonly onMetadata: () => void;
  readonly leaderId: number;
}

function answer(frame: Uint8Array, script: Script): Uint8Array | Verdict {
  const header = decodeRequestHeader(frame);
  const { apiKey, apiVersion: version, correlationId, bodyAt } = header;
  switch (apiKey) {
    case API_VERSIONS.key:
      return encodeResponse({ api: API_VERSIONS, version, correlationId }, {
        apiKeys: [PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID].map((
          api,
        ) => ({
          apiKey: api.key,
          minVersion: api.versions.min,
          maxVersion: api === PRODUCE ? 12 : api.versions.max,
        })),
      });
    case METADATA.key:
      script.onMetadata();
      return encodeResponse(
        { api: METADATA, version, correlationId },
        metadata(script),
      );
    case INIT_PRODUCER_ID.key:
      return encodeResponse(
        { api: INIT_PRODUCER_ID, version, correlationId },
        { producerId: 7, producerEpoch: 0 },
      );
  }
  const verdict = judged(
    decode(PRODUCE.request, version, frame.subarray(bodyAt)),
    script,
  );
  if (verdict === "silence" || verdict === "close") return verdict;
  const [errorCode, baseOffset] = typeof verdict === "number"
    ? [0, verdict]
    : [ERRORS[verdict], -1];
  return encodeResponse({ api: PRODUCE, version, correlationId }, {
    responses: [{
      name: "t",
      partitionResponses: [{ index: 0, errorCode, baseOffset }],
    }],
  });
}

function judged(body: ProduceRequest, { got, judge }: Script): Verdict {
  const { records } = body.topicData[0]!.partitionData[0]!;
  const view = new BatchView(records!);
  const batch = {
    epoch: view.producerEpoch,
    sequence: view.baseSequence,
    values: decodeRecords(view).map(({ value }) => DECODER.decode(value!))
      .join(""),
  };
  return judge(batch, got.push(batch) - 1);
}

/** A broker with one partition that judges each batch by `judge`. */
function scripted(
  judge: (got: Got, index: number) => Verdict,
  { onMetadata = () => {}, leaderId = 1 } = {},
) {
  const script = { judge, onMetadata, leaderId };
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  const { port } = listener.address;
  const got: Got[] = [];
  const open = new Set<Connection>();

  async function serve(connection: Connection) {
    const frames = new FrameReader(connection, LIMITS.frameBytesMax);
    open.add(connection);
    try {
      for (let frame; (frame = await frames.next());) {
        const bytes = answer(frame, { port, got, ...script });
        if (bytes === "close") break;
        if (bytes instanceof Uint8Array) await connection.writeAll(bytes);
      }
    } catch {
      // The client hung up.
    }
    open.delete(connection);
    connection.close();
  }

  const serving = (async () => {
    const all: Promise<void>[] = [];
    for (let next; (next = await listener.accept());) all.push(serve(next));
    await Promise.all(all);
  })();
  return {
    transport,
    port,
    got,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) connection.close();
      await serving;
    },
  };
}

function metadata({ port, leaderId }: Script) {
  return {
    brokers: [{ nodeId: 1, host: "localhost", port }],
    controllerId: 1,
    clusterId: "c",
    topics: [{
      errorCode: 0,
      name: "t",
      topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
      partitions: [{
        partitionIndex: 0,
        leaderId,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
      }],
    }],
  };
}

/** Sends one-byte values; what each callback was told, in order. */
async function told(
  peer: ReturnType<typeof scripted>,
  values: string,
  config: Record<string, string | number | boolean> = {},
): Promise<string[]> {
  const env = denoEnv({ traceLevel: "error" });
  const producer = new Producer({
    "bootstrap.servers": `localhost:${peer.port}`,
    "batch.size": 1,
    "retry.backoff.ms": 1,
    "reconnect.backoff.ms": 1,
    ...config,
  }, { env, transport: peer.transport });
  const told: string[] = [];
  await producer.partitionsFor("t");
  for (const value of values) {
    producer.append({ topic: "t", value }, (error, metadata) => {
      told.push(`${value}:${error?.error ?? metadata?.offset}`);
    });
  }
  await producer.flush();
  await producer.close();
  await env.tasks.settled();
  return told;
}

/** Batches as `epoch/sequence values`. */
function texts(got: readonly Got[]): string[] {
  return got.map(({ epoch, sequence, values }) =>
    `${epoch}/${sequence} ${values}`
  );
}

Deno.test("a lost connection: all is sent again in order, told once", async () => {
  await using peer = scripted(({ sequence }, index) =>
    index === 1 || index === 2 ? "silence" : index === 3 ? "close" : sequence
  );
  assertEquals(await told(peer, "abcd"), ["a:0", "b:1", "c:2", "d:3"]);
  assertEquals(texts(peer.got), [
    "0/0 a",
    "0/1 b",
    "0/2 c",
    "0/3 d",
    "0/1 b",
    "0/2 c",
    "0/3 d",
  ]);
});

Deno.test("a broker that begins to lead between two requests gets the first one first", async () => {
  await using peer = scripted(({ sequence }, index) =>
    index === 0 ? "NOT_LEADER_OR_FOLLOWER" : sequence
  );
  assertEquals(await told(peer, "ab"), ["a:0", "b:1"]);
  assertEquals(texts(peer.got), ["0/0 a", "0/0 a", "0/1 b"]);
});

Deno.test("delivery.timeout.ms ends what is in flight", async () => {
  await using peer = scripted(() => "silence");
  const results = await told(peer, "ab", {
    "delivery.timeout.ms": 100,
    "request.timeout.ms": 60_000,
    "linger.ms": 0,
  });
  assertEquals(results, ["a:REQUEST_TIMED_OUT", "b:REQUEST_TIMED_OUT"]);
});

Deno.test("a broker that never answers is asked again", async () => {
  await using peer = scripted((_, index) => index === 0 ? "silence" : 5);
  const results = await told(peer, "a", { "request.timeout.ms": 50 });
  assertEquals(results, ["a:5"]);
  assertEquals(texts(peer.got), ["0/0 a", "0/0 a"]);
});

Deno.test("a batch that is too large is sent as two, in order", async () => {
  const verdict = ({ sequence, values }: Got): Verdict =>
    values.length > 2 ? "MESSAGE_TOO_LARGE" : 10 + sequence;
  for (const codec of ["none", "gzip"]) {
    await using peer = scripted(verdict);
    const results = await told(peer, "abcde", {
      "batch.size": 16384,
      "compression.type": codec,
    });
    assertEquals(results, ["a:10", "b:11", "c:12", "d:13", "e:14"]);
    assertEquals(texts(peer.got).slice(0, 2), ["0/0 abcde", "0/0 abc"]);
    assertEquals(
      texts(peer.got.filter(({ values }) => values.length <= 2)),
      ["0/0 ab", "0/2 c", "0/3 de"],
    );
  }
});

Deno.test("a single record that is too large fails by name", async () => {
  await using peer = scripted(({ values, epoch, sequence }) =>
    values.includes("x")
      ? "MESSAGE_TOO_LARGE"
      : epoch === 0 && sequence > 0
      ? "OUT_OF_ORDER_SEQUENCE_NUMBER"
      : sequence
  );
  const results = await told(peer, "axb", { "batch.size": 16384 });
  assertEquals(results, ["a:0", "x:MESSAGE_TOO_LARGE", "b:0"]);
  assertEquals(texts(peer.got).at(-1), "1/0 b");
});

Deno.test("a lost sequence begins anew under the next epoch", async () => {
  await using peer = scripted(({ epoch, sequence }) =>
    epoch === 0 ? "OUT_OF_ORDER_SEQUENCE_NUMBER" : 20 + sequence
  );
  assertEquals(await told(peer, "ab"), ["a:20", "b:21"]);
  assertEquals(texts(peer.got).slice(-2), ["1/0 a", "1/1 b"]);
});

Deno.test("there is room again once a topic did not come up in time", async () => {
  await using peer = scripted(({ sequence }) => sequence);
  const env = denoEnv({ traceLevel: "error" });
  const producer = new Producer({
    "bootstrap.servers": `localhost:${peer.port}`,
    "max.block.ms": 50,
    "retry.backoff.ms": 1,
  }, { env, transport: peer.transport });
  const value = "v".repeat(10_000);
  let room = producer.ready();
  for (; room === undefined; room = producer.ready()) {
    producer.append({ topic: "missing", value });
  }
  await room;
  await producer.close();
  await env.tasks.settled();
});

Deno.test("whoever got room when a topic came up may wait for the next one", async () => {
  await using peer = scripted(({ sequence }) => sequence);
  const env = denoEnv({ traceLevel: "error" });
  const producer = new Producer({
    "bootstrap.servers": `localhost:${peer.port}`,
    "max.block.ms": 50,
    "retry.backoff.ms": 1,
  }, { env, transport: peer.transport });
  const value = "v".repeat(10_000);
  let room = producer.ready();
  for (; room === undefined; room = producer.ready()) {
    producer.append({ topic: "t", value });
  }
  await room;
  let told: unknown;
  producer.partitionsFor("missing").catch((error) => told = error);
  await until("it is told that there is none", () => told !== undefined);
  await producer.close();
  await env.tasks.settled();
});

Deno.test("after a time-out, or without enough replicas, the leader is looked up before the next try", async () => {
  for (
    const error of [
      "REQUEST_TIMED_OUT",
      "NOT_ENOUGH_REPLICAS",
      "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    ] as const
  ) {
    let asked = 0;
    const askedBefore: number[] = [];
    await using peer = scripted((_, index) => {
      askedBefore.push(asked);
      return index < 3 ? error : 0;
    }, { onMetadata: () => asked++ });
    assertEquals(await told(peer, "a"), ["a:0"]);
    assert(askedBefore.at(-1)! > askedBefore[0]!, `${error}: ${askedBefore}`);
  }
});

Deno.test("a partition without a leader is looked up again after a backoff, not at once", async () => {
  const askedMs: number[] = [];
  await using peer = scripted(() => 0, {
    onMetadata: () => askedMs.push(performance.now()),
    leaderId: -1,
  });
  const outcome = await told(peer, "a", {
    "retry.backoff.ms": 50,
    "delivery.timeout.ms": 400,
    "request.timeout.ms": 100,
  });
  assertEquals(outcome, ["a:REQUEST_TIMED_OUT"]);
  const tookMs = askedMs.at(-1)! - askedMs[0]!;
  // Jitter takes up to a fifth of the backoff, and a timer its fraction.
  const { length } = askedMs;
  assert(length - 2 <= tookMs / 40, `asked ${length} times in ${tookMs} ms`);
});

Deno.test("a sequence that stays refused is sent again after a backoff, not at once", async () => {
  await using peer = scripted(({ values }, index) =>
    values === "a"
      ? 0
      : values === "c"
      ? 2
      : index === 1
      ? "NOT_ENOUGH_REPLICAS"
      : "OUT_OF_ORDER_SEQUENCE_NUMBER"
  );
  await told(peer, "abc", {
    "retry.backoff.ms": 50,
    "delivery.timeout.ms": 400,
    "request.timeout.ms": 100,
  });
  // Each pause is at least 40 ms, and twice the one before.
  const { length } = peer.got.filter(({ values }) => values === "b");
  assert(length <= 5, `sent ${length} times`);
});
