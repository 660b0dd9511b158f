/**
 * What many, slow, silent and pipelining connections may cost a broker, and
 * what a stop owes them. Owns no product code.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import type { Env } from "../../core/env/env.ts";
import { ERRORS } from "../../core/errors.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { temporaryFolder, until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  hurried,
  latest,
  produce,
  records,
  running,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";
import { PRODUCE } from "../wire/00_produce.ts";
import { FETCH } from "../wire/01_fetch.ts";
import { correlationIdOf, decodeResponse } from "../wire/headers.ts";
import { METADATA } from "../wire/03_metadata.ts";
import { FIND_COORDINATOR } from "../wire/10_find_coordinator.ts";
import { JOIN_GROUP } from "../wire/11_join_group.ts";

const FETCH_12 = { api: FETCH, version: 12 };

function fetchOf(topic: string, { maxWaitMs = 0, minBytes = 1 } = {}) {
  return {
    maxWaitMs,
    minBytes,
    topics: [{
      topic,
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 2e6 }],
    }],
  };
}

Deno.test("a fetch parked before a produce of its own connection is released by it, in order", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  await create(client, "t");
  const startMs = performance.now();
  const first = await client.send(
    FETCH_12,
    fetchOf("t", { maxWaitMs: 20_000 }),
  );
  const second = await client.send({ api: PRODUCE, version: 9 }, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{
      name: "t",
      partitionData: [{ index: 0, records: buildBatch(records("a")) }],
    }],
  });
  const fetched = (await client.frame())!;
  assertEquals(correlationIdOf(fetched), first);
  const { body } = decodeResponse(FETCH_12, fetched);
  assertEquals(body.responses[0]!.partitions[0]!.highWatermark, 1);
  assertEquals(correlationIdOf((await client.frame())!), second);
  assert(performance.now() - startMs < 10_000);
});

Deno.test("a client that doesn't read costs a bounded queue, and gets all in the end", async () => {
  await using at = await running();
  using client = await RawClient.connect(at.port);
  using other = await RawClient.connect(at.port);
  await create(client, "t");
  await produce(client, buildBatch(records("x".repeat(1_000_000))));
  const before = Deno.memoryUsage();
  const ids: number[] = [];
  for (let i = 0; i < 300; i++) {
    ids.push(await client.send(FETCH_12, fetchOf("t")));
  }
  for (let i = 0; i < 20; i++) {
    assertEquals((await produce(other, buildBatch(records("a")))).errorCode, 0);
  }
  const grown = Deno.memoryUsage().external - before.external;
  assert(grown < 100_000_000, `300 MB of answers hold ${grown} bytes`);
  for (const id of ids) {
    const frame = (await client.frame())!;
    assertEquals(correlationIdOf(frame), id);
    assert(frame.length > 1_000_000);
  }
});

Deno.test("answers that wait for a slow client keep their bytes while others are read", async () => {
  await using at = await running();
  using slow = await RawClient.connect(at.port);
  using other = await RawClient.connect(at.port);
  const batches = new Map<string, Uint8Array>();
  for (const topic of ["a", "b"]) {
    const batch = buildBatch(records(topic.repeat(900_000)));
    batches.set(topic, batch.slice());
    await create(slow, topic);
    assertEquals((await produce(slow, batch, { topic })).errorCode, 0);
  }
  // What a record says lies behind the fields that the broker sets.
  const same = (read: Uint8Array | null | undefined, topic: string) => {
    const sent = batches.get(topic)!;
    assertEquals(read?.length, sent.length);
    assert(sent.every((byte, i) => i < 100 || read![i] === byte));
  };
  const asked = 40;
  for (let i = 0; i < asked; i++) await slow.send(FETCH_12, fetchOf("a"));
  for (let i = 0; i < asked; i++) {
    same((await fetch(other, { topic: "b" })).records, "b");
  }
  for (let i = 0; i < asked; i++) {
    const { body } = decodeResponse(FETCH_12, (await slow.frame())!);
    same(body.responses[0]!.partitions[0]!.records, "a");
  }
});

Deno.test("max.connections refuses one more until another leaves", async () => {
  await using at = await running({ "max.connections": "2" });
  using first = await RawClient.connect(at.port);
  using second = await RawClient.connect(at.port);
  assertEquals((await create(first, "t")).errorCode, 0);
  assertEquals((await create(second, "u")).errorCode, 0);
  using third = await RawClient.connect(at.port);
  assert(await third.isClosedByBroker());
  second.close();
  await until("a place is free", async () => {
    using again = await RawClient.connect(at.port);
    try {
      return (await again.call(latest(METADATA), { topics: [] })).brokers;
    } catch {
      return false;
    }
  });
  assertEquals((await fetch(first)).errorCode, 0);
});

Deno.test("silence closes a connection, a parked fetch is no silence", async () => {
  await using at = await running({ "connections.max.idle.ms": "100" });
  using waiting = await RawClient.connect(at.port);
  await create(waiting, "t");
  const answer = fetch(waiting, { maxWaitMs: 700 });
  using silent = await RawClient.connect(at.port);
  assert(await silent.isClosedByBroker());
  assertEquals((await answer).errorCode, 0);
});

Deno.test("two thousand idle connections cost a bounded memory", async () => {
  await using at = await running();
  const idle: RawClient[] = [];
  const before = Deno.memoryUsage();
  try {
    for (let i = 0; i < 2000; i++) {
      const client = await RawClient.connect(at.port);
      await client.send(latest(METADATA), { topics: [] });
      idle.push(client);
    }
    using other = await RawClient.connect(at.port);
    assertEquals((await create(other, "t")).errorCode, 0);
    const batch = buildBatch(records("x".repeat(100_000)));
    assertEquals((await produce(other, batch)).errorCode, 0);
    const { external, heapUsed } = Deno.memoryUsage();
    const grown = external - before.external + heapUsed - before.heapUsed;
    // Both ends are in this process: 16 KB for each pair, slab included.
    assert(grown < 2000 * 16384 + 20_000_000, `they hold ${grown} bytes`);
  } finally {
    for (const client of idle) client.close();
  }
});

/** Real seams that count how often the broker's loop is asked to work. */
function counting(): { readonly env: Env; turns(): number } {
  const real = denoEnv({ traceLevel: "error" });
  let turns = 0;
  const count = (fn: () => void) => () => {
    turns++;
    fn();
  };
  const clock = {
    ...real.clock,
    endOfTurn: (fn: () => void) => real.clock.endOfTurn(count(fn)),
    timer: (ms: number, fn: () => void) => real.clock.timer(ms, count(fn)),
  };
  return { env: { ...real, clock }, turns: () => turns };
}

Deno.test("a parked fetch wakes nobody until its time", async () => {
  using folder = temporaryFolder();
  const { env, turns } = counting();
  const broker = await start(folder.path, { env });
  try {
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => RawClient.connect(broker.address.port)),
    );
    await create(clients[0]!, "t");
    const before = turns();
    const answers = await Promise.all(
      clients.map((client) => fetch(client, { maxWaitMs: 900 })),
    );
    for (const { errorCode } of answers) assertEquals(errorCode, 0);
    // Two per fetch (its turn, its answer), and the chores of a second.
    assert(turns() - before < 80, `${turns() - before} turns`);
    for (const client of clients) client.close();
  } finally {
    await broker.stop();
    await env.tasks.settled();
  }
});

Deno.test("a stop refuses who waits for a group, and loses nobody's answer", async () => {
  using folder = temporaryFolder();
  const broker = await start(folder.path, {
    config: { "group.initial.rebalance.delay.ms": "60000" },
  });
  using client = await RawClient.connect(broker.address.port);
  using other = await RawClient.connect(broker.address.port);
  await create(client, "t");
  await client.call(latest(FIND_COORDINATOR), {
    keyType: 0,
    coordinatorKeys: ["g"],
  });
  const joining = client.call({ api: JOIN_GROUP, version: 3 }, {
    groupId: "g",
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    protocolType: "consumer",
    protocols: [{ name: "range", metadata: new Uint8Array(0) }],
  });
  const parked = fetch(other, { maxWaitMs: 60_000 });
  using probe = await RawClient.connect(broker.address.port);
  assertEquals((await create(probe, "u")).errorCode, 0);
  await broker.stop();
  assertEquals((await joining).errorCode, ERRORS.NOT_COORDINATOR);
  assertEquals((await parked).errorCode, 0);
  assert(await probe.isClosedByBroker());
});

Deno.test("half a frame, then silence, keeps nobody from being served", async () => {
  await using at = await running();
  const halves: RawClient[] = [];
  for (let i = 0; i < 200; i++) {
    const half = await RawClient.connect(at.port);
    const begun = new Uint8Array(i % 2 === 0 ? 6 : 3000);
    begun[1] = 0x10;
    await half.write(begun);
    halves.push(half);
  }
  using client = await RawClient.connect(at.port);
  assertEquals((await create(client, "t")).errorCode, 0);
  for (const size of [1, 100_000, 1_000_000]) {
    const batch = buildBatch(records("x".repeat(size)));
    assertEquals((await produce(client, batch)).errorCode, 0);
  }
  for (const half of halves) half.close();
});

Deno.test("half a frame is waited for half a minute, a silent connection longer", async () => {
  using folder = temporaryFolder();
  const env = hurried(200);
  const broker = await start(folder.path, { env });
  try {
    using quiet = await RawClient.connect(broker.address.port);
    await create(quiet, "t");
    for (const size of [6, 3000]) {
      using half = await RawClient.connect(broker.address.port);
      const begun = new Uint8Array(size);
      begun[1] = 0x10;
      await half.write(begun);
      assert(await half.isClosedByBroker());
    }
    assertEquals((await fetch(quiet)).errorCode, 0);
  } finally {
    await broker.stop();
    await env.tasks.settled();
  }
});
