/**
 * `kf leader elect` against a cluster of real nodes: who leads before and
 * after, what it refuses, and what it asks.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { kf } from "../fixtures.ts";
import { Cluster } from "./cluster.ts";
import { ask, becomes, createTopic, leaders } from "./operator.ts";

/** Runs `kf leader elect …` against the nodes that run. */
async function elect(cluster: Cluster, ...args: string[]) {
  const line = ["leader elect", ...args].join(" ");
  const { code, stdout, stderr } = await ask(cluster, line);
  return { code, stderr, rows: stdout === "" ? [] : JSON.parse(stdout) };
}

function become(cluster: Cluster, topic: string, wanted: readonly string[]) {
  return becomes(() => leaders(cluster, topic), wanted);
}

Deno.test("after a restart the preferred replicas lead again, all at once or those that are named", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await createTopic(cluster, "t", [[1, 2], [1, 3], [2, 1]]);
  await cluster.node(1).stop();
  await become(cluster, "t", ["2/2", "3/3", "2/2"]);
  const away = await elect(cluster, "t:0");
  assertEquals([away.code, away.rows], [1, []]);
  assertMatch(
    away.stderr,
    /Cannot elect a leader of t-0.*PREFERRED_LEADER_NOT_AVAILABLE/,
  );
  await cluster.node(1).start();
  await become(cluster, "t", ["2/1,2", "3/1,3", "2/1,2"]);
  const looked = await elect(cluster, "--all", "--dry-run");
  const due = [
    { topic: "t", partition: 0, preferred: 1, before: 2, after: 1 },
    { topic: "t", partition: 1, preferred: 1, before: 3, after: 1 },
  ];
  assertEquals(looked.code, 0, looked.stderr);
  assertEquals(
    looked.rows,
    due.map((row) => ({ ...row, outcome: "would be elected" })),
  );
  assertEquals((await leaders(cluster, "t"))[0], "2/1,2");
  const one = await elect(cluster, "t:0,2");
  assertEquals(one.code, 0, one.stderr);
  assertEquals(one.rows, [
    { ...due[0], outcome: "elected" },
    {
      topic: "t",
      partition: 2,
      preferred: 2,
      before: 2,
      after: 2,
      outcome: "not needed",
    },
  ]);
  const rest = await elect(cluster, "--all");
  assertEquals(rest.code, 0, rest.stderr);
  assertEquals(rest.rows, [{ ...due[1], outcome: "elected" }]);
  const none = await elect(cluster, "--all");
  assertEquals([none.code, none.rows], [0, []]);
});

Deno.test("a replica that is not in sync leads only when somebody said yes to the losses", async () => {
  await using cluster = await Cluster.start({ nodes: 3 });
  await createTopic(cluster, "t", [[1, 2]]);
  await become(cluster, "t", ["1/1,2"]);
  await cluster.node(2).stop();
  await become(cluster, "t", ["1/1"]);
  await cluster.node(1).stop();
  await cluster.node(2).start();
  await become(cluster, "t", ["-1/"]);
  const asked = await elect(cluster, "t", "--unclean");
  assertEquals(asked.code, 2);
  assertMatch(asked.stderr, /lose the records .* add -y, or --dry-run/s);
  const looked = await elect(cluster, "--all", "--unclean", "--dry-run");
  assertEquals(looked.rows, [{
    topic: "t",
    partition: 0,
    preferred: 1,
    before: -1,
    after: -1,
    outcome: "would be elected",
  }]);
  await become(cluster, "t", ["-1/"]);
  const done = await elect(cluster, "t", "--unclean", "-y");
  assertEquals(done.code, 0, done.stderr);
  assertEquals(done.rows, [{
    topic: "t",
    partition: 0,
    preferred: 1,
    before: -1,
    after: 2,
    outcome: "elected",
  }]);
});

Deno.test("partitions are named, or all are meant; a topic that is not there is an error", async () => {
  for (const args of [[], ["t", "--all"]]) {
    const { code, stderr } = await kf(["leader", "elect", ...args]);
    assertEquals(code, 2);
    assertMatch(stderr, /name topics, or --all/);
  }
  await using cluster = await Cluster.start({ nodes: 1 });
  const { code, stderr } = await elect(cluster, "nowhere");
  assertEquals(code, 1);
  assertMatch(stderr, /Cannot describe topic "nowhere"/);
});
