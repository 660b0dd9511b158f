/**
 * The admin client against a scripted broker in memory: leaders that the
 * metadata name before they lead, answers in another order.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { decode } from "../../core/schema/codec.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import type { Api } from "../wire/api.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Admin } from "./admin.ts";

const APIS: readonly Api[] = [
  LIST_OFFSETS,
  METADATA,
  API_VERSIONS,
  DELETE_TOPICS,
];

/** What the scripted broker says. */
interface Script {
  /** How the nth ListOffsets fares. */
  readonly judge: () => ErrorName;
  /** Who leads and is the controller; nothing listens where node 2 was. */
  readonly leader: () => 1 | 2;
}

/** Answers a frame. */
function answer(
  frame: Uint8Array,
  port: number,
  { judge, leader }: Script,
): Uint8Array {
  const { apiKey, apiVersion: version, correlationId, bodyAt } =
    decodeRequestHeader(frame);
  const reply = <Res extends Message>(
    api: Api<Message, Res>,
    body: Input<Res>,
  ) => encodeResponse({ api, version, correlationId }, body);
  switch (apiKey) {
    case METADATA.key: {
      const leaderId = leader();
      return reply(METADATA, {
        brokers: [
          { nodeId: 1, host: "localhost", port },
          { nodeId: 2, host: "localhost", port: port + 1 },
        ],
        controllerId: leaderId,
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, leaderId }] }],
      });
    }
    case LIST_OFFSETS.key:
      return reply(LIST_OFFSETS, {
        topics: [{
          name: "t",
          partitions: [{
            partitionIndex: 0,
            errorCode: ERRORS[judge()],
            offset: 7,
          }],
        }],
      });
    case DELETE_TOPICS.key: {
      const { topics } = decode(
        DELETE_TOPICS.request,
        version,
        frame.subarray(bodyAt),
      );
      return reply(DELETE_TOPICS, {
        responses: topics.map(({ name }) => ({ name })).reverse(),
      });
    }
  }
  return reply(API_VERSIONS, {
    apiKeys: APIS.map(({ key, versions: { min, max } }) => ({
      apiKey: key,
      minVersion: min,
      maxVersion: max,
    })),
  });
}

/** An admin client and the broker it meets; both end with the scope. */
function scripted(
  judge: () => ErrorName,
  { timeoutMs = 5000, leader = () => 1 }: {
    readonly timeoutMs?: number;
    readonly leader?: Script["leader"];
  } = {},
) {
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  const { port } = listener.address;
  const serving = (async () => {
    for (;;) {
      const connection = await listener.accept();
      if (!connection) return;
      const frames = new FrameReader(connection, LIMITS.frameBytesMax);
      (async () => {
        for (;;) {
          const frame = await frames.next();
          if (!frame) break;
          await connection.writeAll(answer(frame, port, { judge, leader }));
        }
      })().catch(() => {}).finally(() => connection.close());
    }
  })();
  const env = denoEnv({ traceLevel: "error" });
  const admin = new Admin({
    "bootstrap.servers": `localhost:${port}`,
    "retry.backoff.ms": 1,
    "default.api.timeout.ms": timeoutMs,
    "request.timeout.ms": timeoutMs,
  }, { env, transport });
  return {
    admin,
    async [Symbol.asyncDispose]() {
      await admin.close();
      listener.close();
      await serving;
      await env.tasks.settled();
    },
  };
}

const T0 = [{ topic: "t", partition: 0 }];

Deno.test("listOffsets() waits for a leader that the metadata name too early", async () => {
  const verdicts: ErrorName[] = [
    "NOT_LEADER_OR_FOLLOWER",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "NONE",
  ];
  await using bench = scripted(() => verdicts.shift()!);
  const [listed] = await bench.admin.listOffsets(T0, "latest");
  assertEquals([listed?.error, listed?.offset], [undefined, 7]);
});

Deno.test("listOffsets() gives what does not pass in time as an outcome", async () => {
  await using bench = scripted(() => "NOT_LEADER_OR_FOLLOWER", {
    timeoutMs: 50,
  });
  const [listed] = await bench.admin.listOffsets(T0, "latest");
  assertEquals(listed?.error?.error, "NOT_LEADER_OR_FOLLOWER");
  await using denied = scripted(() => "TOPIC_AUTHORIZATION_FAILED");
  const [refused] = await denied.admin.listOffsets(T0, "latest");
  assertEquals(refused?.error?.error, "TOPIC_AUTHORIZATION_FAILED");
});

Deno.test("a leader and a controller that are gone are looked up anew", async () => {
  const leaders: (1 | 2)[] = [2, 2, 1, 2, 1];
  const leader = () => leaders.shift() ?? 1;
  await using bench = scripted(() => "NONE", { leader });
  const [listed] = await bench.admin.listOffsets(T0, "latest");
  assertEquals([listed?.error, listed?.offset], [undefined, 7]);
  await using other = scripted(() => "NONE", { leader });
  const outcomes = await other.admin.deleteTopics(["t"]);
  assertEquals(outcomes.map(({ name }) => name), ["t"]);
  assertEquals(leaders, []);
});

Deno.test("deleteTopics() answers in the order asked", async () => {
  await using bench = scripted(() => "NONE");
  const outcomes = await bench.admin.deleteTopics(["a", "c", "b"]);
  assertEquals(outcomes.map(({ name }) => name), ["a", "c", "b"]);
});
