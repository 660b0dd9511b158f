/**
 * Records of transactions over the wire: what readers of committed records see
 * while a transaction is open, committed, aborted, and after stops and kills;
 * and what a partition takes only when the coordinator says so.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { batchesOf } from "../../core/record/batch.ts";
import { buildBatch } from "../../core/record/builder.ts";
import {
  create,
  initProducer,
  latest,
  records,
  type Running,
  running,
  start,
} from "../../tests/raw_broker.ts";
import { until } from "../../tests/fixtures.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { DELETE_RECORDS } from "../wire/21_delete_records.ts";
import { ADD_PARTITIONS_TO_TXN } from "../wire/24_add_partitions_to_txn.ts";
import { END_TXN } from "../wire/26_end_txn.ts";
import { WRITE_TXN_MARKERS } from "../wire/27_write_txn_markers.ts";
import { DESCRIBE_PRODUCERS } from "../wire/61_describe_producers.ts";

const UNVERIFIED = { "transaction.partition.verification.enable": "false" };
/** The last version before partitions are added to transactions unasked. */
const VERSION = 11;

interface Sent {
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly isTransactional?: boolean;
  readonly values?: readonly string[];
}

/** A client that keeps count of sequences. */
class Producing {
  readonly client: RawClient;
  readonly #sequences = new Map<number, number>();

  constructor(client: RawClient) {
    this.client = client;
  }

  async send(
    {
      producerId = 7,
      producerEpoch = 0,
      isTransactional = true,
      values = ["a"],
    }: Sent = {},
  ) {
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    const batch = buildBatch(records(...values), {
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional,
    });
    const answer = await sendBatches(this.client, [batch]);
    if (answer.errorCode === 0) {
      this.#sequences.set(producerId, baseSequence + values.length);
    }
    return answer;
  }

  async end(
    kind: "commit" | "abort",
    { producerId = 7, producerEpoch = 0 } = {},
  ): Promise<void> {
    const { markers } = await this.client.call(latest(WRITE_TXN_MARKERS), {
      markers: [{
        producerId,
        producerEpoch,
        coordinatorEpoch: 1,
        transactionResult: kind === "commit",
        transactionVersion: 1,
        topics: [{ name: "t", partitionIndexes: [0] }],
      }],
    });
    assertEquals(markers[0]!.topics[0]!.partitions[0]!.errorCode, 0);
  }
}

async function sendBatches(
  client: RawClient,
  batches: readonly Uint8Array[],
  { transactionalId = "x", version = VERSION }: {
    readonly transactionalId?: string | null;
    readonly version?: number;
  } = {},
) {
  const { responses } = await client.call({ api: PRODUCE, version }, {
    transactionalId,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{
      name: "t",
      partitionData: batches.map((batch, index) => ({ index, records: batch })),
    }],
  });
  return responses[0]!.partitionResponses[0]!;
}

function fetchRequest(
  { offset = 0, isCommitted = true, maxWaitMs = 0, maxBytes = 1_000_000 } = {},
) {
  return {
    maxWaitMs,
    minBytes: 1,
    isolationLevel: isCommitted ? 1 : 0,
    topics: [{
      topic: "t",
      partitions: [{
        partition: 0,
        fetchOffset: offset,
        partitionMaxBytes: maxBytes,
      }],
    }],
  };
}

async function fetch(
  client: RawClient,
  options: Parameters<typeof fetchRequest>[0] = {},
) {
  const { responses } = await client.call(
    { api: FETCH, version: 12 },
    fetchRequest(options),
  );
  const [partition] = responses[0]!.partitions;
  const { records: bytes, abortedTransactions, errorCode } = partition!;
  assertEquals(errorCode, 0);
  const offsets = [...batchesOf(bytes!)].map(({ baseOffset }) => baseOffset);
  return { offsets, aborted: abortedTransactions, ...partition! };
}

async function listOffsets(client: RawClient, timestamp: number) {
  const found: number[] = [];
  for (const isolationLevel of [0, 1]) {
    const { topics } = await client.call(latest(LIST_OFFSETS), {
      replicaId: -1,
      isolationLevel,
      topics: [{
        name: "t",
        partitions: [{ partitionIndex: 0, timestamp }],
      }],
    });
    found.push(topics[0]!.partitions[0]!.offset);
  }
  return found;
}

async function describe(client: RawClient) {
  const { topics } = await client.call(latest(DESCRIBE_PRODUCERS), {
    topics: [{ name: "t", partitionIndexes: [0] }],
  });
  return topics[0]!.partitions[0]!.activeProducers.map((each) => [
    each.producerId,
    each.producerEpoch,
    each.lastSequence,
    each.coordinatorEpoch,
    each.currentTxnStartOffset,
  ]);
}

async function withTopic(
  test: (producing: Producing, server: Running) => Promise<void>,
): Promise<void> {
  await using server = await running(UNVERIFIED);
  using client = await RawClient.connect(server.port);
  await create(client, "t");
  await test(new Producing(client), server);
}

Deno.test("readers of committed records wait before an open transaction", () =>
  withTopic(async (producing) => {
    const { client } = producing;
    await producing.send({ producerId: 1, isTransactional: false });
    await producing.send();
    await producing.send({ producerId: 1, isTransactional: false });
    const committed = await fetch(client);
    assertEquals(committed.offsets, [0]);
    assertEquals(committed.aborted, []);
    assertEquals(
      [committed.highWatermark, committed.lastStableOffset],
      [3, 1],
    );
    const all = await fetch(client, { isCommitted: false });
    assertEquals([all.offsets, all.aborted], [[0, 1, 2], null]);
    assertEquals(await listOffsets(client, -1), [3, 1]);
    assertEquals((await fetch(client, { offset: 2 })).offsets, []);
    assertEquals(await describe(client), [
      [1, 0, 1, -1, -1],
      [7, 0, 0, -1, 1],
    ]);
    await producing.end("commit");
    assertEquals((await fetch(client)).offsets, [0, 1, 2, 3]);
    assertEquals(await listOffsets(client, -1), [4, 4]);
    assertEquals((await describe(client))[1], [7, 0, 0, 1, -1]);
  }));

Deno.test("a fetch says which transactions in its batches were aborted", () =>
  withTopic(async (producing) => {
    const { client } = producing;
    await producing.send({ producerId: 7 });
    await producing.send({ producerId: 8 });
    await producing.end("abort", { producerId: 7 });
    assertEquals((await fetch(client)).aborted, [
      { producerId: 7, firstOffset: 0 },
    ]);
    await producing.send({ producerId: 7 });
    await producing.end("commit", { producerId: 8 });
    await producing.end("abort", { producerId: 7 });
    const both = [
      { producerId: 7, firstOffset: 0 },
      { producerId: 7, firstOffset: 3 },
    ];
    assertEquals((await fetch(client)).aborted, both);
    assertEquals((await fetch(client, { offset: 3 })).aborted, both.slice(1));
    assertEquals(
      (await fetch(client, { maxBytes: 1 })).aborted,
      both.slice(0, 1),
      "of the batches that it holds, no others",
    );
  }));

Deno.test("a fetch of committed records that waits is woken by the marker", () =>
  withTopic(async (producing, { port }) => {
    using reader = await RawClient.connect(port);
    await producing.send();
    await reader.send(
      { api: FETCH, version: 12 },
      fetchRequest({ maxWaitMs: 20_000 }),
    );
    await producing.send();
    assertEquals((await fetch(producing.client)).offsets, []);
    const answered = reader.frame();
    await producing.send();
    await producing.end("commit");
    const before = Date.now();
    assert(await answered !== null);
    assert(Date.now() - before < 10_000, "not by its deadline");
  }));

Deno.test("a transactional batch needs a transactional id, and all of one producer", () =>
  withTopic(async ({ client }) => {
    const batch = (producerId: number) =>
      buildBatch(records("a"), {
        producerId,
        producerEpoch: 0,
        baseSequence: 0,
        isTransactional: true,
      });
    const errors = [
      await sendBatches(client, [batch(1)], { transactionalId: null }),
      await sendBatches(client, [batch(1), batch(2)]),
    ].map(({ errorCode }) => errorCode);
    assertEquals(errors, [
      ERRORS.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      ERRORS.INVALID_PRODUCER_ID_MAPPING,
    ]);
    assertEquals((await fetch(client)).highWatermark, 0);
  }));

Deno.test("a plain batch amid its producer's transaction is refused", () =>
  withTopic(async (producing) => {
    await producing.send();
    const plain = { isTransactional: false };
    assertEquals(
      (await producing.send(plain)).errorCode,
      ERRORS.INVALID_TXN_STATE,
    );
    await producing.end("abort");
    assertEquals((await producing.send(plain)).errorCode, 0);
  }));

Deno.test("deleted records of an open transaction are no longer what keeps readers waiting", () =>
  withTopic(async (producing) => {
    const { client } = producing;
    await producing.send();
    await producing.send({ producerId: 1, isTransactional: false });
    await client.call(latest(DELETE_RECORDS), {
      timeoutMs: 10_000,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset: 1 }] }],
    });
    const { lastStableOffset, offsets } = await fetch(client, { offset: 1 });
    assertEquals([lastStableOffset, offsets], [1, []]);
    await producing.end("abort");
    assertEquals((await fetch(client, { offset: 1 })).lastStableOffset, 3);
  }));

function batchOf(
  { producerId, producerEpoch }: { producerId: number; producerEpoch: number },
  baseSequence = 0,
) {
  return buildBatch(records("a"), {
    producerId,
    producerEpoch,
    baseSequence,
    isTransactional: true,
  });
}

Deno.test("a partition takes a transaction's first batch once it was added to it", async () => {
  await using server = await running();
  using client = await RawClient.connect(server.port);
  await create(client, "t");
  const producer = await initProducer(client);
  const errors: number[] = [];
  for (const version of [10, 11]) {
    const answer = await sendBatches(client, [batchOf(producer)], { version });
    errors.push(answer.errorCode);
  }
  assertEquals(errors, [
    ERRORS.INVALID_TXN_STATE,
    ERRORS.TRANSACTION_ABORTABLE,
  ]);
  const { resultsByTopicV3AndBelow } = await client.call(
    { api: ADD_PARTITIONS_TO_TXN, version: 3 },
    {
      v3AndBelowTransactionalId: "x",
      v3AndBelowProducerId: producer.producerId,
      v3AndBelowProducerEpoch: producer.producerEpoch,
      v3AndBelowTopics: [{ name: "t", partitions: [0] }],
    },
  );
  assertEquals(
    resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode,
    0,
  );
  const added = await sendBatches(client, [batchOf(producer)]);
  assertEquals([added.errorCode, added.baseOffset], [0, 0]);
  assertEquals((await fetch(client)).lastStableOffset, 0);
  await client.call({ api: END_TXN, version: 4 }, {
    transactionalId: "x",
    ...producer,
    committed: true,
  });
  await until(
    "the marker is there",
    async () => (await fetch(client)).lastStableOffset === 2,
  );
  const late = await sendBatches(client, [batchOf(producer, 1)]);
  assertEquals(late.errorCode, ERRORS.TRANSACTION_ABORTABLE);
});

Deno.test("from version 12 on a produce adds its partitions to the transaction", async () => {
  await using server = await running();
  using client = await RawClient.connect(server.port);
  await create(client, "t");
  let { producerId, producerEpoch } = await initProducer(client);
  for (const committed of [false, true]) {
    const batch = batchOf({ producerId, producerEpoch });
    const { errorCode } = await sendBatches(client, [batch], { version: 12 });
    assertEquals(errorCode, 0);
    const ended = await client.call({ api: END_TXN, version: 5 }, {
      transactionalId: "x",
      producerId,
      producerEpoch,
      committed,
    });
    assertEquals([ended.errorCode, ended.producerEpoch], [
      0,
      producerEpoch + 1,
    ]);
    const end = committed ? 4 : 2;
    await until(
      "the marker is there",
      async () => (await fetch(client)).lastStableOffset === end,
    );
    ({ producerId, producerEpoch } = ended);
  }
  const { aborted, offsets } = await fetch(client);
  assertEquals(offsets, [0, 1, 2, 3]);
  assertEquals(aborted, [{ producerId, firstOffset: 0 }]);
  const old = batchOf({ producerId, producerEpoch: producerEpoch - 1 }, 1);
  assertEquals(
    (await sendBatches(client, [old], { version: 12 })).errorCode,
    ERRORS.INVALID_PRODUCER_EPOCH,
  );
});

for (const how of ["a clean stop", "a kill"] as const) {
  Deno.test(`transactions go on after ${how}`, async () => {
    const copy = Deno.makeTempDirSync({ prefix: "kf-test-" });
    await withTopic(async (producing, { folder, broker }) => {
      await producing.send({ producerId: 8 });
      await producing.end("abort", { producerId: 8 });
      await producing.send({ values: ["a", "b"] });
      if (how === "a clean stop") await broker.stop();
      const cp = new Deno.Command("cp", { args: ["-r", `${folder}/.`, copy] });
      assert((await cp.output()).success);
    });
    const broker = await start(copy, { config: UNVERIFIED });
    try {
      using client = await RawClient.connect(broker.address.port);
      const before = await fetch(client);
      assertEquals([before.lastStableOffset, before.offsets], [2, [0, 1]]);
      assertEquals(before.aborted, [{ producerId: 8, firstOffset: 0 }]);
      assertEquals(await describe(client), [
        [8, 0, 0, 1, -1],
        [7, 0, 1, -1, 2],
      ]);
      const producing = new Producing(client);
      await producing.end("abort");
      const after = await fetch(client);
      assertEquals([after.lastStableOffset, after.offsets], [5, [0, 1, 2, 4]]);
      assertEquals(after.aborted, [
        { producerId: 8, firstOffset: 0 },
        { producerId: 7, firstOffset: 2 },
      ]);
    } finally {
      await broker.stop();
      Deno.removeSync(copy, { recursive: true });
    }
  });
}
