/**
 * kf's commands for operators against a cluster of Apache Kafka: plans that are
 * carried out, throttles, elections, a broker that is emptied and removed. And
 * Kafka's own tool reads the plans. Skipped, saying why, without Java.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  answer,
  ask,
  assertKept,
  fillTopic,
  leaders,
  places,
} from "../cluster/operator.ts";
import { run, temporaryFolder, until } from "../fixtures.ts";
import { apacheKafkaJars, kafkaTool } from "./apache_kafka.ts";
import { MixedCluster } from "./mixed_cluster.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: kf's commands at work: ${jars.reason}`);
const libs = "folder" in jars ? jars.folder : "";

interface Row {
  readonly outcome: string;
}

/** Each step builds on those before it. */
const STEPS: readonly (readonly [
  name: string,
  step: (cluster: MixedCluster) => Promise<void>,
])[] = [
  ["a plan is carried out under a throttle, which goes", async (cluster) => {
    const six = Array.from({ length: 6 }, (_, i) => i % 2 ? [1, 2] : [2, 1]);
    await fillTopic(cluster, "t", six);
    const plan = await answer(cluster, "reassign plan t");
    assertMatch(plan.stderr, /broker 3: 0 to 4 replicas, first of 0 to 2\n/);
    const line = "reassign apply - -y --throttle 50m";
    const done = await answer(cluster, line, plan.stdout);
    assert(done.rows.every(({ outcome }: Row) => outcome === "moved"));
    await assertKept(cluster, "t");
    assertEquals((await answer(cluster, "reassign unthrottle")).rows, []);
    assertEquals(
      (await answer(cluster, "reassign plan t")).rows.partitions,
      [],
    );
    await verified(cluster, plan.stdout);
  }],
  [
    "a throttle that is left behind is found and taken away",
    async (cluster) => {
      const back = JSON.stringify({
        partitions: [{ topic: "t", partition: 0, replicas: [2, 1, 3] }],
      });
      const line = "reassign apply - -y --no-wait --throttle 50m";
      await answer(cluster, line, back);
      const left = await answer(cluster, "reassign unthrottle");
      assertEquals(left.rows.map(({ name }: { name: string }) => name), [
        "1",
        "2",
        "3",
        "t",
      ]);
      assertEquals((await answer(cluster, "reassign unthrottle")).rows, []);
      await until(
        "it is moved",
        async () => (await answer(cluster, "reassign list")).rows.length === 0,
      );
    },
  ],
  ["preferred replicas lead again", async (cluster) => {
    await cluster.node(3).stop();
    await until(
      "3 leads nothing",
      async () =>
        (await leaders(cluster, "t")).every((each) => !each.startsWith("3")),
    );
    await cluster.node(3).start();
    await answer(cluster, "cluster health --wait --in-sync");
    const elected = await answer(cluster, "leader elect --all");
    assert(elected.rows.length > 0);
    assert(elected.rows.every(({ outcome }: Row) => outcome === "elected"));
  }],
  ["a broker is emptied, stopped and removed", async (cluster) => {
    const one = await answer(cluster, "reassign plan t -r 2");
    await answer(cluster, "reassign apply - -y", one.stdout);
    await answer(cluster, "reassign drain --broker 3 -y");
    for (const place of await places(cluster, "t")) {
      assertMatch(place, /^[12]:(1,2|2,1)$/);
    }
    const running = await ask(cluster, "cluster remove 3 -y");
    assertMatch(running.stderr, /Cannot remove broker 3: it is running/);
    await cluster.node(3).stop();
    await until("3 is gone", async () => {
      const { rows } = await answer(cluster, "cluster info");
      return rows.nodes.length === 2;
    });
    const removed = await answer(cluster, "cluster remove 3 -y");
    assertEquals(removed.rows, { nodeId: 3, removed: true });
    const again = await ask(cluster, "cluster remove 3 -y");
    assertEquals(again.code, 1, again.stdout);
    assertMatch(again.stderr, /Cannot remove broker 3: .*NOT_REGISTERED/);
    await assertKept(cluster, "t");
  }],
];

/** Kafka's tool finds what our plan asked for. */
async function verified(cluster: MixedCluster, plan: string): Promise<void> {
  using folder = temporaryFolder();
  const file = `${folder.path}/moves.json`;
  Deno.writeTextFileSync(file, plan);
  const { code, stdout, stderr } = await run(
    kafkaTool(libs, "reassign.ReassignPartitionsCommand", [
      ...["--bootstrap-server", cluster.addresses],
      ...["--verify", "--reassignment-json-file", file],
    ]),
    { timeoutMs: 120_000 },
  );
  assertEquals(code, 0, stderr);
  const { partitions } = JSON.parse(plan);
  assertEquals(
    stdout.match(/Reassignment of partition t-\d+ is completed\./g)?.length,
    partitions.length,
    stdout,
  );
}

Deno.test({
  name: "operators move, elect and remove in a cluster of Apache Kafka",
  ignore: isMissing,
  async fn(t) {
    await using cluster = await MixedCluster.start({
      jars: libs,
      nodes: ["kafka", "kafka", "kafka"],
      controller: "kafka",
    });
    for (const [name, step] of STEPS) {
      await t.step(name, () => step(cluster));
    }
  },
});
