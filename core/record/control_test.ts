/**
 * Tests of control batches.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { BatchView } from "./batch.ts";
import { buildBatch } from "./builder.ts";
import {
  controlBatch,
  decodeControlRecords,
  encodeEndTransactionValue,
  endTransactionMarker,
} from "./control.ts";

Deno.test("decodeControlRecords() gives back what controlBatch() took", () => {
  const view = new BatchView(controlBatch([
    { type: "LEADER_CHANGE", value: Uint8Array.of(0, 0, 1) },
    { type: "KRAFT_VERSION", value: Uint8Array.of(0, 2) },
  ], { timestamp: 77, baseOffset: 9, partitionLeaderEpoch: 4 }));
  assert(view.isControl && view.isCrcValid());
  assertEquals([view.partitionLeaderEpoch, view.producerId], [4, -1]);
  assertEquals(decodeControlRecords(view), [
    {
      offset: 9,
      timestamp: 77,
      type: "LEADER_CHANGE",
      value: Uint8Array.of(0, 0, 1),
    },
    {
      offset: 10,
      timestamp: 77,
      type: "KRAFT_VERSION",
      value: Uint8Array.of(0, 2),
    },
  ]);
  assertEquals(endTransactionMarker(view), undefined);
});

Deno.test("endTransactionMarker() reads commit and abort", () => {
  for (const type of ["COMMIT", "ABORT"] as const) {
    const view = new BatchView(
      controlBatch([{ type, value: encodeEndTransactionValue(31) }], {
        timestamp: 1,
        producerId: 8,
        producerEpoch: 2,
        isTransactional: true,
      }),
    );
    assertEquals(endTransactionMarker(view), { type, coordinatorEpoch: 31 });
  }
});

Deno.test("control records of unknown types are named so, broken keys refused", () => {
  const batchOf = (key: Uint8Array | null) =>
    new BatchView(buildBatch([{ timestamp: 0, key, value: null }], {
      isControl: true,
    }));
  const unknown = batchOf(Uint8Array.of(0, 0, 0, 99));
  assertEquals(decodeControlRecords(unknown)[0]?.type, "UNKNOWN");
  for (const key of [null, Uint8Array.of(0, 0, 0)]) {
    assertThrows(() => decodeControlRecords(batchOf(key)), KafkaError, "key");
  }
});
