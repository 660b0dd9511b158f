/**
 * `kf cluster remove` against a cluster of real nodes: who runs or still has
 * something stays, who was emptied and stopped is forgotten. And brokers that
 * are to get nothing more.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { createAdmin } from "../../net/client.ts";
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

Deno.test("a broker whose folder is cordoned gets no new replicas, and keeps and serves what it has", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await fillTopic(cluster, "t", [[3, 1], [2, 3]]);
  await answer(cluster, "cluster features --upgrade metadata.version=33");
  const admin = createAdmin({ "bootstrap.servers": cluster.addresses });
  try {
    const cordon = async (operation: "set" | "delete") => {
      const value = operation === "set" ? { value: "*" } : {};
      const [outcome] = await admin.incrementalAlterConfigs([{
        type: "broker",
        name: "3",
        changes: [{ name: "cordoned.log.dirs", operation, ...value }],
      }]);
      assertEquals(outcome!.error, undefined);
    };
    await cordon("set");
    const create = "topic create wide -r 3 -p 1";
    await until("it is passed by", async () => {
      const { code, stderr } = await ask(cluster, `${create} --dry-run`);
      return code === 1 && stderr.includes("larger than the 2 available");
    });
    await answer(cluster, "topic create narrow -r 2 -p 4");
    const narrow = await places(cluster, "narrow");
    assertEquals(narrow.filter((place) => place.includes("3")), []);
    await assertKept(cluster, "t");
    await cordon("delete");
    await until("it isn't any more", async () => {
      const { code } = await ask(cluster, create);
      return code === 0;
    });
  } finally {
    await admin.close();
  }
});
