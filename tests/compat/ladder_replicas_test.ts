/**
 * Rungs 3 and 4 of the ladder: kf and Apache Kafka follow each other under
 * Kafka's controller. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { done } from "../cli/moved_topics.ts";
import { kf } from "../fixtures.ts";
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

/** Apache Kafka's node is formatted at its own newest release. */
function startNewest(controller: "kafka" | "kf"): Promise<MixedCluster> {
  return MixedCluster.start({
    jars: libs,
    nodes: NODES,
    controller,
    // Whoever stands first gives the cluster its levels, however slow it is.
    patienceMs: 120_000,
  });
}

Deno.test({
  name:
    "a kf broker says why it can't join an Apache Kafka formatted at its own newest release",
  ignore: isMissing,
  async fn() {
    await assertRejects(
      async () => {
        await using _ = await startNewest("kafka");
      },
      Error,
      "a feature of the cluster is at a level that this broker doesn't support",
    );
  },
});

Deno.test({
  name:
    "an Apache Kafka formatted at its own newest release takes kf's levels when kf leads first",
  ignore: isMissing,
  async fn() {
    await using cluster = await startNewest("kf");
    for (const { port } of cluster.nodes) {
      const at = ["-b", `127.0.0.1:${port}`];
      const json = await done(
        kf(["cluster", "features", "--format=json", ...at]),
      );
      const features: { name: string; level: number }[] = JSON.parse(json);
      const levels = features.filter(({ level }) => level > 0)
        .map(({ name, level }) => [name, level]);
      assertEquals(Object.fromEntries(levels), {
        "eligible.leader.replicas.version": 1,
        "group.version": 1,
        "metadata.version": 27,
        "transaction.version": 2,
      });
    }
  },
});
