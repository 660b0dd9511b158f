/**
 * Rungs 3 and 4 of the ladder: kf and Apache Kafka follow each other under
 * Kafka's controller. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { assertRejects } from "@std/assert";
import { divergence, killInTurn } from "./failover_suite.ts";
import { isMissing, libs, NODES, start, WAYS } from "./ladder.ts";
import { MixedCluster } from "./mixed_cluster.ts";
import { assertDumps } from "./replica_logs.ts";
import { Pair, replicaSuite } from "./replica_suite.ts";

Deno.test({
  name: "replicas of kf and Apache Kafka under Kafka's controller",
  ignore: isMissing,
  async fn(t) {
    await using cluster = await start("kafka");
    for (const [name, leader, follower] of WAYS) {
      await t.step(name, async (t) => {
        await using pair = new Pair(cluster, leader, follower);
        await replicaSuite(t, pair);
      });
    }
    for (const [name, leader, follower] of WAYS) {
      await t.step(`${name}: each is killed in turn`, async () => {
        await using pair = new Pair(cluster, leader, follower);
        await killInTurn(pair, libs);
      });
      await t.step(`${name}: what only a dead leader had is cut`, async () => {
        await using pair = new Pair(cluster, leader, follower);
        await divergence(pair);
      });
    }
    // Its own node's indexes are longer than what is in them while it runs.
    for (const { id, data } of cluster.nodes.slice(1)) {
      await t.step(
        `Kafka's dump tool reads the files of node ${id}`,
        () => assertDumps(libs, data),
      );
    }
  },
});

Deno.test({
  name:
    "a kf broker says why it can't join an Apache Kafka formatted at its own newest release",
  ignore: isMissing,
  async fn() {
    const config = { "controller.quorum.election.timeout.ms": "1000" };
    await assertRejects(
      async () => {
        await using _ = await MixedCluster.start({
          jars: libs,
          nodes: NODES,
          controller: "kafka",
          config,
        });
      },
      Error,
      "a feature of the cluster is at a level that this broker doesn't support",
    );
  },
});
