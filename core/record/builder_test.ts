/**
 * Tests of building batches, reading them back, and the header's view.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KafkaError } from "../errors.ts";
import { batchesOf, BatchView } from "./batch.ts";
import { BatchBuilder, buildBatch, type RecordInput } from "./builder.ts";
import { CODEC_NAMES } from "./compression.ts";
import { decodeRecords, RecordCursor } from "./record.ts";

const bytes = fc.uint8Array({ maxLength: 200 });
const field = fc.option(bytes);
const record: fc.Arbitrary<RecordInput> = fc.record({
  timestamp: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_800_000_000_000 }),
    fc.integer({ min: -1, max: 5 }),
  ),
  key: field,
  value: field,
  headers: fc.array(
    fc.record({
      key: fc.oneof(
        fc.constant("h"),
        fc.string({ unit: "binary", maxLength: 90 }),
      ),
      value: field,
    }),
    { maxLength: 4 },
  ),
});

function concat(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

for (const codec of CODEC_NAMES) {
  Deno.test(`decodeRecords() gives back what buildBatch() took: ${codec}`, () => {
    fc.assert(
      fc.property(
        fc.array(record, { minLength: 1, maxLength: 40 }),
        fc.nat(2 ** 50),
        (records, baseOffset) => {
          const batch = buildBatch(records, { codec, baseOffset });
          const view = new BatchView(batch);
          assert(view.isCrcValid());
          assertEquals(view.sizeInBytes, batch.length);
          assertEquals(view.recordCount, records.length);
          assertEquals(view.nextOffset, baseOffset + records.length);
          const max = Math.max(...records.map((r) => r.timestamp));
          assertEquals(view.maxTimestamp, max);
          assertEquals(
            decodeRecords(view),
            records.map((r, i) => ({
              offset: baseOffset + i,
              timestamp: r.timestamp,
              key: r.key,
              value: r.value,
              headers: [...r.headers ?? []],
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
}

Deno.test("buildBatch() writes every header field", () => {
  const batch = buildBatch([
    { timestamp: 1000, key: null, value: null },
    { timestamp: 900, key: null, value: null },
  ], {
    baseOffset: 7,
    producerId: 2 ** 40 + 1,
    producerEpoch: 12,
    baseSequence: 0x7fffffff,
    partitionLeaderEpoch: 5,
    isTransactional: true,
    timestampType: "LogAppendTime",
  });
  const view = new BatchView(concat(new Uint8Array(9), batch), 9);
  assertEquals(
    [view.baseOffset, view.lastOffset, view.magic, view.codec],
    [7, 8, 2, 0],
  );
  assertEquals(
    [view.producerId, view.producerEpoch, view.partitionLeaderEpoch],
    [2 ** 40 + 1, 12, 5],
  );
  assertEquals([view.baseSequence, view.lastSequence], [0x7fffffff, 0]);
  assertEquals([view.isTransactional, view.isControl], [true, false]);
  assertEquals(view.hasDeleteHorizon, false);
  assertEquals([view.baseTimestamp, view.maxTimestamp], [1000, 1000]);
  assertEquals(view.bytes, batch);
  assertEquals(view.records, batch.subarray(61));
  assertEquals(decodeRecords(view).map((r) => r.timestamp), [1000, 1000]);
});

Deno.test("stamping offset and epoch leaves the CRC right, timestamps renew it", () => {
  const view = new BatchView(
    buildBatch([{ timestamp: 5, key: null, value: null }]),
  );
  const crc = view.crc;
  view.setBaseOffset(2 ** 52);
  view.setPartitionLeaderEpoch(3);
  assertEquals([view.crc, view.isCrcValid()], [crc, true]);
  assertEquals([view.baseOffset, view.partitionLeaderEpoch], [2 ** 52, 3]);
  view.setMaxTimestamp(99, "LogAppendTime");
  assertEquals(view.isCrcValid(), true);
  assertEquals([view.timestampType, view.maxTimestamp], ["LogAppendTime", 99]);
  assert(view.crc !== crc);
  view.setMaxTimestamp(5, "CreateTime");
  assertEquals(view.crc, crc);
});

Deno.test("tryAppend() takes what fits the capacity, and any first record", () => {
  const small = { timestamp: 0, key: null, value: new Uint8Array(100) };
  const builder = new BatchBuilder({ capacityBytes: 1000 });
  while (builder.tryAppend(small));
  assert(builder.sizeInBytes <= 1000);
  assert(builder.sizeInBytes > 1000 - 110);
  const batch = builder.build();
  assertEquals(batch.length, builder.sizeInBytes);
  assertEquals(decodeRecords(new BatchView(batch)).length, builder.recordCount);
  assertEquals(builder.tryAppend(small), false);

  const large = { ...small, value: new Uint8Array(5000).fill(7) };
  const own = new BatchBuilder({ capacityBytes: 1000 });
  assertEquals([own.tryAppend(large), own.tryAppend(small)], [true, false]);
  assertEquals(
    decodeRecords(new BatchView(own.build()))[0]?.value,
    large.value,
  );
});

Deno.test("build() again stamps other producer fields", () => {
  for (const codec of ["none", "lz4"] as const) {
    const builder = new BatchBuilder({ codec, capacityBytes: 1000 });
    builder.tryAppend({ timestamp: 1, key: null, value: new Uint8Array(50) });
    builder.build({ producerId: 1, producerEpoch: 0, baseSequence: 10 });
    const view = new BatchView(
      builder.build({ producerId: 1, producerEpoch: 1, baseSequence: 0 }),
    );
    assertEquals([view.producerEpoch, view.baseSequence], [1, 0]);
    assert(view.isCrcValid());
    assertEquals(decodeRecords(view).length, 1);
  }
});

Deno.test("batchesOf() yields whole batches and stops at a partial tail", () => {
  const one = buildBatch([{ timestamp: 1, key: null, value: null }]);
  const two = buildBatch([
    { timestamp: 2, key: null, value: new Uint8Array(300) },
  ], { baseOffset: 1 });
  const all = concat(one, two, one);
  for (const cut of [1, 20, 60, one.length - 1]) {
    const offsets = [...batchesOf(all.subarray(0, all.length - cut))]
      .map((view) => view.baseOffset);
    assertEquals(offsets, [0, 1]);
  }
  assertEquals([...batchesOf(all)].length, 3);
  const broken = new Uint8Array(100);
  const error = assertThrows(() => [...batchesOf(broken)], KafkaError);
  assertEquals(error.error, "CORRUPT_MESSAGE");
});

Deno.test("next() of a cursor exposes positions without making views", () => {
  const text = new TextEncoder();
  const cursor = new RecordCursor();
  cursor.open(
    new BatchView(buildBatch([
      { timestamp: 10, key: text.encode("k"), value: text.encode("value") },
      { timestamp: 5, key: null, value: text.encode("") },
    ], { baseOffset: 100, codec: "lz4" })),
  );
  assert(cursor.next());
  assertEquals([cursor.keyLength, cursor.valueLength], [1, 5]);
  assertEquals(
    cursor.bytes.subarray(cursor.valueAt, cursor.valueAt + 5),
    text.encode("value"),
  );
  assert(cursor.next());
  assertEquals([cursor.offset, cursor.timestamp], [101, 5]);
  assertEquals([cursor.keyLength, cursor.valueLength], [-1, 0]);
  assertEquals([cursor.next(), cursor.next()], [false, false]);
});

Deno.test("decodeRecords() of broken bytes throws CORRUPT_MESSAGE only", () => {
  const batch = buildBatch(
    Array.from({ length: 5 }, (_, i) => ({
      timestamp: i * 1e9,
      key: Uint8Array.of(i),
      value: new Uint8Array(150).fill(i),
      headers: [{ key: "h", value: Uint8Array.of(1, 2) }],
    })),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 57, max: batch.length - 1 }),
      fc.nat(255),
      fc.boolean(),
      (at, byte, cut) => {
        const broken = cut ? batch.slice(0, at) : batch.slice();
        if (!cut) broken[at] = byte;
        try {
          decodeRecords(new BatchView(broken));
        } catch (error) {
          assert(error instanceof KafkaError, `${error}`);
          assertEquals(error.error, "CORRUPT_MESSAGE");
        }
      },
    ),
    { numRuns: 1000 },
  );
});
