/**
 * What the host promises: order, waiting for the log, and forgetting.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { KafkaError } from "../errors.ts";
import { BatchView } from "../record/batch.ts";
import { CoordinatorHost } from "./host.ts";
import type { Decision } from "./machine.ts";

const OWN_BATCH = { producerId: 7, producerEpoch: 2, isTransactional: true };

/**
 * Input: how many records; below 0: as many in a batch of their own. Reply: the
 * sum before and the next offset.
 */
class Counter {
  sum = 0;
  decide(
    input: number,
    { nextOffset }: { nextOffset: number },
  ): Decision<number, string, string> {
    const reply = `${this.sum}@${nextOffset}`;
    return {
      records: Array(Math.abs(input)).fill(1),
      reply,
      effects: [`after ${reply}`],
      ...(input < 0 ? { ownBatch: OWN_BATCH } : {}),
    };
  }
  apply(record: number): void {
    this.sum += record;
  }
}

function setUp({ isBatchPerDecision = false } = {}) {
  const events: string[] = [];
  const jobs: (() => void)[] = [];
  const log = {
    logEndOffset: 0,
    highWatermark: 0,
    failure: undefined as Error | undefined,
    /** Of what has a batch of its own. */
    refusal: undefined as Error | undefined,
    append(batch: Uint8Array): number {
      if (log.failure !== undefined) throw log.failure;
      const isOwn = new BatchView(batch).producerId >= 0;
      if (isOwn && log.refusal !== undefined) throw log.refusal;
      const { recordCount, producerId } = new BatchView(batch);
      log.logEndOffset += recordCount;
      const whose = producerId < 0 ? "" : ` of ${producerId}`;
      events.push(`append ${recordCount}${whose}`);
      return log.logEndOffset - 1;
    },
  };
  const host = new CoordinatorHost<number, number, string, string>({
    log,
    clock: { wallMs: () => 1, endOfTurn: (fn) => jobs.push(fn) },
    create: () => new Counter(),
    encode: () => ({ key: null, value: new Uint8Array(3) }),
    onEffect: (effect) => events.push(effect),
    onDiscarded: () => events.push("discarded"),
    isBatchPerDecision,
  });
  function endTurn(): void {
    for (const job of jobs.splice(0)) job();
  }
  return { host, log, events, endTurn };
}

Deno.test("submit() is refused while the state is not loaded", async () => {
  const { host } = setUp();
  const error = await assertRejects(() => host.submit(1), KafkaError);
  assertEquals(error.error, "COORDINATOR_LOAD_IN_PROGRESS");
});

Deno.test("submit() gathers one turn's records and replies when committed", async () => {
  const { host, events, endTurn } = setUp();
  host.load([]);
  const replies = [host.submit(2), host.submit(1), host.submit(0)];
  endTurn();
  assertEquals(events, ["append 3"]);
  host.committed(2);
  assertEquals(events, ["append 3"]);
  host.committed(3);
  assertEquals(await Promise.all(replies), ["0@0", "2@2", "3@3"]);
  assertEquals(events.slice(1), ["after 0@0", "after 2@2", "after 3@3"]);
});

Deno.test("submit() replies at once when nothing is pending", async () => {
  const { host, events } = setUp();
  host.load([]);
  assertEquals(await host.submit(0), "0@0");
  assertEquals(events, ["after 0@0"]);
});

Deno.test("submit() appends at once when each decision has its batch", async () => {
  const { host, events } = setUp({ isBatchPerDecision: true });
  host.load([]);
  const replies = [host.submit(2), host.submit(1)];
  assertEquals(events, ["append 2", "append 1"]);
  host.committed(3);
  assertEquals(await Promise.all(replies), ["0@0", "2@2"]);
});

Deno.test("a failed append rejects everyone and discards the state", async () => {
  const { host, log, events, endTurn } = setUp();
  host.load([1, 1]);
  log.failure = new KafkaError("KAFKA_STORAGE_ERROR", "The disk is full");
  const replies = [host.submit(1), host.submit(0)];
  endTurn();
  for (const reply of replies) await assertRejects(() => reply, KafkaError);
  assertEquals(events, ["discarded"]);
  assertEquals(host.isLoaded, false);
  host.load([1, 1]);
  assertEquals(await host.submit(0), "2@0");
});

Deno.test("after load() nothing is told before the old records are committed", async () => {
  const { host, log, events } = setUp();
  log.logEndOffset = 2;
  host.load([1, 1]);
  const reply = host.submit(0);
  assertEquals(events, []);
  host.committed(2);
  assertEquals(await reply, "2@2");
});

Deno.test("what has a batch of its own is appended after what is gathered", async () => {
  const { host, events, endTurn } = setUp();
  host.load([]);
  const replies = [host.submit(2), host.submit(-1), host.submit(3)];
  endTurn();
  assertEquals(events, ["append 2", "append 1 of 7", "append 3"]);
  host.committed(6);
  assertEquals(await Promise.all(replies), ["0@0", "2@2", "3@3"]);
});

Deno.test("a batch of its own that the log refuses fails its own input only", async () => {
  const { host, log, events, endTurn } = setUp();
  host.load([]);
  const before = host.submit(2);
  log.refusal = new KafkaError("INVALID_PRODUCER_EPOCH", "It is old");
  const refused = host.submit(-1);
  const error = await assertRejects(() => refused, KafkaError);
  assertEquals(error.error, "INVALID_PRODUCER_EPOCH");
  const after = host.submit(1);
  endTurn();
  host.committed(3);
  assertEquals(await before, "0@0");
  assertEquals(await after, "2@2");
  assertEquals(events.filter((each) => each.startsWith("append")), [
    "append 2",
    "append 1",
  ]);
});
