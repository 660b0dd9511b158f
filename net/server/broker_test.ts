/**
 * A whole broker over real sockets and raw frames: what it serves, and what it
 * answers to input that is wrong. Owns no product code.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  latest,
  produce,
  records,
  running,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { BatchView } from "../../core/record/batch.ts";
import { type ErrorName, ERRORS } from "../../core/errors.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { API_VERSIONS } from "../wire/18_api_versions.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import { DELETE_TOPICS } from "../wire/20_delete_topics.ts";
import { DELETE_RECORDS } from "../wire/21_delete_records.ts";
import { INIT_PRODUCER_ID } from "../wire/22_init_producer_id.ts";
import { DESCRIBE_CONFIGS } from "../wire/32_describe_configs.ts";
import { CREATE_PARTITIONS } from "../wire/37_create_partitions.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../wire/44_incremental_alter_configs.ts";

Deno.test("what is produced can be fetched, bytes as they were", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const batch = buildBatch(records("a", "b", "c"));
  const answer = await produce(client, batch);
  assertEquals([answer.errorCode, answer.baseOffset], [0, 0]);
  assertEquals((await produce(client, batch)).baseOffset, 3);
  const fetched = await fetch(client, { offset: 3 });
  assertEquals([fetched.errorCode, fetched.highWatermark], [0, 6]);
  const view = new BatchView(fetched.records!);
  assertEquals([view.baseOffset, view.recordCount, view.isCrcValid()], [
    3,
    3,
    true,
  ]);
  assertEquals(fetched.records!.subarray(21), batch.subarray(21));
});

Deno.test("a fetch waits for bytes and is woken by a produce", async () => {
  await using at = await running();
  using reader = await RawClient.connect(at.port);
  using writer = await RawClient.connect(at.port);
  await create(writer, "t");
  const startMs = performance.now();
  const waiting = fetch(reader, { maxWaitMs: 20_000 });
  await produce(writer, buildBatch(records("a")));
  assertEquals((await waiting).highWatermark, 1);
  assert(performance.now() - startMs < 10_000);
  const empty = await fetch(reader, { offset: 1, maxWaitMs: 30 });
  assertEquals(empty.records!.length, 0);
});

Deno.test("pipelined requests are answered in order", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const waiting = await client.send({ api: FETCH, version: 12 }, {
    maxWaitMs: 200,
    minBytes: 1,
    topics: [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0 }] }],
  });
  const after = await client.send(latest(API_VERSIONS), {
    clientSoftwareName: "raw",
    clientSoftwareVersion: "1",
  });
  const idOf = (frame: Uint8Array) =>
    new DataView(frame.buffer, frame.byteOffset).getInt32(0);
  assertEquals(idOf((await client.frame())!), waiting);
  assertEquals(idOf((await client.frame())!), after);
});

Deno.test("records, topics, ids and configs outlive a restart", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-test-" });
  try {
    let clusterId = "";
    for (let round = 0; round < 3; round++) {
      const broker = await start(folder);
      using client = await RawClient.connect(broker.address.port);
      if (round === 0) {
        await create(client, "t", 2);
        clusterId = broker.clusterId;
      }
      const { baseOffset } = await produce(client, buildBatch(records("a")));
      assertEquals([baseOffset, broker.clusterId], [round, clusterId]);
      client.close();
      await broker.stop();
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("Metadata creates an unknown topic when both sides allow it", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const ask = async (name: string, allowAutoTopicCreation: boolean) => {
    const { topics } = await client.call(latest(METADATA), {
      topics: [{ name }],
      allowAutoTopicCreation,
    });
    return topics[0]!;
  };
  const refused = await ask("t", false);
  assertEquals(refused.errorCode, ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
  const created = await ask("t", true);
  assertEquals([created.errorCode, created.partitions.length], [0, 1]);
  assertEquals(created.partitions[0]!.leaderId, 1);
  const bad = await ask("no/slash", true);
  assertEquals(bad.errorCode, ERRORS.INVALID_TOPIC_EXCEPTION);
});

Deno.test("an unknown version of ApiVersions is answered in version 0 with 35", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await client.write(frameOf([0, 18, 0, 99, 0, 0, 0, 7, 0, 1, 120, 0]));
  const frame = (await client.frame())!;
  assertEquals([...frame.subarray(0, 6)], [0, 0, 0, 7, 0, 35]);
  const { apiKeys } = await client.call(latest(API_VERSIONS), {
    clientSoftwareName: "raw",
    clientSoftwareVersion: "1",
  });
  const produceRange = apiKeys.find(({ apiKey }) => apiKey === 0)!;
  assertEquals([produceRange.minVersion, produceRange.maxVersion], [0, 13]);
});

function frameOf(bytes: readonly number[], size = bytes.length): Uint8Array {
  const frame = new Uint8Array(4 + bytes.length);
  new DataView(frame.buffer).setInt32(0, size);
  frame.set(bytes, 4);
  return frame;
}

const METADATA_FRAME = [0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 0, 0, 0, 0];

const CLOSING: Readonly<Record<string, Uint8Array>> = {
  "a negative frame size": frameOf([], -5),
  "a frame of no bytes": frameOf([], 0),
  "a frame above socket.request.max.bytes": frameOf([], 2_000_000),
  "a 2 GB claim": frameOf([], 0x7fffffff),
  "an unknown key": frameOf([9, 9, 0, 0, 0, 0, 0, 1, 0, 0]),
  "an unknown version": frameOf([0, 3, 0, 99, 0, 0, 0, 1, 0, 0]),
  "a cut header": frameOf([0, 3]),
  "a cut body": frameOf([0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 0, 0]),
  "a count beyond the bytes": frameOf([
    ...METADATA_FRAME.slice(0, 10),
    0x7f,
    255,
    255,
    255,
  ]),
};

for (const [name, bytes] of Object.entries(CLOSING)) {
  Deno.test(`${name} closes that connection and no other`, async () => {
    await using at = await running({ "socket.request.max.bytes": "1000000" });
    using other = await RawClient.connect(at.port);
    using client = await RawClient.connect(at.port);
    await client.write(bytes);
    assert(await client.isClosedByBroker());
    assertEquals((await create(other, "t")).errorCode, 0);
  });
}

Deno.test("garbage after a valid frame closes, the frame is served", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await client.write(frameOf(METADATA_FRAME));
  assert(await client.frame() !== null);
  await client.write(frameOf([255, 254, 253], -1));
  assert(await client.isClosedByBroker());
});

Deno.test("half a frame, then silence, is closed after the idle time", async () => {
  await using at = await running({ "connections.max.idle.ms": "100" });
  using client = await RawClient.connect(at.port);
  await client.write(frameOf(METADATA_FRAME).subarray(0, 9));
  assert(await client.isClosedByBroker());
});

Deno.test("two thousand idle connections don't keep one from being served", async () => {
  await using at = await running();
  const idle: RawClient[] = [];
  try {
    for (let i = 0; i < 2000; i++) idle.push(await RawClient.connect(at.port));
    using client = await RawClient.connect(at.port);
    assertEquals((await create(client, "t")).errorCode, 0);
    const answer = await produce(client, buildBatch(records("a")));
    assertEquals(answer.errorCode, 0);
  } finally {
    for (const client of idle) client.close();
  }
});

Deno.test("max.connections.per.ip refuses what is too much", async () => {
  await using at = await running({ "max.connections.per.ip": "2" });
  using first = await RawClient.connect(at.port);
  using second = await RawClient.connect(at.port);
  assertEquals((await create(first, "t")).errorCode, 0);
  assertEquals((await create(second, "u")).errorCode, 0);
  using third = await RawClient.connect(at.port);
  assert(await third.isClosedByBroker());
  assertEquals((await create(second, "v")).errorCode, 0);
});

function damaged(change: (bytes: Uint8Array, view: DataView) => void) {
  const bytes = buildBatch(records("a", "b"));
  change(bytes, new DataView(bytes.buffer, bytes.byteOffset));
  return bytes;
}

/** Damages a batch and makes its CRC fit again. */
function forged(change: (view: DataView) => void): Uint8Array {
  const bytes = damaged((_, view) => change(view));
  const view = new BatchView(bytes);
  view.setMaxTimestamp(view.maxTimestamp, "CreateTime");
  return bytes;
}

const REFUSED: Readonly<
  Record<string, readonly [Uint8Array | null, ErrorName]>
> = {
  "a bad CRC": [
    damaged((bytes) => bytes[bytes.length - 1]! ^= 1),
    "CORRUPT_MESSAGE",
  ],
  "no records": [null, "INVALID_RECORD"],
  "magic 1": [
    damaged((bytes) => bytes[16] = 1),
    "INVALID_RECORD",
  ],
  "magic 0": [
    damaged((bytes) => bytes[16] = 0),
    "INVALID_RECORD",
  ],
  "a batch that claims 2 GB": [
    damaged((_, view) => view.setInt32(8, 0x7fffffff)),
    "CORRUPT_MESSAGE",
  ],
  "a batch that claims less than nothing": [
    damaged((_, view) => view.setInt32(8, -5)),
    "CORRUPT_MESSAGE",
  ],
  "a count of two thousand million": [
    forged((view) => {
      view.setInt32(23, 0x7ffffffe);
      view.setInt32(57, 0x7fffffff);
    }),
    "INVALID_RECORD",
  ],
  "inner offsets that don't follow": [
    forged((view) => view.setUint8(64, 8)),
    "INVALID_RECORD",
  ],
  "snappy that claims 2 GB": [
    forged((view) => {
      view.setInt16(21, 2);
      for (let at = 61; at < 65; at++) view.setUint8(at, 0xff);
      view.setUint8(65, 7);
    }),
    "INVALID_RECORD",
  ],
  "an unknown codec": [
    forged((view) => view.setInt16(21, 6)),
    "UNSUPPORTED_COMPRESSION_TYPE",
  ],
  "a count of 5 for 2": [
    forged((view) => view.setInt32(57, 5)),
    "INVALID_RECORD",
  ],
  "a last offset delta of 7": [
    forged((view) => view.setInt32(23, 7)),
    "INVALID_RECORD",
  ],
  "a control batch": [
    forged((view) => view.setInt16(21, 0x20)),
    "INVALID_RECORD",
  ],
  "a transactional batch": [
    buildBatch(records("a"), {
      isTransactional: true,
      producerId: 5,
      producerEpoch: 0,
      baseSequence: 0,
    }),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
  ],
  "a bomb of gzip": [
    buildBatch(records("\0".repeat(80_000_000)), { codec: "gzip" }),
    "MESSAGE_TOO_LARGE",
  ],
  "a bomb of zstd": [
    buildBatch(records("\0".repeat(80_000_000)), { codec: "zstd" }),
    "MESSAGE_TOO_LARGE",
  ],
  "a batch above max.message.bytes": [
    buildBatch(records("x".repeat(1_100_000))),
    "MESSAGE_TOO_LARGE",
  ],
};

Deno.test("bad batches are refused by name and nothing is appended", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (const [name, [batch, error]] of Object.entries(REFUSED)) {
    const { errorCode } = await produce(client, batch);
    assertEquals([name, errorCode], [name, ERRORS[error]]);
  }
  const good = await produce(client, buildBatch(records("a")));
  assertEquals(good.baseOffset, 0);
});

Deno.test("a produce nobody can serve is refused by name", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const batch = () => buildBatch(records("a"));
  const codeOf = async (options: Parameters<typeof produce>[2]) =>
    (await produce(client, batch(), options)).errorCode;
  const unknown = ERRORS.UNKNOWN_TOPIC_OR_PARTITION;
  assertEquals(await codeOf({ topic: "nope" }), unknown);
  assertEquals(await codeOf({ index: 9 }), unknown);
  assertEquals(await codeOf({ index: -1 }), unknown);
  assertEquals(await codeOf({ acks: 2 }), ERRORS.INVALID_REQUIRED_ACKS);
  assertEquals(
    await codeOf({ topic: "__consumer_offsets" }),
    ERRORS.INVALID_TOPIC_EXCEPTION,
  );
});

Deno.test("acks 0 is not answered, and an error closes the connection", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const send = (name: string) =>
    client.send({ api: PRODUCE, version: 9 }, {
      acks: 0,
      topicData: [{
        name,
        partitionData: [{ index: 0, records: buildBatch(records("a")) }],
      }],
    });
  await send("t");
  // Both may come in one turn, at whose end the first is written.
  assertEquals((await fetch(client, { maxWaitMs: 5000 })).highWatermark, 1);
  await send("nope");
  assert(await client.isClosedByBroker());
});

Deno.test("an idempotent batch sent twice is appended once", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const { producerId, producerEpoch } = await client.call(
    latest(INIT_PRODUCER_ID),
    { transactionalId: null },
  );
  const batch = (baseSequence: number) =>
    buildBatch(records("a"), { producerId, producerEpoch, baseSequence });
  assertEquals((await produce(client, batch(0))).baseOffset, 0);
  assertEquals((await produce(client, batch(1))).baseOffset, 1);
  assertEquals((await produce(client, batch(0))).baseOffset, 0);
  const gap = await produce(client, batch(5));
  assertEquals(gap.errorCode, ERRORS.OUT_OF_ORDER_SEQUENCE_NUMBER);
});

Deno.test("CreateTopics refuses bad names, duplicates and factors by name", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  assertEquals((await create(client, "t")).errorCode, 0);
  assertEquals(
    (await create(client, "t")).errorCode,
    ERRORS.TOPIC_ALREADY_EXISTS,
  );
  for (const name of ["", ".", "..", "a b", "é", "x".repeat(250)]) {
    const { errorCode } = await create(client, name);
    assertEquals([name, errorCode], [name, ERRORS.INVALID_TOPIC_EXCEPTION]);
  }
  const { topics } = await client.call(latest(CREATE_TOPICS), {
    topics: [{ name: "rf", numPartitions: 1, replicationFactor: 3 }],
  });
  assertEquals(topics[0]!.errorCode, ERRORS.INVALID_REPLICATION_FACTOR);
  assertEquals(
    (await create(client, "none", 0)).errorCode,
    ERRORS.INVALID_PARTITIONS,
  );
});

Deno.test("topics are widened, deleted and made anew under another id", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const { topicId } = await create(client, "t");
  await produce(client, buildBatch(records("a")));
  const { results } = await client.call(latest(CREATE_PARTITIONS), {
    topics: [{ name: "t", count: 3, assignments: null }],
  });
  assertEquals(results[0]!.errorCode, 0);
  const wide = await produce(client, buildBatch(records("a")), { index: 2 });
  assertEquals(wide.errorCode, 0);
  const { responses } = await client.call(latest(DELETE_TOPICS), {
    topics: [{ name: null, topicId }],
  });
  assertEquals([responses[0]!.errorCode, responses[0]!.name], [0, "t"]);
  const gone = await produce(client, buildBatch(records("a")));
  assertEquals(gone.errorCode, ERRORS.UNKNOWN_TOPIC_OR_PARTITION);
  const again = await create(client, "t");
  assert(again.errorCode === 0 && again.topicId !== topicId);
  assertEquals((await produce(client, buildBatch(records("b")))).baseOffset, 0);
});

Deno.test("configs are changed, shown with their source, and obeyed", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const alter = async (name: string, value: string) => {
    const { responses } = await client.call(latest(INCREMENTAL_ALTER_CONFIGS), {
      resources: [{
        resourceType: 2,
        resourceName: "t",
        configs: [{ name, configOperation: 0, value }],
      }],
    });
    return responses[0]!.errorCode;
  };
  assertEquals(await alter("max.message.bytes", "100"), 0);
  assertEquals(await alter("no.such.key", "1"), ERRORS.INVALID_CONFIG);
  const { results } = await client.call(latest(DESCRIBE_CONFIGS), {
    resources: [
      {
        resourceType: 2,
        resourceName: "t",
        configurationKeys: ["max.message.bytes"],
      },
      { resourceType: 4, resourceName: "1", configurationKeys: ["node.id"] },
    ],
    includeSynonyms: true,
  });
  const [entry] = results[0]!.configs;
  assertEquals([entry!.value, entry!.configSource], ["100", 1]);
  assertEquals(entry!.synonyms.map(({ source }) => source), [1, 5]);
  assertEquals(results[1]!.configs[0]!.value, "1");
  const big = await produce(client, buildBatch(records("x".repeat(200))));
  assertEquals(big.errorCode, ERRORS.MESSAGE_TOO_LARGE);
});

Deno.test("DeleteRecords moves the start, ListOffsets tells both ends", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  for (let i = 0; i < 5; i++) await produce(client, buildBatch(records("a")));
  const cut = async (offset: number) => {
    const { topics } = await client.call(latest(DELETE_RECORDS), {
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset }] }],
    });
    return topics[0]!.partitions[0]!;
  };
  assertEquals((await cut(3)).lowWatermark, 3);
  assertEquals((await cut(9)).errorCode, ERRORS.OFFSET_OUT_OF_RANGE);
  const list = async (timestamp: number) => {
    const { topics } = await client.call(latest(LIST_OFFSETS), {
      replicaId: -1,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp }] }],
    });
    return topics[0]!.partitions[0]!.offset;
  };
  assertEquals([await list(-2), await list(-1), await list(0)], [3, 5, 3]);
  const lost = await fetch(client, { offset: 1 });
  assertEquals(lost.errorCode, ERRORS.OFFSET_OUT_OF_RANGE);
});

Deno.test("a taken port, folder or another cluster's folder is said in a sentence", async () => {
  await using at = await running();
  const folder = Deno.makeTempDirSync({ prefix: "kf-test-" });
  try {
    await assertRejects(
      () =>
        start(folder, {
          config: { listeners: `PLAINTEXT://127.0.0.1:${at.port}` },
        }),
      Error,
      "the port is taken",
    );
    await assertRejects(
      () => start(at.folder),
      Error,
      "another process uses it",
    );
    const first = await start(folder);
    await first.stop();
    await assertRejects(
      () => start(folder, { config: { "node.id": "7" } }),
      Error,
      "belongs to node 1",
    );
    const again = await start(folder);
    await again.stop();
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a stop answers what is parked and closes every connection", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "kf-test-" });
  try {
    const broker = await start(folder);
    using client = await RawClient.connect(broker.address.port);
    await create(client, "t");
    const waiting = fetch(client, { maxWaitMs: 60_000 });
    await until("the fetch is sent", () => true);
    using probe = await RawClient.connect(broker.address.port);
    assertEquals((await create(probe, "u")).errorCode, 0);
    await broker.stop();
    assertEquals((await waiting).records!.length, 0);
    assert(await client.isClosedByBroker());
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
