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
import type { Decoded, Input, Message } from "../../core/schema/schema.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { DELETE_RECORDS } from "../wire/21_delete_records.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import type { Api } from "../wire/api.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Admin } from "./admin.ts";

const APIS: readonly Api[] = [
  LIST_OFFSETS,
  METADATA,
  API_VERSIONS,
  CREATE_TOPICS,
  DELETE_TOPICS,
  DELETE_RECORDS,
];

/** What the scripted broker says. */
interface Script {
  /** How a partition fares in the nth ListOffsets or DeleteRecords. */
  readonly judge: (partition: number) => ErrorName;
  /** Who leads and is the controller; nothing listens where node 2 was. */
  readonly leader: () => 1 | 2;
  /** Names that exist. */
  readonly created: Set<string>;
}

/** Creates a topic once; the answer that says so is lost. */
function create(
  { topics }: Decoded<typeof CREATE_TOPICS.request>,
  created: Set<string>,
): Input<typeof CREATE_TOPICS.response> | undefined {
  const [topic] = topics;
  const isThere = created.has(topic!.name);
  created.add(topic!.name);
  if (!isThere) return undefined;
  const errorCode = ERRORS.TOPIC_ALREADY_EXISTS;
  return { topics: [{ name: topic!.name, errorCode, errorMessage: "exists" }] };
}

function deleted(
  { topics }: Decoded<typeof DELETE_RECORDS.request>,
  judge: Script["judge"],
): Input<typeof DELETE_RECORDS.response> {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        lowWatermark: 5,
        errorCode: ERRORS[judge(partitionIndex)],
      })),
    })),
  };
}

/** Answers a frame; undefined: the connection ends instead. */
function answer(
  frame: Uint8Array,
  port: number,
  { judge, leader, created }: Script,
): Uint8Array | undefined {
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
        topics: [{
          name: "t",
          partitions: [0, 1].map((partitionIndex) => ({
            partitionIndex,
            leaderId,
          })),
        }],
      });
    }
    case LIST_OFFSETS.key:
      return reply(LIST_OFFSETS, {
        topics: [{
          name: "t",
          partitions: [{
            partitionIndex: 0,
            errorCode: ERRORS[judge(0)],
            offset: 7,
          }],
        }],
      });
    case DELETE_RECORDS.key: {
      const body = frame.subarray(bodyAt);
      const request = decode(DELETE_RECORDS.request, version, body);
      return reply(DELETE_RECORDS, deleted(request, judge));
    }
    case CREATE_TOPICS.key: {
      const body = frame.subarray(bodyAt);
      const request = decode(CREATE_TOPICS.request, version, body);
      const made = create(request, created);
      return made && reply(CREATE_TOPICS, made);
    }
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
  judge: Script["judge"],
  { timeoutMs = 5000, leader = () => 1 }: {
    readonly timeoutMs?: number;
    readonly leader?: Script["leader"];
  } = {},
) {
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  const { port } = listener.address;
  const created = new Set(["old"]);
  const serving = (async () => {
    for (;;) {
      const connection = await listener.accept();
      if (!connection) return;
      const frames = new FrameReader(connection, LIMITS.frameBytesMax);
      (async () => {
        for (;;) {
          const frame = await frames.next();
          if (!frame) break;
          const bytes = answer(frame, port, { judge, leader, created });
          if (bytes === undefined) break;
          await connection.writeAll(bytes);
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

Deno.test("deleteRecords() looks its leaders up anew, and deletes nothing twice", async () => {
  // Nothing listens at the first one, and the second one doesn't lead yet.
  const leaders: (1 | 2)[] = [2, 1];
  const asked: number[] = [];
  await using bench = scripted((partition) => {
    asked.push(partition);
    const isEarly = partition === 1 && asked.length < 4;
    return isEarly ? "NOT_LEADER_OR_FOLLOWER" : "NONE";
  }, { leader: () => leaders.shift() ?? 1 });
  const before = [1, 0].map((partition) => ({
    topic: "t",
    partition,
    offset: -1,
  }));
  const outcomes = await bench.admin.deleteRecords(before);
  assertEquals(
    outcomes.map(({ partition, lowWatermark, error }) => [
      partition,
      lowWatermark,
      error,
    ]),
    [[1, 5, undefined], [0, 5, undefined]],
  );
  assertEquals(asked, [1, 0, 1, 1]);
});

Deno.test("createTopics() says when a topic may exist by a request whose answer was lost", async () => {
  await using bench = scripted(() => "NONE");
  const problemOf = async (name: string) => {
    const [outcome] = await bench.admin.createTopics([{ name }]);
    return [outcome?.error?.error, outcome?.error?.message];
  };
  assertEquals(await problemOf("old"), [
    "TOPIC_ALREADY_EXISTS",
    'Cannot create topic "old": exists',
  ]);
  assertEquals(await problemOf("new"), [
    "TOPIC_ALREADY_EXISTS",
    'Cannot create topic "new": it exists, maybe by this very request, whose first answer was lost',
  ]);
});

Deno.test("deleteTopics() answers in the order asked", async () => {
  await using bench = scripted(() => "NONE");
  const outcomes = await bench.admin.deleteTopics(["a", "c", "b"]);
  assertEquals(outcomes.map(({ name }) => name), ["a", "c", "b"]);
});
