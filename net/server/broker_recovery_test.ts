/**
 * What a broker prints of its recovery (how far it is, once it takes long, and
 * one report at the end, nothing else), and when clients are served after it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { buildBatch } from "../../core/record/builder.ts";
import { faultyEnv } from "../../tests/faulty_disk.ts";
import { run, temporaryFolder, until } from "../../tests/fixtures.ts";
import {
  create,
  fetch,
  hurried,
  produce,
  records,
  start,
} from "../../tests/raw_broker.ts";
import { RawClient } from "../../tests/raw_client.ts";

const PARTITIONS = 8;

/** A folder as a kill would have left it: of a broker that still runs. */
async function unclean(path: string): Promise<string> {
  const killed = `${path}/killed`;
  const broker = await start(`${path}/running`);
  using client = await RawClient.connect(broker.address.port);
  await create(client, "t", PARTITIONS);
  for (let index = 0; index < PARTITIONS; index++) {
    await produce(client, buildBatch(records("a")), { index });
    await produce(client, buildBatch(records("b")), { index });
  }
  assertEquals((await run(["cp", "-r", `${path}/running`, killed])).code, 0);
  client.close();
  await broker.stop();
  return killed;
}

Deno.test("a start after a kill tells how far it is and what it found, in one block", async () => {
  using folder = temporaryFolder();
  const path = await unclean(folder.path);
  const log = `${path}/t-3/${"0".repeat(20)}.log`;
  Deno.truncateSync(log, Deno.statSync(log).size - 1);
  const told: string[] = [];
  // Time flies: half a millisecond is five seconds.
  const env = {
    ...hurried(10_000),
    trace: (_: string, event: string) => void told.push(event),
  };
  const broker = await start(path, { env });
  using client = await RawClient.connect(broker.address.port);
  assertEquals((await fetch(client)).highWatermark, 2);
  client.close();
  await broker.stop();
  await env.tasks.settled();
  const starts = told.filter((line) => line.startsWith("The broker starts"));
  assert(starts.length > 0, `${told}`);
  for (const line of starts) {
    assertMatch(line, /^The broker starts: \d of 8 partitions are opened$/);
  }
  const report = told.filter((line) => /Recovered|Cut/.test(line));
  assertEquals(report.length, 2, `${told}`);
  assertEquals(
    report[0],
    "Recovered 9 logs after an unclean stop: 1 had to be cut",
  );
  assertMatch(
    report[1]!,
    /^Cut t-3 at offset 1: a batch of \d+ bytes begins here, and \d+ are left$/,
  );
});

Deno.test("readers are served after a kill once all that they saw is flushed again", async () => {
  using folder = temporaryFolder();
  const path = await unclean(folder.path);
  const { promise: isFlushed, resolve: flush } = Promise.withResolvers<void>();
  const asked = new Set<string>();
  const env = faultyEnv(() => undefined, (path) => {
    const [log] = /\/t-\d\/\d+\.log$/.exec(path) ?? [];
    if (log === undefined) return undefined;
    asked.add(log);
    return isFlushed;
  });
  let isServing = false;
  const config = { "log.flush.interval.messages": "1" };
  const starting = start(path, { env, config }).finally(() => isServing = true);
  await until("all are being flushed", () => asked.size === PARTITIONS);
  // Whatever else a start waits for takes no longer than one of an empty folder.
  await (await start(`${folder.path}/other`)).stop();
  assertEquals(isServing, false);
  flush();
  const broker = await starting;
  using client = await RawClient.connect(broker.address.port);
  assertEquals((await fetch(client)).highWatermark, 2);
  client.close();
  await broker.stop();
  await env.tasks.settled();
});

Deno.test("a start after a clean stop says nothing of logs", async () => {
  using folder = temporaryFolder();
  await (await start(folder.path)).stop();
  const told: string[] = [];
  const env = {
    ...hurried(1),
    trace: (_: string, event: string) => void told.push(event),
  };
  const broker = await start(folder.path, { env });
  await broker.stop();
  assertEquals(told, []);
});
