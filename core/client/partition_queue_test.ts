/**
 * Order, retries and sequences of one partition's batches.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { BatchView } from "../record/batch.ts";
import { PartitionQueue } from "./partition_queue.ts";
import type { DeliveryCallback, ProducerBatch } from "./producer_batch.ts";

const BATCHES = {
  codec: "none",
  batchSizeBytes: 0,
  nowMs: () => 0,
} as const;
const READY = {
  lingerMs: 5,
  batchSizeBytes: 0,
  isFlushing: false,
  inFlightMax: 5,
};
const ID = { producerId: 7, producerEpoch: 0 };
const NEWER_ID = { producerId: 7, producerEpoch: 1 };

function record(value: string) {
  return {
    timestamp: 1,
    key: null,
    value: new TextEncoder().encode(value),
  };
}

/** A queue whose records are a batch each. */
function queueOf(...values: string[]): PartitionQueue {
  const queue = new PartitionQueue("t", 0);
  for (const value of values) queue.append(record(value), undefined, BATCHES);
  return queue;
}

function stampOf(batch: ProducerBatch): [number, number] {
  const view = new BatchView(batch.bytes);
  return [view.producerEpoch, view.baseSequence];
}

Deno.test("readyAtMs() waits linger.ms for a batch that is not full", () => {
  const queue = new PartitionQueue("t", 0);
  const options = { ...BATCHES, batchSizeBytes: 1000, nowMs: () => 100 };
  queue.append(record("a"), undefined, options);
  const ready = { ...READY, batchSizeBytes: 1000 };
  assertEquals(queue.readyAtMs(ready), 105);
  assertEquals(queue.readyAtMs({ ...ready, isFlushing: true }), 0);
});

Deno.test("append() begins a batch when the last one is full or was sent", () => {
  const queue = new PartitionQueue("t", 0);
  const options = { ...BATCHES, batchSizeBytes: 1000 };
  queue.append(record("a"), undefined, options);
  assertEquals(queue.append(record("b"), undefined, options), undefined);
  const batch = queue.take(undefined);
  assertEquals(batch.recordCount, 2);
  queue.retry(batch, 0);
  const begun = queue.append(record("c"), undefined, options);
  assertEquals(begun?.recordCount, 1);
});

Deno.test("take() gives sequences that count records", () => {
  const queue = queueOf("a", "b", "c");
  assertEquals(stampOf(queue.take(ID)), [0, 0]);
  assertEquals(stampOf(queue.take(ID)), [0, 1]);
  assertEquals(stampOf(queue.take(ID)), [0, 2]);
});

Deno.test("retries go out in their first order, one after the other", () => {
  const queue = queueOf("a", "b", "c");
  const [a, b, c] = [queue.take(ID), queue.take(ID), queue.take(ID)];
  queue.retry(a, 50);
  queue.retry(c, 50);
  queue.retry(b, 50);
  assertEquals(queue.waiting, [a, b, c]);
  assertEquals(queue.readyAtMs(READY), 50);
  assertEquals(queue.take(ID), a);
  assertEquals(queue.readyAtMs(READY), Infinity);
  assertEquals(stampOf(a), [0, 0]);
  queue.acknowledge(a);
  assertEquals(queue.take(ID), b);
});

Deno.test("isNext() tells a lost batch from one that came too early", () => {
  const queue = queueOf("a", "b");
  const [a, b] = [queue.take(ID), queue.take(ID)];
  assertEquals([queue.isNext(a), queue.isNext(b)], [true, false]);
  queue.acknowledge(a);
  assertEquals(queue.isNext(b), true);
});

Deno.test("a batch that a topic made anew takes behind a later one takes no sequence back", () => {
  const queue = queueOf("a", "b", "c", "d");
  queue.acknowledge(queue.take(ID));
  const [b, c] = [queue.take(ID), queue.take(ID)];
  queue.acknowledge(c);
  queue.retry(b, 0);
  queue.acknowledge(queue.take(ID));
  const d = queue.take(ID);
  assertEquals(queue.isNext(d), true);
  queue.refused(d);
  queue.retry(d, 0);
  assertEquals(queue.isStale(ID), true);
  queue.acknowledge(queue.take(NEWER_ID));
  assertEquals(queue.isNext(d), false, "it was the first of its epoch");
  queue.append(record("e"), undefined, BATCHES);
  assertEquals(queue.isNext(queue.take(NEWER_ID)), true);
});

Deno.test("a given-up batch makes the rest begin anew under a newer epoch", () => {
  const queue = queueOf("a", "b", "c");
  const [a, b] = [queue.take(ID), queue.take(ID)];
  queue.drop(a);
  assertEquals(queue.hasGap, true);
  assertEquals(queue.readyAtMs(READY), Infinity, "b is still in flight");
  queue.retry(b, 0);
  assertEquals(queue.isStale(ID), false, "the broker may have b");
  assertEquals(stampOf(queue.take(ID)), [0, 1]);
  queue.refused(b);
  queue.retry(b, 0);
  assertEquals(queue.isStale(ID), true);
  assertEquals(queue.isStale(NEWER_ID), false);
  assertEquals(stampOf(queue.take(NEWER_ID)), [1, 0]);
  assertEquals(stampOf(queue.take(NEWER_ID)), [1, 1]);
  assertEquals(queue.hasGap, false);
});

Deno.test("what was sent behind a given-up batch keeps its sequence until that is settled", () => {
  const queue = queueOf("a", "b", "c", "d");
  const [a, b, c] = [queue.take(ID), queue.take(ID), queue.take(ID)];
  for (const batch of [a, b, c]) queue.retry(batch!, 0);
  queue.drop(a!);
  assertEquals(stampOf(queue.take(ID)), [0, 1]);
  queue.acknowledge(b!);
  assertEquals(stampOf(queue.take(ID)), [0, 2]);
  assertEquals(queue.readyAtMs(READY), Infinity, "one at a time");
  queue.acknowledge(c!);
  assertEquals(queue.isStale(ID), true, "d has never been sent");
  assertEquals(stampOf(queue.take(NEWER_ID)), [1, 0]);
});

Deno.test("no more than inFlightMax batches are taken", () => {
  const queue = queueOf("a", "b");
  queue.take(undefined);
  assertEquals(queue.readyAtMs({ ...READY, inFlightMax: 1 }), Infinity);
});

Deno.test("callbacks are called once, with offsets by position", () => {
  const queue = new PartitionQueue("t", 3);
  const told: unknown[] = [];
  const options = { ...BATCHES, batchSizeBytes: 1000 };
  queue.append(record("a"), (_, m) => told.push(m), options);
  queue.append(record("b"), () => {
    throw new Error("thrown by the user");
  }, options);
  queue.append(record("c"), (_, m) => told.push(m?.offset), options);
  const batch = queue.take(undefined);
  const thrown: unknown[] = [];
  batch.succeed(10, -1, (error) => thrown.push(error));
  batch.fail(() => new KafkaError("NETWORK_EXCEPTION", ""), () => {});
  assertEquals(told, [
    { topic: "t", partition: 3, offset: 10, timestamp: 1 },
    12,
  ]);
  assertEquals(thrown.length, 1);
});

Deno.test("a callback that serves many records gets each one's tag back", () => {
  const queue = new PartitionQueue("t", 0);
  const told: [string | undefined, number | undefined][] = [];
  const onDone: DeliveryCallback = (error, metadata, tag) => {
    told.push([error?.error ?? String(metadata?.offset), tag]);
  };
  const options = { ...BATCHES, batchSizeBytes: 1000 };
  for (let i = 0; i < 200; i++) {
    const tag = i % 2 === 0 ? 1000 + i : undefined;
    queue.append({ ...record(`v${i}`), tag }, onDone, options);
  }
  for (let offset = 0; queue.size > 0;) {
    const batch = queue.take(undefined);
    const { recordCount } = batch;
    queue.acknowledge(batch);
    batch.succeed(offset, -1, fail);
    offset += recordCount;
  }
  assertEquals(
    told,
    Array.from(
      { length: 200 },
      (_, i) => [String(i), i % 2 === 0 ? 1000 + i : undefined],
    ),
  );
});

Deno.test("nothing goes behind a first sequence until it is acknowledged, in a transaction or not", () => {
  for (const isTransactional of [true, false]) {
    const queue = queueOf("a", "b", "c");
    const identity = { ...ID, isTransactional };
    const first = queue.take(identity);
    assertEquals(queue.readyAtMs(READY), Infinity);
    queue.acknowledge(first);
    assertEquals(queue.readyAtMs(READY), 0);
    queue.take(identity);
    assertEquals(queue.readyAtMs({ ...READY, isFlushing: true }), 0);
  }
  const queue = queueOf("a", "b");
  queue.take(undefined);
  assertEquals(queue.readyAtMs({ ...READY, isFlushing: true }), 0);
});

function fail(error: unknown): void {
  throw error;
}

Deno.test("renew() begins sequences anew under the next identity", () => {
  const queue = queueOf("a");
  queue.acknowledge(queue.take({ ...ID, isTransactional: true }));
  queue.renew();
  queue.append(record("b"), undefined, BATCHES);
  const batch = queue.take({ ...NEWER_ID, isTransactional: true });
  assertEquals(stampOf(batch), [1, 0]);
  assertEquals(new BatchView(batch.bytes).isTransactional, true);
});
