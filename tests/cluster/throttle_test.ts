/**
 * Throttled replication between real nodes: who is not in sync catches up no
 * faster than allowed, who is in sync is not slowed down, and `kf reassign
 * apply --throttle` leaves nothing behind.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
import { kf, until } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";
import { answer, ask, createTopic, places } from "./operator.ts";

const RECORD_BYTES = 100_000;
const RECORDS = 60;
/** A sixth of it goes in the first answer, whatever is allowed. */
const RATE = "1m";
const LEAST_MS = 3_000;

/** Six megabytes that don't compress. */
async function load(cluster: Cluster, topic: string): Promise<void> {
  const { code, stderr } = await kf([
    ...["gen", topic, "-n", String(RECORDS), "--size", String(RECORD_BYTES)],
    ...["-b", cluster.addresses],
  ]);
  assertEquals(code, 0, stderr);
}

async function setRates(
  cluster: Cluster,
  role: "leader" | "follower",
  bytesPerSecond: number,
): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  const rate = { operation: "set", value: String(bytesPerSecond) } as const;
  const changes = [{ name: `${role}.replication.throttled.rate`, ...rate }];
  const outcomes = await admin.incrementalAlterConfigs(
    ["1", "2"].map((name) => ({ type: "broker", name, changes })),
  );
  await admin.close();
  for (const { error } of outcomes) if (error) throw error;
}

const MOVE = JSON.stringify({
  partitions: [{ topic: "t", partition: 0, replicas: [1, 2] }],
});

for (const role of ["leader", "follower"] as const) {
  Deno.test(`a throttled ${role} keeps to its rate until the replica is in sync, and then no more`, async () => {
    await using cluster = await Cluster.start({ nodes: 3 });
    await createTopic(cluster, "t", [[1]]);
    await load(cluster, "t");
    await setRates(cluster, role, 1024 ** 2);
    const id = role === "leader" ? 1 : 2;
    const key = `${role}.replication.throttled.replicas`;
    await answer(cluster, `topic config t --set ${key}=0:${id}`);
    const startMs = performance.now();
    await answer(cluster, "reassign apply - -y", MOVE);
    const tookMs = performance.now() - startMs;
    assert(tookMs > LEAST_MS, `${tookMs} ms`);
    assertEquals(await places(cluster, "t"), ["1:1,2"]);
    // At that rate acks=all would never be answered.
    await setRates(cluster, role, 1);
    await load(cluster, "t");
    assertEquals(await places(cluster, "t"), ["1:1,2"]);
    const unthrottled = await answer(cluster, "reassign unthrottle --dry-run");
    assertEquals(unthrottled.rows, [
      { type: "broker", name: "1" },
      { type: "broker", name: "2" },
      { type: "topic", name: "t" },
    ]);
    await answer(cluster, "reassign unthrottle");
    assertEquals((await answer(cluster, "reassign unthrottle")).rows, []);
  });
}

Deno.test("apply --throttle slows the moves down and leaves no throttle behind, but for what still moves", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await createTopic(cluster, "t", [[1]]);
  await load(cluster, "t");
  const startMs = performance.now();
  const line = `reassign apply - -y --throttle ${RATE}`;
  const done = await answer(cluster, line, MOVE);
  assertEquals(done.rows[0].outcome, "moved");
  const tookMs = performance.now() - startMs;
  assert(tookMs > LEAST_MS, `${tookMs} ms`);
  assertEquals((await answer(cluster, "reassign unthrottle")).rows, []);
  await cluster.node(3).stop();
  const away = MOVE.replace("[1,2]", "[1,3]");
  const begun = await ask(cluster, `${line} --no-wait`, away);
  assertEquals(begun.code, 0, begun.stderr);
  assertMatch(begun.stderr, /is throttled until: kf reassign unthrottle/);
  const left = await answer(cluster, "reassign unthrottle");
  assertEquals(left.rows, [
    { type: "broker", name: "1" },
    { type: "broker", name: "2" },
    { type: "topic", name: "t" },
  ]);
  await answer(cluster, "reassign cancel --all -y");
  await until(
    "it is as before",
    async () => (await places(cluster, "t"))[0] === "1:1,2",
  );
});
