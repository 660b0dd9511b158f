/**
 * Tests of what a broker accepts, rewrites and refuses in a produce payload.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { setInt16At, setInt32At, setInt64At } from "../bytes/big_endian.ts";
import { crc32c } from "../bytes/crc32c.ts";
import { AT, BatchView } from "./batch.ts";
import { buildBatch, type BuildOptions, type RecordInput } from "./builder.ts";
import { CODEC_NAMES, type CodecName, compress } from "./compression.ts";
import { decodeRecords } from "./record.ts";
import {
  type Refusal,
  type ValidateOptions,
  validateProduced,
} from "./validate.ts";

const NOW = 1_795_400_000_000;
const DEFAULTS: ValidateOptions = {
  maxMessageBytes: 1048588,
  segmentBytes: 1 << 30,
  isCompacted: false,
  timestampType: "CreateTime",
  nowMs: NOW,
  beforeMaxMs: Infinity,
  afterMaxMs: 3_600_000,
  compressionType: "producer",
};

type Options = Partial<ValidateOptions>;

function records(count: number): RecordInput[] {
  return Array.from({ length: count }, (_, i) => ({
    timestamp: NOW - i,
    key: Uint8Array.of(i),
    value: new Uint8Array(20).fill(i),
    headers: [{ key: "h", value: null }],
  }));
}

function batchOf(options: BuildOptions & { codec?: CodecName } = {}) {
  return buildBatch(records(3), options);
}

/** Changes the bytes and makes the CRC right again. */
function altered(batch: Uint8Array, change: (bytes: Uint8Array) => void) {
  const bytes = batch.slice();
  change(bytes);
  setInt32At(bytes, AT.crc, crc32c(bytes, AT.attributes));
  return bytes;
}

function accepted(bytes: Uint8Array, options: Options = {}) {
  const result = validateProduced(bytes, { ...DEFAULTS, ...options });
  assert(result.ok, result.ok ? "" : `${result.error}: ${result.message}`);
  assert(result.view.isCrcValid());
  assertEquals(result.view.sizeInBytes, result.bytes.length);
  return result;
}

function refused(bytes: Uint8Array | null, options: Options = {}): Refusal {
  const result = validateProduced(bytes, { ...DEFAULTS, ...options });
  assert(!result.ok, "the payload was accepted");
  return result;
}

for (const codec of CODEC_NAMES) {
  Deno.test(`validateProduced() keeps a good batch's bytes: ${codec}`, () => {
    const batch = batchOf({ codec });
    const copy = batch.slice();
    const result = accepted(batch);
    assertEquals(result.bytes.buffer, batch.buffer);
    assertEquals(result.bytes, copy);
  });

  Deno.test(`validateProduced() refuses every cut and flip: ${codec}`, () => {
    const batch = batchOf({ codec });
    for (let length = 0; length < batch.length; length++) {
      refused(batch.subarray(0, length));
    }
    for (let at = 0; at < batch.length; at++) {
      // The leader epoch, which the broker overwrites, is not covered.
      if (at >= AT.partitionLeaderEpoch && at < AT.magic) continue;
      const broken = batch.slice();
      broken[at]! ^= 0x41;
      refused(broken);
    }
  });

  Deno.test(`validateProduced() never throws with a right CRC: ${codec}`, () => {
    const batch = batchOf({ codec });
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 0, max: batch.length - 1 }), fc.nat(255)),
          { minLength: 1, maxLength: 3 },
        ),
        (changes) => {
          const bytes = altered(batch, (b) => {
            for (const [at, byte] of changes) b[at] = byte;
          });
          const result = validateProduced(bytes, DEFAULTS);
          // What is accepted is readable.
          if (result.ok) decodeRecords(result.view);
        },
      ),
      { numRuns: 1500 },
    );
  });
}

Deno.test("validateProduced() wants exactly one whole batch of magic 2", () => {
  const batch = batchOf();
  const twice = new Uint8Array(batch.length * 2);
  twice.set(batch);
  twice.set(batch, batch.length);
  assertEquals(refused(null).error, "INVALID_RECORD");
  assertEquals(refused(new Uint8Array(0)).error, "INVALID_RECORD");
  assertEquals(refused(twice).error, "INVALID_RECORD");
  for (const magic of [0, 1, 3]) {
    const old = batch.slice(0, magic === 0 ? 30 : batch.length);
    old[AT.magic] = magic;
    assertEquals(refused(old).error, "INVALID_RECORD");
  }
  for (const claim of [0x7fffffff, -1, 0, 48, batch.length]) {
    const lying = batch.slice();
    setInt32At(lying, AT.batchLength, claim);
    assertEquals(refused(lying).error, "CORRUPT_MESSAGE", `${claim}`);
  }
  const flipped = batch.slice();
  flipped[70]! ^= 1;
  assertEquals(refused(flipped).error, "CORRUPT_MESSAGE");
});

Deno.test("validateProduced() holds the size limits", () => {
  const batch = batchOf();
  const size = batch.length;
  accepted(batch, { maxMessageBytes: size, segmentBytes: size });
  assertEquals(
    refused(batch, { maxMessageBytes: size - 1 }).error,
    "MESSAGE_TOO_LARGE",
  );
  assertEquals(
    refused(batch, { segmentBytes: size - 1 }).error,
    "RECORD_LIST_TOO_LARGE",
  );
});

Deno.test("validateProduced() refuses header fields that clients may not set", () => {
  const wrong: Record<string, (bytes: Uint8Array) => void> = {
    "base offset": (b) => setInt64At(b, AT.baseOffset, 1),
    "control": (b) => setInt16At(b, AT.attributes, 0x20),
    "delete horizon": (b) => setInt16At(b, AT.attributes, 0x40),
    "reserved bit": (b) => setInt16At(b, AT.attributes, 0x4000),
    "sign bit": (b) => setInt16At(b, AT.attributes, 0x8000),
    "count 0": (b) => setInt32At(b, AT.recordCount, 0),
    "count -1": (b) => setInt32At(b, AT.recordCount, -1),
    "count 2": (b) => setInt32At(b, AT.recordCount, 2),
    "count 2 GB": (b) => {
      setInt32At(b, AT.recordCount, 0x7fffffff);
      setInt32At(b, AT.lastOffsetDelta, 0x7ffffffe);
    },
    "one record fewer": (b) => {
      setInt32At(b, AT.recordCount, 2);
      setInt32At(b, AT.lastOffsetDelta, 1);
    },
    "one record more": (b) => {
      setInt32At(b, AT.recordCount, 4);
      setInt32At(b, AT.lastOffsetDelta, 3);
    },
    "producer without sequence": (b) => setInt64At(b, AT.producerId, 5),
    "transaction without producer": (b) => setInt16At(b, AT.attributes, 0x10),
    "producer id of 63 bits": (b) => setInt64At(b, AT.producerId, Infinity),
    "base timestamp of 63 bits": (b) =>
      setInt64At(b, AT.baseTimestamp, Infinity),
  };
  for (const [what, change] of Object.entries(wrong)) {
    const refusal = refused(altered(batchOf(), change));
    assertEquals(refusal.error, "INVALID_RECORD", what);
    assertEquals(refusal.recordErrors, undefined);
  }
});

Deno.test("validateProduced() accepts idempotent and transactional batches", () => {
  accepted(batchOf({ producerId: 5, producerEpoch: 0, baseSequence: 0 }));
  accepted(batchOf({
    producerId: 5,
    producerEpoch: 0,
    baseSequence: 7,
    isTransactional: true,
  }));
});

Deno.test("validateProduced() refuses unknown codecs, and zstd before Produce 7", () => {
  for (const codec of [5, 6, 7]) {
    const odd = altered(batchOf(), (b) => setInt16At(b, AT.attributes, codec));
    assertEquals(refused(odd).error, "UNSUPPORTED_COMPRESSION_TYPE");
  }
  const zstd = batchOf({ codec: "zstd" });
  assertEquals(
    refused(zstd, { produceVersion: 6 }).error,
    "UNSUPPORTED_COMPRESSION_TYPE",
  );
  accepted(zstd, { produceVersion: 7 });
  accepted(batchOf({ codec: "lz4" }), { produceVersion: 3 });
});

Deno.test("validateProduced() stops a compression bomb at the cap", () => {
  const bomb = compress("zstd", new Uint8Array(32 << 20));
  const head = batchOf({ codec: "zstd" }).slice(0, 61);
  const bytes = new Uint8Array(61 + bomb.length);
  bytes.set(head);
  bytes.set(bomb, 61);
  const batch = altered(bytes, (b) => {
    setInt32At(b, AT.batchLength, bytes.length - 12);
  });
  assertEquals(
    refused(batch, { inflatedBytesMax: 1 << 20 }).error,
    "MESSAGE_TOO_LARGE",
  );
  assertEquals(refused(batch).error, "INVALID_RECORD");
});

Deno.test("validateProduced() names the keyless records of a compacted topic", () => {
  const keyless = records(4).map((r, i) => i % 2 ? { ...r, key: null } : r);
  for (const codec of CODEC_NAMES) {
    const batch = buildBatch(keyless, { codec });
    accepted(batch);
    const refusal = refused(batch, { isCompacted: true });
    assertEquals(refusal.error, "INVALID_RECORD");
    assertEquals(refusal.recordErrors?.map((e) => e.batchIndex), [1, 3]);
  }
});

Deno.test("validateProduced() bounds the list of refused records", () => {
  const batch = buildBatch(
    Array.from({ length: 5000 }, () => ({
      timestamp: NOW,
      key: null,
      value: null,
    })),
  );
  const refusal = refused(batch, { isCompacted: true });
  assertEquals(refusal.recordErrors?.length, 100);
  assert(refusal.message.includes("4999 more"), refusal.message);
});

Deno.test("validateProduced() holds the timestamp bounds, for CreateTime only", () => {
  const batch = buildBatch([
    { timestamp: NOW, key: null, value: null },
    { timestamp: NOW + 3_600_001, key: null, value: null },
    { timestamp: NOW - 1001, key: null, value: null },
    { timestamp: -1, key: null, value: null },
  ]);
  const late = refused(batch);
  assertEquals(late.error, "INVALID_TIMESTAMP");
  assertEquals(late.recordErrors?.map((e) => e.batchIndex), [1]);
  const both = refused(batch, { beforeMaxMs: 1000 });
  assertEquals(both.recordErrors?.map((e) => e.batchIndex), [1, 2]);
  accepted(batch.slice(), { timestampType: "LogAppendTime" });
  accepted(batch, { afterMaxMs: 3_600_001, beforeMaxMs: 1001 });
});

Deno.test("validateProduced() puts a wrong largest timestamp right", () => {
  for (const codec of CODEC_NAMES) {
    const batch = altered(
      batchOf({ codec }),
      (b) => setInt64At(b, AT.maxTimestamp, 12),
    );
    assertEquals(accepted(batch).view.maxTimestamp, NOW);
  }
});

Deno.test("validateProduced() stamps LogAppendTime in place", () => {
  const batch = batchOf();
  const { view, bytes } = accepted(batch, {
    timestampType: "LogAppendTime",
    nowMs: NOW + 5,
  });
  assertEquals(bytes.buffer, batch.buffer);
  assertEquals(
    decodeRecords(view).map((r) => r.timestamp),
    [NOW + 5, NOW + 5, NOW + 5],
  );
  const claimed = altered(
    batchOf(),
    (b) => setInt16At(b, AT.attributes, 8),
  );
  assertEquals(refused(claimed).error, "INVALID_TIMESTAMP");
});

Deno.test("validateProduced() recompresses when the topic wants another codec", () => {
  const producer = { producerId: 9, producerEpoch: 3, baseSequence: 4 };
  for (const from of CODEC_NAMES) {
    for (const to of CODEC_NAMES) {
      const batch = batchOf({
        codec: from,
        isTransactional: true,
        ...producer,
      });
      const compressionType = to === "none" ? "uncompressed" : to;
      const { view, bytes } = accepted(batch, { compressionType });
      assertEquals(bytes.buffer === batch.buffer, from === to);
      assertEquals(CODEC_NAMES[view.codec], to);
      assertEquals(view.producerId, 9);
      assertEquals([view.producerEpoch, view.baseSequence], [3, 4]);
      assertEquals(view.isTransactional, true);
      assertEquals(decodeRecords(view), decodeRecords(new BatchView(batch)));
    }
  }
  const zeros = buildBatch([
    { timestamp: NOW, key: null, value: new Uint8Array(9000) },
  ], { codec: "gzip" });
  assertEquals(
    refused(zeros, { compressionType: "uncompressed", maxMessageBytes: 1000 })
      .error,
    "MESSAGE_TOO_LARGE",
  );
});

Deno.test("validateProduced() renumbers gaps of a compressed batch only", () => {
  const plain = batchOf();
  // The second record's offset delta: length, attributes, time, then it.
  const recordBytes = (plain.length - 61) / 3;
  const gapped = altered(plain, (b) => b[61 + recordBytes + 3] = 16);
  assertEquals(refused(gapped).error, "INVALID_RECORD");
  const body = compress("lz4", gapped.subarray(61));
  const bytes = new Uint8Array(61 + body.length);
  bytes.set(gapped.subarray(0, 61));
  bytes.set(body, 61);
  const squeezed = altered(bytes, (b) => {
    setInt32At(b, AT.batchLength, bytes.length - 12);
    setInt16At(b, AT.attributes, 3);
  });
  const { view } = accepted(squeezed);
  assertEquals(view.codec, 3);
  assertEquals(decodeRecords(view), decodeRecords(new BatchView(plain)));
});

const FIXTURES = new URL("../../tests/wire/fixtures/", import.meta.url);
const CLIENT_FRAMES: [file: string, batchAt: number, codec: number][] = [
  ["librdkafka-2.0.2--Produce-v7-0.bin", 45, 0],
  ["librdkafka-2.0.2--Produce-v7-1.bin", 45, 1],
  ["librdkafka-2.0.2--Produce-v7-2.bin", 45, 2],
  ["librdkafka-2.0.2--Produce-v7-3.bin", 45, 3],
  ["librdkafka-2.0.2--Produce-v7-4.bin", 45, 4],
  ["java-trunk-2026-08--Produce-v13-0.bin", 51, 0],
  ["kafka-python-3.1.0.dev--Produce-v9-0.bin", 51, 0],
  ["kafkajs-2.2.4--Produce-v7-0.bin", 45, 0],
  ["librdkafka-2.15.0--Produce-v10-0.bin", 36, 0],
  ["platformatic-2.12.1--Produce-v11-0.bin", 29, 0],
];

for (const [file, at, codec] of CLIENT_FRAMES) {
  Deno.test(`validateProduced() accepts a real client's batch: ${file}`, () => {
    const frame = Deno.readFileSync(new URL(file, FIXTURES));
    const size = new BatchView(frame, at).sizeInBytes;
    const { view } = accepted(frame.slice(at, at + size));
    assertEquals(view.codec, codec);
    const [record] = decodeRecords(view);
    if (!file.startsWith("librdkafka-2.0.2")) return;
    assertEquals(record?.key, new TextEncoder().encode("a"));
    assertEquals(record?.value?.length, 800);
    assertEquals(record?.headers, [
      { key: "h1", value: new TextEncoder().encode("x") },
    ]);
  });
}
