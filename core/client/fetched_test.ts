/**
 * Which records of fetched batches reach the user.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { buildBatch } from "../record/builder.ts";
import { FetchedPartition } from "./fetched.ts";

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

function batch(
  baseOffset: number,
  values: string[],
  options: Parameters<typeof buildBatch>[1] = {},
): Uint8Array {
  return buildBatch(
    values.map((value) => ({
      timestamp: 1,
      key: null,
      value: UTF8.encode(value),
    })),
    { baseOffset, ...options },
  );
}

function marker(
  baseOffset: number,
  producerId: number,
  type: 0 | 1,
): Uint8Array {
  return buildBatch([{
    timestamp: 1,
    key: Uint8Array.of(0, 0, 0, type),
    value: new Uint8Array(6),
  }], {
    baseOffset,
    producerId,
    producerEpoch: 0,
    isControl: true,
    isTransactional: true,
  });
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function fetched(
  records: Uint8Array,
  { position = 0, aborted = null }: {
    position?: number;
    aborted?: { producerId: number; firstOffset: number }[] | null;
  } = {},
): FetchedPartition {
  return new FetchedPartition({
    topic: "t",
    partition: 0,
    highWatermark: 100,
    records,
    abortedTransactions: aborted,
  }, { position, checksCrc: true });
}

function values(data: FetchedPartition, max = 100): string[] {
  return data.take(max).map(({ value }) => TEXT.decode(value!));
}

Deno.test("take() drops records before the position", () => {
  const data = fetched(batch(10, ["a", "b", "c"]), { position: 11 });
  assertEquals(values(data), ["b", "c"]);
  assertEquals([data.position, data.isDrained], [13, true]);
});

Deno.test("take() hands out at most max and goes on where it stopped", () => {
  const data = fetched(joined(batch(0, ["a", "b"]), batch(2, ["c"])));
  assertEquals(values(data, 1), ["a"]);
  assertEquals([data.position, data.isDrained], [1, false]);
  assertEquals(values(data), ["b", "c"]);
});

Deno.test("a batch cut short at the end is left for the next fetch", () => {
  const whole = joined(batch(0, ["a"]), batch(1, ["b"]));
  const data = fetched(whole.subarray(0, whole.length - 3));
  assertEquals(values(data), ["a"]);
  assertEquals(data.position, 1);
});

Deno.test("aborted transactions and markers are skipped", () => {
  const mine = { producerId: 1, producerEpoch: 0, isTransactional: true };
  const other = { ...mine, producerId: 2 };
  const records = joined(
    batch(0, ["gone"], mine),
    batch(1, ["kept"], other),
    marker(2, 1, 0),
    batch(3, ["again"], mine),
    marker(4, 2, 1),
    marker(5, 1, 1),
  );
  const data = fetched(records, {
    aborted: [{ producerId: 1, firstOffset: 0 }],
  });
  assertEquals(values(data), ["kept", "again"]);
  assertEquals(data.position, 6);
});

Deno.test("read_uncommitted sees aborted records but no markers", () => {
  const mine = { producerId: 1, producerEpoch: 0, isTransactional: true };
  const records = joined(batch(0, ["gone"], mine), marker(1, 1, 0));
  assertEquals(values(fetched(records)), ["gone"]);
});

Deno.test("a batch with a bad checksum is refused by name", () => {
  const bytes = batch(0, ["a"]);
  bytes[bytes.length - 2]! ^= 1;
  const error = assertThrows(() => fetched(bytes).take(1), KafkaError);
  assertEquals(error.error, "CORRUPT_MESSAGE");
});
