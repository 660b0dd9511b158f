/**
 * What a topic's config asks of an append, over raw frames: codec, timestamp
 * type and bounds, size, keys. Each refusal leaves the log as it was.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { batchesOf, BatchView } from "../../core/record/batch.ts";
import { buildBatch, type RecordInput } from "../../core/record/builder.ts";
import { CODEC_NAMES, codecName } from "../../core/record/compression.ts";
import { decodeRecords } from "../../core/record/record.ts";
import {
  fetch,
  latest,
  produce,
  records,
  running,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { LIST_OFFSETS } from "../wire/02_list_offsets.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";

const TEXT = new TextDecoder();
const HOUR_MS = 3_600_000;

/** A broker with topic "t" of `configs`, and a client of it. */
async function withTopic(
  configs: Readonly<Record<string, string>>,
  test: (client: RawClient) => Promise<void>,
): Promise<void> {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  const { topics } = await client.call(latest(CREATE_TOPICS), {
    topics: [{
      name: "t",
      numPartitions: 1,
      replicationFactor: 1,
      configs: Object.entries(configs).map(([name, value]) => ({
        name,
        value,
      })),
    }],
  });
  assertEquals(topics[0]!.errorCode, 0, topics[0]!.errorMessage ?? "");
  await test(client);
}

/** Produces what must be refused; gives the answer. */
async function refused(client: RawClient, batch: Uint8Array) {
  const before = (await fetch(client)).highWatermark;
  const answer = await produce(client, batch);
  assertEquals(answer.baseOffset, -1);
  assertEquals((await fetch(client)).highWatermark, before);
  return {
    error: answer.errorCode,
    records: answer.recordErrors.map(({ batchIndex }) => batchIndex),
    message: answer.errorMessage ?? "",
    why: answer.recordErrors.map((each) => each.batchIndexErrorMessage ?? ""),
  };
}

function timed(...timestamps: number[]): RecordInput[] {
  return timestamps.map((timestamp) => ({
    timestamp,
    key: null,
    value: new Uint8Array(10),
  }));
}

for (const type of ["uncompressed", "gzip", "snappy", "lz4", "zstd"]) {
  Deno.test(`a topic with compression.type ${type} stores each batch so`, () =>
    withTopic({ "compression.type": type }, async (client) => {
      const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
      for (const [i, codec] of CODEC_NAMES.entries()) {
        const { errorCode, baseOffset } = await produce(
          client,
          buildBatch(records(...lines), {
            codec,
            producerId: 5,
            producerEpoch: 0,
            baseSequence: i * lines.length,
          }),
        );
        assertEquals([errorCode, baseOffset], [0, i * lines.length]);
      }
      const { records: bytes } = await fetch(client);
      const stored = [...batchesOf(bytes!)].map((view) => ({
        codec: codecName(view.codec),
        isCrcValid: view.isCrcValid(),
        sequence: view.baseSequence,
        values: Array.from(
          decodeRecords(view),
          ({ value }) => TEXT.decode(value!),
        ),
      }));
      assertEquals(
        stored,
        CODEC_NAMES.map((_, i) => ({
          codec: type === "uncompressed" ? "none" : codecName(
            CODEC_NAMES.indexOf(type as typeof CODEC_NAMES[number]),
          ),
          isCrcValid: true,
          sequence: i * lines.length,
          values: lines,
        })),
      );
    }));
}

Deno.test("max.message.bytes counts again after recompression", () =>
  withTopic({
    "compression.type": "uncompressed",
    "max.message.bytes": "2000",
  }, async (client) => {
    const batch = buildBatch(records("x".repeat(5000)), { codec: "gzip" });
    assert(batch.length < 2000, "as it is sent it is small enough");
    const { error } = await refused(client, batch);
    assertEquals(error, ERRORS.MESSAGE_TOO_LARGE);
    const small = buildBatch(records("x".repeat(1000)), { codec: "gzip" });
    assertEquals((await produce(client, small)).baseOffset, 0);
  }));

Deno.test("a topic with LogAppendTime puts the broker's time over the producer's", () =>
  withTopic({ "message.timestamp.type": "LogAppendTime" }, async (client) => {
    for (const codec of CODEC_NAMES) {
      const before = Date.now();
      // A time that CreateTime would refuse.
      const batch = buildBatch(timed(before + 9 * HOUR_MS, 5), { codec });
      const answer = await produce(client, batch);
      assertEquals(answer.errorCode, 0);
      const appendedMs = answer.logAppendTimeMs;
      assert(appendedMs >= before && appendedMs <= Date.now());
      const { records: bytes } = await fetch(client, {
        offset: answer.baseOffset,
      });
      const view = new BatchView(bytes!);
      assert(view.isCrcValid());
      assertEquals(view.timestampType, "LogAppendTime");
      assertEquals(
        Array.from(decodeRecords(view), ({ timestamp }) => timestamp),
        [appendedMs, appendedMs],
      );
      const { topics } = await client.call({ api: LIST_OFFSETS, version: 7 }, {
        replicaId: -1,
        topics: [{
          name: "t",
          partitions: [{ partitionIndex: 0, timestamp: appendedMs }],
        }],
      });
      const found = topics[0]!.partitions[0]!;
      assertEquals(found.timestamp, appendedMs);
      assert(found.offset <= answer.baseOffset);
    }
  }));

Deno.test("timestamps outside of the topic's bounds are refused, record by record", () =>
  withTopic({
    "message.timestamp.before.max.ms": String(HOUR_MS),
    "message.timestamp.after.max.ms": String(HOUR_MS),
  }, async (client) => {
    const now = Date.now();
    const old = now - 2 * HOUR_MS;
    const early = now + 2 * HOUR_MS;
    for (const codec of CODEC_NAMES) {
      const batch = buildBatch(timed(now, old, now, early), { codec });
      const { error, records, why } = await refused(client, batch);
      assertEquals(error, ERRORS.INVALID_TIMESTAMP);
      assertEquals(records, [1, 3]);
      assert(why[0]!.includes(String(old)), why[0]);
    }
    const answer = await produce(client, buildBatch(timed(now, -1)));
    assertEquals([answer.errorCode, answer.logAppendTimeMs], [0, -1]);
  }));

Deno.test("a compacted topic refuses records without a key, and says which", () =>
  withTopic({ "cleanup.policy": "compact" }, async (client) => {
    const key = new Uint8Array([1]);
    const some = records("a", "b", "c", "d")
      .map((record, i) => i % 2 === 0 ? record : { ...record, key });
    for (const codec of CODEC_NAMES) {
      const batch = () => buildBatch(some, { codec });
      const { error, records, message } = await refused(client, batch());
      assertEquals(error, ERRORS.INVALID_RECORD);
      assertEquals(records, [0, 2]);
      assert(message.includes("without a key"), message);
      // Before version 8 there is no place to say which.
      const old = await produce(client, batch(), { version: 7 });
      assertEquals(old.errorCode, ERRORS.INVALID_RECORD);
      assertEquals(old.recordErrors, []);
    }
    const empty = some.map((each) => ({ ...each, key: new Uint8Array(0) }));
    assertEquals((await produce(client, buildBatch(empty))).baseOffset, 0);
  }));

Deno.test("of keys and timestamps that are both wrong, Kafka names the timestamps", () =>
  withTopic({ "cleanup.policy": "compact" }, async (client) => {
    const early = { timestamp: Date.now() + 2 * HOUR_MS, value: null };
    const batch = buildBatch([
      { ...early, timestamp: Date.now(), key: null },
      { ...early, key: new Uint8Array(1) },
    ]);
    const { error, records } = await refused(client, batch);
    assertEquals(error, ERRORS.INVALID_TIMESTAMP);
    assertEquals(records, [0, 1]);
  }));
