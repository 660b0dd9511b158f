/**
 * Where to read, as scripted brokers in memory say it: a partition whose leader
 * is unknown, away or silent holds up no other.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { Positions } from "../../core/client/positions.ts";
import { clientConfig } from "../../core/config/resolve.ts";
import { denoEnv } from "../../core/env/deno_env.ts";
import { ERRORS, KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { decode } from "../../core/schema/codec.ts";
import { until } from "../../tests/fixtures.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../wire/23_offset_for_leader_epoch.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Cluster } from "./cluster.ts";
import { PositionFinder } from "./position_finder.ts";

const APIS = [
  LIST_OFFSETS,
  METADATA,
  API_VERSIONS,
  OFFSET_FOR_LEADER_EPOCH,
];
const ANSWERS = 1;
const AWAY = 2;
const SILENT = 3;
/** By partition. */
const LEADERS = [ANSWERS, -1, AWAY, SILENT];
const ports = new Map<number, number>();
/** What is said of where an epoch ended, and of which ones was asked. */
let epochEnd: { endOffset?: number; errorCode?: number } = {};
const epochsAsked: number[] = [];

/** Answers a frame; undefined: never. */
function answer(frame: Uint8Array, nodeId: number): Uint8Array | undefined {
  const { apiKey, apiVersion: version, correlationId, bodyAt } =
    decodeRequestHeader(frame);
  if (apiKey === METADATA.key) {
    return encodeResponse({ api: METADATA, version, correlationId }, {
      brokers: [...ports].map(([nodeId, port]) => ({
        nodeId,
        host: "localhost",
        port,
      })),
      topics: [{
        name: "t",
        partitions: LEADERS.map((leaderId, partitionIndex) => ({
          partitionIndex,
          leaderId,
        })),
      }],
    });
  }
  if (apiKey === LIST_OFFSETS.key) {
    if (nodeId === SILENT) return undefined;
    const { topics } = decode(
      LIST_OFFSETS.request,
      version,
      frame.subarray(bodyAt),
    );
    return encodeResponse({ api: LIST_OFFSETS, version, correlationId }, {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          offset: 7,
        })),
      })),
    });
  }
  if (apiKey === OFFSET_FOR_LEADER_EPOCH.key) {
    const { request } = OFFSET_FOR_LEADER_EPOCH;
    const { topics } = decode(request, version, frame.subarray(bodyAt));
    epochsAsked.push(topics[0]!.partitions[0]!.leaderEpoch);
    const answer = { api: OFFSET_FOR_LEADER_EPOCH, version, correlationId };
    return encodeResponse(answer, {
      topics: [{ topic: "t", partitions: [{ partition: 0, ...epochEnd }] }],
    });
  }
  return encodeResponse({ api: API_VERSIONS, version, correlationId }, {
    apiKeys: APIS.map(({ key, versions: { min, max } }) => ({
      apiKey: key,
      minVersion: min,
      maxVersion: max,
    })),
  });
}

/** A finder for `partitions` of t, and the brokers that it asks. */
function finding(...partitions: number[]) {
  const transport = memoryTransport();
  const env = denoEnv({ traceLevel: "error" });
  const listeners = [ANSWERS, AWAY, SILENT].map((nodeId) => {
    const listener = transport.listen({ host: "localhost", port: 0 });
    ports.set(nodeId, listener.address.port);
    return { nodeId: nodeId, listener };
  });
  listeners[AWAY - 1]!.listener.close();
  const serving = listeners.map(async ({ nodeId, listener }) => {
    for (let next; (next = await listener.accept());) {
      serve(next, nodeId).catch(() => {});
    }
  });
  const values = clientConfig("consumer", {
    "bootstrap.servers": `localhost:${ports.get(ANSWERS)}`,
    "auto.offset.reset": "earliest",
    "reconnect.backoff.ms": 1,
  });
  const cluster = new Cluster({ env, transport }, values);
  const positions = new Positions();
  positions.set(partitions.map((partition) => ({ topic: "t", partition })));
  let hasFound = false;
  return {
    finder: new PositionFinder(cluster, {
      positions,
      values,
      onFound: () => hasFound = true,
    }),
    hasFound: () => hasFound,
    held: positions.all(),
    at: () => positions.all().map(({ position }) => position),
    async [Symbol.asyncDispose]() {
      cluster.close();
      for (const { listener } of listeners) listener.close();
      await Promise.all(serving);
      await env.tasks.settled();
    },
  };
}

async function serve(connection: Connection, nodeId: number): Promise<void> {
  const frames = new FrameReader(connection, LIMITS.frameBytesMax);
  for (let frame; (frame = await frames.next());) {
    const bytes = answer(frame, nodeId);
    if (bytes !== undefined) await connection.writeAll(bytes);
  }
  connection.close();
}

Deno.test("a partition without a leader, or with one that is away, holds up no other", async () => {
  await using bench = finding(1, 0, 2);
  const { error } = await assertRejects(
    () => bench.finder.find(undefined),
    KafkaError,
    "Cannot list offsets of t-1",
  );
  assertEquals(error, "LEADER_NOT_AVAILABLE");
  assertEquals(bench.at(), [undefined, 7, undefined]);
});

Deno.test("what one leader says counts while another is silent", async () => {
  await using bench = finding(3, 0);
  const over = bench.finder.find(undefined).catch((error) => error);
  await until("one is found", bench.hasFound);
  assertEquals(bench.at(), [undefined, 7]);
  await bench[Symbol.asyncDispose]();
  assertEquals((await over).error, "NETWORK_EXCEPTION");
});

/** Where a consumer that was at `position` goes on behind a refusal. */
async function afterRefusal(
  { position, epoch = 3, ...end }: {
    readonly position: number;
    readonly epoch?: number;
    readonly endOffset?: number;
    readonly errorCode?: number;
  },
) {
  await using bench = finding(0);
  const [held] = bench.held;
  held!.seek(position);
  held!.leaderEpoch = epoch;
  held!.refuse("earliest");
  epochEnd = end;
  epochsAsked.length = 0;
  const error = await bench.finder.find(undefined).catch((error) => error);
  const { leaderEpoch } = held!;
  return { at: held!.position, leaderEpoch, asked: [...epochsAsked], error };
}

Deno.test("who was refused reads on where the next leader has all that was read, else from its first offset", async () => {
  const first = { at: 7, leaderEpoch: -1, error: undefined };
  // The first offset is 7.
  assertEquals(await afterRefusal({ position: 5 }), { ...first, asked: [] });
  for (const endOffset of [9, 12]) {
    assertEquals(await afterRefusal({ position: 9, endOffset }), {
      at: 9,
      leaderEpoch: 3,
      error: undefined,
      asked: [3],
    });
  }
  for (
    const answer of [
      { endOffset: 8 },
      { endOffset: -1 },
      { errorCode: ERRORS.UNSUPPORTED_VERSION },
    ]
  ) {
    const found = await afterRefusal({ position: 9, ...answer });
    assertEquals(found, { ...first, asked: [3] });
  }
  // Nobody knows by which leader it was written: a seek, say.
  const unknown = await afterRefusal({ position: 9, epoch: -1 });
  assertEquals(unknown, { ...first, asked: [] });
});

Deno.test("a leader that can't say yet what it has is asked again", async () => {
  const errorCode = ERRORS.NOT_LEADER_OR_FOLLOWER;
  const { at, error } = await afterRefusal({ position: 9, errorCode });
  assertEquals([at, error.error], [undefined, "NOT_LEADER_OR_FOLLOWER"]);
});
