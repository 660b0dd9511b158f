/**
 * Markers of transactions over the wire: what WriteTxnMarkers appends, and
 * what it refuses.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { ERRORS } from "../../core/errors.ts";
import { BatchView } from "../../core/record/batch.ts";
import { endTransactionMarker } from "../../core/record/control.ts";
import { create, fetch, latest, running } from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { WRITE_TXN_MARKERS } from "../wire/27_write_txn_markers.ts";

async function writeMarker(
  client: RawClient,
  { partitions = [0], topic = "t", ...marker }: {
    partitions?: number[];
    topic?: string;
    producerEpoch?: number;
    coordinatorEpoch?: number;
  } = {},
): Promise<number[]> {
  const { markers } = await client.call(latest(WRITE_TXN_MARKERS), {
    markers: [{
      producerId: 7,
      producerEpoch: 3,
      coordinatorEpoch: 5,
      transactionResult: true,
      transactionVersion: 2,
      ...marker,
      topics: [{ name: topic, partitionIndexes: partitions }],
    }],
  });
  return markers[0]!.topics[0]!.partitions.map(({ errorCode }) => errorCode);
}

Deno.test("a marker is a control batch, whether its transaction wrote there or not", async () => {
  await using server = await running();
  using client = await RawClient.connect(server.port);
  await create(client, "t");
  assertEquals(await writeMarker(client), [0]);
  const { records, highWatermark, lastStableOffset } = await fetch(client);
  assertEquals([highWatermark, lastStableOffset], [1, 1]);
  const view = new BatchView(records!);
  assert(view.isControl && view.isTransactional && view.isCrcValid());
  assertEquals(
    [view.producerId, view.producerEpoch, view.baseSequence],
    [7, 3, -1],
  );
  assertEquals(endTransactionMarker(view), {
    type: "COMMIT",
    coordinatorEpoch: 5,
  });
});

Deno.test("markers of old epochs and for partitions that aren't there are refused one by one", async () => {
  await using server = await running();
  using client = await RawClient.connect(server.port);
  await create(client, "t");
  assertEquals(await writeMarker(client, { partitions: [0, 9] }), [
    0,
    ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  assertEquals(await writeMarker(client, { topic: "none" }), [
    ERRORS.UNKNOWN_TOPIC_OR_PARTITION,
  ]);
  assertEquals(await writeMarker(client, { producerEpoch: 2 }), [
    ERRORS.INVALID_PRODUCER_EPOCH,
  ]);
  assertEquals(await writeMarker(client, { coordinatorEpoch: 4 }), [
    ERRORS.TRANSACTION_COORDINATOR_FENCED,
  ]);
  assertEquals((await fetch(client)).highWatermark, 1);
});
