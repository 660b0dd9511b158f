/**
 * A transactional producer against a scripted broker in memory: which requests
 * it sends in which version, and what it does about refusals and lost answers.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { type ErrorName, ERRORS, KafkaError } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { decode } from "../../core/schema/codec.ts";
import type { Input, Message } from "../../core/schema/schema.ts";
import { until } from "../../tests/fixtures.ts";
import { FrameReader } from "../link/frame_reader.ts";
import { memoryTransport } from "../tcp/memory_tcp.ts";
import type { Connection } from "../tcp/transport.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { ADD_PARTITIONS_TO_TXN } from "../wire/24_add_partitions_to_txn.ts";
import { ADD_OFFSETS_TO_TXN } from "../wire/25_add_offsets_to_txn.ts";
import { END_TXN } from "../wire/26_end_txn.ts";
import { TXN_OFFSET_COMMIT } from "../wire/28_txn_offset_commit.ts";
import type { Api } from "../wire/api.ts";
import { APIS } from "../wire/api_keys.ts";
import { decodeRequestHeader, encodeResponse } from "../wire/headers.ts";
import { Producer } from "./producer.ts";

/** What an answer is to be instead of fine: an error, or the end of the connection. */
type Verdict = ErrorName | "close";

interface Script {
  readonly version: 1 | 2;
  readonly port: number;
  /** Requests so far, as `Name vN`; those of every connection left out. */
  readonly asked: string[];
  /** Epochs that were asked for to be raised. */
  readonly raised: number[];
  /** By name, the verdicts on its next requests. */
  readonly verdicts: Record<string, Verdict[]>;
}

const SERVED: readonly Api[] = [
  PRODUCE,
  METADATA,
  FIND_COORDINATOR,
  API_VERSIONS,
  INIT_PRODUCER_ID,
  ADD_PARTITIONS_TO_TXN,
  ADD_OFFSETS_TO_TXN,
  END_TXN,
  TXN_OFFSET_COMMIT,
];

function answer(frame: Uint8Array, script: Script): Uint8Array | "close" {
  const { apiKey, apiVersion: version, correlationId, bodyAt } =
    decodeRequestHeader(frame);
  const api = APIS.get(apiKey)!;
  const isAsked = ![METADATA, FIND_COORDINATOR, API_VERSIONS].includes(
    api as never,
  );
  if (isAsked) script.asked.push(`${api.name} v${version}`);
  const verdict = script.verdicts[api.name]?.shift();
  if (verdict === "close") return "close";
  const body = decode(api.request, version, frame.subarray(bodyAt));
  const errorCode = verdict === undefined ? 0 : ERRORS[verdict];
  const answer = ANSWERS[api.name]!(body as never, errorCode, script);
  return encodeResponse(
    { api, version, correlationId },
    answer as Input<Message>,
  );
}

type Answer = (body: never, errorCode: number, script: Script) => unknown;

const PARTITION_OK = { topic: "t", partition: 0 };

const ANSWERS: Readonly<Record<string, Answer>> = {
  ApiVersions: (_body, _code, { version }) => ({
    apiKeys: SERVED.map((api) => ({
      apiKey: api.key,
      minVersion: api.versions.min,
      maxVersion: api.versions.max,
    })),
    finalizedFeaturesEpoch: 1,
    finalizedFeatures: [{
      name: "transaction.version",
      maxVersionLevel: version,
      minVersionLevel: version,
    }],
  }),
  Metadata: (_body, _code, { port }) => ({
    brokers: [{ nodeId: 1, host: "localhost", port }],
    controllerId: 1,
    topics: [{
      errorCode: 0,
      name: "t",
      topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
      partitions: [{
        partitionIndex: 0,
        leaderId: 1,
        leaderEpoch: 0,
        replicaNodes: [1],
        isrNodes: [1],
      }],
    }],
  }),
  FindCoordinator: (body: { coordinatorKeys: string[] }, _code, { port }) => ({
    coordinators: body.coordinatorKeys.map((key) => ({
      key,
      nodeId: 1,
      host: "localhost",
      port,
      errorCode: 0,
      errorMessage: null,
    })),
  }),
  InitProducerId: (body: { producerEpoch: number }, errorCode, { raised }) => {
    if (body.producerEpoch >= 0) raised.push(body.producerEpoch);
    return { errorCode, producerId: 7, producerEpoch: body.producerEpoch + 1 };
  },
  AddPartitionsToTxn: (_body, partitionErrorCode) => ({
    resultsByTopicV3AndBelow: [{
      name: "t",
      resultsByPartition: [{ partitionIndex: 0, partitionErrorCode }],
    }],
  }),
  AddOffsetsToTxn: (_body, errorCode) => ({ errorCode }),
  TxnOffsetCommit: (_body, errorCode) => ({
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, errorCode }] }],
  }),
  EndTxn: (body: { producerEpoch: number }, errorCode) => ({
    errorCode,
    producerId: 7,
    producerEpoch: body.producerEpoch + 1,
  }),
  Produce: (_body, errorCode) => ({
    responses: [{
      name: "t",
      topicId: "AAAAAAAAAAAAAAAAAAAAAQ",
      partitionResponses: [{ index: 0, errorCode, baseOffset: 0 }],
    }],
  }),
};

/** A broker, and a producer whose transactions are initialized. */
async function scripted(
  version: 1 | 2,
  config: Record<string, string | number> = {},
) {
  const transport = memoryTransport();
  const listener = transport.listen({ host: "localhost", port: 0 });
  const { port } = listener.address;
  const script: Script = { version, port, asked: [], raised: [], verdicts: {} };
  const open = new Set<Connection>();
  async function serve(connection: Connection) {
    const frames = new FrameReader(connection, LIMITS.frameBytesMax);
    open.add(connection);
    try {
      for (let frame; (frame = await frames.next());) {
        const bytes = answer(frame, script);
        if (bytes === "close") break;
        await connection.writeAll(bytes as Uint8Array<ArrayBuffer>);
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
  const env = denoEnv({ traceLevel: "error" });
  const producer = new Producer({
    "bootstrap.servers": `localhost:${port}`,
    "transactional.id": "id",
    "linger.ms": 0,
    "retry.backoff.ms": 1,
    "reconnect.backoff.ms": 1,
    ...config,
  }, { env, transport });
  await producer.initTransactions();
  script.asked.length = 0;
  return {
    ...script,
    producer,
    async [Symbol.asyncDispose]() {
      await producer.close({ timeoutMs: 100 });
      listener.close();
      for (const connection of open) connection.close();
      await serving;
      await env.tasks.settled();
    },
  };
}

const GROUP = {
  groupId: "g",
  generationId: 1,
  memberId: "m",
  groupInstanceId: null,
};
const OFFSETS = [{ ...PARTITION_OK, offset: 3 }];

Deno.test("requests say by their versions which version the transaction has", async () => {
  const expected = {
    1: [
      "AddPartitionsToTxn v3",
      "Produce v11",
      "AddOffsetsToTxn v4",
      "TxnOffsetCommit v4",
      "EndTxn v4",
    ],
    2: ["Produce v13", "TxnOffsetCommit v5", "EndTxn v5"],
  };
  for (const version of [1, 2] as const) {
    await using peer = await scripted(version);
    const { producer } = peer;
    producer.beginTransaction();
    await producer.send({ topic: "t", value: "a" });
    await producer.sendOffsetsToTransaction(OFFSETS, GROUP);
    await producer.sendOffsetsToTransaction(OFFSETS, GROUP);
    await producer.commitTransaction();
    const asked = [...new Set(peer.asked)];
    assertEquals(asked, expected[version]);
    assertEquals(peer.asked.length, asked.length + 1);
  }
});

Deno.test("a commit whose answer is lost, or that came too early, is asked again", async () => {
  await using peer = await scripted(2);
  const { producer, verdicts, asked } = peer;
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  verdicts["EndTxn"] = [
    "close",
    "NOT_COORDINATOR",
    "CONCURRENT_TRANSACTIONS",
    "COORDINATOR_LOAD_IN_PROGRESS",
  ];
  await producer.commitTransaction();
  assertEquals(asked.filter((name) => name === "EndTxn v5").length, 5);
  producer.beginTransaction();
});

Deno.test("records wait until the coordinator has their partition", async () => {
  await using peer = await scripted(1);
  const { producer, verdicts, asked } = peer;
  verdicts["AddPartitionsToTxn"] = ["CONCURRENT_TRANSACTIONS", "close"];
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  assertEquals(asked, [
    "AddPartitionsToTxn v3",
    "AddPartitionsToTxn v3",
    "AddPartitionsToTxn v3",
    "Produce v11",
  ]);
});

Deno.test("a refused partition fails its records and leaves an abort", async () => {
  await using peer = await scripted(1);
  const { producer, verdicts, asked, raised } = peer;
  verdicts["AddPartitionsToTxn"] = ["TOPIC_AUTHORIZATION_FAILED"];
  producer.beginTransaction();
  const error = await assertRejects(
    () => producer.send({ topic: "t", value: "a" }),
    KafkaError,
  );
  assertEquals(error.error, "TOPIC_AUTHORIZATION_FAILED");
  verdicts["EndTxn"] = ["INVALID_TXN_STATE"];
  await producer.abortTransaction();
  // The coordinator had nothing to abort, so only a newer epoch is safe.
  assertEquals(asked.slice(1), ["EndTxn v4", "InitProducerId v5"]);
  assertEquals(raised, [0]);
  producer.beginTransaction();
});

Deno.test("who is fenced while an abort waits is told so", async () => {
  await using peer = await scripted(1);
  const { producer, verdicts, asked } = peer;
  verdicts["AddPartitionsToTxn"] = [
    "CONCURRENT_TRANSACTIONS",
    "INVALID_PRODUCER_EPOCH",
  ];
  producer.beginTransaction();
  const sent = assertRejects(
    () => producer.send({ topic: "t", value: "a" }),
    KafkaError,
    "is being aborted",
  );
  await until("it is refused once", () => asked.length > 0);
  const error = await assertRejects(
    () => producer.abortTransaction(),
    KafkaError,
  );
  assertEquals(error.error, "PRODUCER_FENCED");
  await sent;
  assertEquals(asked, ["AddPartitionsToTxn v3", "AddPartitionsToTxn v3"]);
});

Deno.test("a transaction that lacks a refused record is not committed", async () => {
  await using peer = await scripted(2);
  const { producer } = peer;
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  await assertRejects(
    () => producer.send({ topic: "t", partition: 99, value: "b" }),
    KafkaError,
    "there is no 99",
  );
  await assertRejects(() => producer.commitTransaction(), KafkaError);
  assertEquals(producer.transactionError?.isFatal, false);
  await producer.abortTransaction();
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "c" });
  await producer.commitTransaction();
});

Deno.test("a lost batch takes a newer epoch with version 1 alone", async () => {
  for (const version of [1, 2] as const) {
    await using peer = await scripted(version);
    const { producer, verdicts, raised } = peer;
    verdicts["Produce"] = ["INVALID_RECORD"];
    producer.beginTransaction();
    await assertRejects(
      () => producer.send({ topic: "t", value: "a" }),
      KafkaError,
    );
    assertEquals(producer.transactionError?.isFatal, false);
    await producer.abortTransaction();
    assertEquals(raised, version === 1 ? [0] : []);
    producer.beginTransaction();
    await producer.send({ topic: "t", value: "b" });
    await producer.commitTransaction();
  }
});

Deno.test("offsets of a member that lost its place leave an abort, of a fenced producer nothing", async () => {
  await using peer = await scripted(2);
  const { producer, verdicts } = peer;
  for (const error of ["ILLEGAL_GENERATION", "PRODUCER_FENCED"] as const) {
    producer.beginTransaction();
    verdicts["TxnOffsetCommit"] = [error];
    const thrown = await assertRejects(
      () => producer.sendOffsetsToTransaction(OFFSETS, GROUP),
      KafkaError,
    );
    assertEquals(thrown.error, error);
    const isFatal = error === "PRODUCER_FENCED";
    assertEquals(producer.transactionError?.isFatal, isFatal);
    if (!isFatal) await producer.abortTransaction();
  }
  await assertRejects(() => producer.abortTransaction(), KafkaError, '"id"');
});

Deno.test("a commit that finds no coordinator in time can be asked for again", async () => {
  await using peer = await scripted(2, { "max.block.ms": 50 });
  const { producer, verdicts } = peer;
  producer.beginTransaction();
  await producer.send({ topic: "t", value: "a" });
  verdicts["EndTxn"] = new Array(10_000).fill("COORDINATOR_LOAD_IN_PROGRESS");
  await assertRejects(() => producer.commitTransaction(), KafkaError);
  assertEquals(producer.transactionError, undefined);
  verdicts["EndTxn"] = [];
  await producer.commitTransaction();
});
