/**
 * `kf cluster remove` against a cluster of real nodes: who runs or still has
 * something stays, who was emptied and stopped is forgotten.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { until } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";
import { answer, ask, assertKept, fillTopic, places } from "./operator.ts";

Deno.test("a broker is removed once it is emptied and stopped, and not before", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await fillTopic(cluster, "t", [[3, 1], [2, 3]]);
  const running = await ask(cluster, "cluster remove 3 -y");
  assertEquals(running.code, 1);
  assertMatch(running.stderr, /it is running; .* kf reassign drain --broker 3/);
  await cluster.node(3).stop();
  const holding = await ask(cluster, "cluster remove 3 -y");
  assertEquals(holding.code, 1);
  assertMatch(
    holding.stderr,
    /2 partitions have a replica there; .* kf reassign drain --broker 3/,
  );
  await answer(cluster, "reassign drain --broker 3 -y");
  const asked = await ask(cluster, "cluster remove 3");
  assertEquals(asked.code, 2);
  assertMatch(asked.stderr, /Forget broker 3\? .* add -y, or --dry-run/);
  const dry = await answer(cluster, "cluster remove 3 --dry-run");
  assertEquals(dry.rows, { nodeId: 3, removed: false });
  const done = await answer(cluster, "cluster remove 3 -y");
  assertEquals(done.rows, { nodeId: 3, removed: true });
  const again = await ask(cluster, "cluster remove 3 -y");
  assertEquals(again.code, 1);
  assertMatch(again.stderr, /Cannot remove broker 3: .*NOT_REGISTERED/);
  await assertKept(cluster, "t");
  // Whoever comes back all the same registers again, with nothing.
  await cluster.node(3).start();
  await until("3 is back", async () => {
    const { rows } = await answer(cluster, "cluster info");
    return rows.nodes.length === 3;
  });
  for (const place of await places(cluster, "t")) {
    assertMatch(place, /^[12]:(1,2|2,1)$/);
  }
});
