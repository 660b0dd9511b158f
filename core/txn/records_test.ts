/**
 * Records of `__transaction_state` against the bytes that Apache Kafka 4.4
 * wrote for a transaction in each version.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../bytes/reader.ts";
import {
  decodeTransactionRecord,
  encodeTransactionRecord,
  type TransactionRecord,
} from "./records.ts";

/** State, epoch, partitions, and the value of `v1` as Kafka wrote it. */
const VERSION_1 = [
  [
    "Empty 0 []",
    "0001000000000000000000000000ea600000000001a215e679b7ffffffffffffffff0100080000000000000000",
  ],
  [
    "Ongoing 0 [t: 0 1]",
    "0001000000000000000000000000ea600102027403000000010000000000000001a215e67a51000001a215e67a3f020008000000000000000002020002",
  ],
  [
    "PrepareCommit 1 [t: 0 1]",
    "0001000000000000000000010000ea600202027403000000010000000000000001a215e67a5d000001a215e67a3f020008000000000000000002020002",
  ],
  [
    "CompleteCommit 1 []",
    "0001000000000000000000010000ea600401000001a215e67a61000001a215e67a3f020008000000000000000002020002",
  ],
  [
    "PrepareAbort 2 [t: 0]",
    "0001000000000000000000020000ea6003020274020000000000000001a215e67a93000001a215e67a8c020008000000000000000002020002",
  ],
  [
    "CompleteAbort 2 []",
    "0001000000000000000000020000ea600501000001a215e67a94000001a215e67a8c020008000000000000000002020002",
  ],
] as const;

/** The same of `v0`, with feature `transaction.version` at 0. */
const VERSION_0 = [
  [
    "Empty 0 []",
    "0000000000000000000100000000ea6000ffffffff000001a215e67ac4ffffffffffffffff",
  ],
  [
    "Ongoing 0 [t: 0 1]",
    "0000000000000000000100000000ea600100000001000174000000020000000100000000000001a215e67ae0000001a215e67ac8",
  ],
  [
    "CompleteCommit 0 []",
    "0000000000000000000100000000ea600400000000000001a215e67aed000001a215e67ac8",
  ],
] as const;

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16));
}

function keyOf(transactionalId: string): Uint8Array {
  const text = new TextEncoder().encode(transactionalId);
  return Uint8Array.of(0, 0, 0, text.length, ...text);
}

function shown({ transaction }: TransactionRecord): string {
  const { state, producerEpoch, partitions } = transaction!;
  const topics = [...partitions].map(([topic, ids]) =>
    `${topic}: ${[...ids].sort().join(" ")}`
  );
  return `${state} ${producerEpoch} [${topics.join(", ")}]`;
}

Deno.test("records of Apache Kafka are read, and written back to the same bytes", () => {
  for (
    const [version, id, records] of [
      [1, "v1", VERSION_1],
      [0, "v0", VERSION_0],
    ] as const
  ) {
    for (const [told, hex] of records) {
      const stored = { key: keyOf(id), value: bytesOf(hex) };
      const record = decodeTransactionRecord(stored);
      if (record.type !== "Transaction") throw new Error("is understood");
      assertEquals(shown(record), told);
      const { transactionalId, transaction } = record;
      assertEquals([transactionalId, record.version], [id, version]);
      assertEquals(transaction!.timeoutMs, 60_000);
      assertEquals(transaction!.previousProducerId, version === 0 ? -1 : 0);
      assertEquals(encodeTransactionRecord(record), stored as never);
    }
  }
});

Deno.test("a record without a value forgets its transactional id", () => {
  const stored = { key: keyOf("x"), value: null };
  const record = decodeTransactionRecord(stored) as TransactionRecord;
  assertEquals(record.transactionalId, "x");
  assertEquals(record.transaction, null);
  assertEquals(encodeTransactionRecord(record), stored as never);
});

Deno.test("records of newer coordinators are told as unknown, damaged ones refused", () => {
  const [, hex] = VERSION_1[0];
  const key = keyOf("x");
  const value = bytesOf(hex);
  const unknown = { type: "Unknown" } as const;
  const type = Uint8Array.of(0, 1, 7);
  assertEquals(decodeTransactionRecord({ key: type, value }), unknown);
  const newer = value.slice();
  newer[1] = 2;
  assertEquals(decodeTransactionRecord({ key, value: newer }), unknown);
  const stateless = value.slice();
  stateless[16] = 9;
  for (const damaged of [stateless, value.subarray(0, 20)]) {
    assertThrows(
      () => decodeTransactionRecord({ key, value: damaged }),
      DecodeError,
    );
  }
  assertThrows(
    () => decodeTransactionRecord({ key: null, value }),
    DecodeError,
  );
});
