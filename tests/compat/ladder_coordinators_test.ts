/**
 * Rung 5 of the ladder: coordinators move between kf and Apache Kafka, at each
 * level of the features. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { clusterToolsSuite } from "./cluster_tools_suite.ts";
import { groupsMove, transactionsMove } from "./coordinator_suite.ts";
import { eligible } from "./eligible_suite.ts";
import { copyThroughKills, divergence } from "./failover_suite.ts";
import { isMissing, libs, raise, start, toolsOf } from "./ladder.ts";
import { Pair } from "./replica_suite.ts";

Deno.test({
  name:
    "groups and transactions go on while kf and Apache Kafka hand them to each other, at each level of the features",
  ignore: isMissing,
  async fn(t) {
    await using cluster = await start("kafka");
    await using pair = new Pair(cluster, 1, 2);
    await t.step("Kafka's tools", async (t) => {
      await clusterToolsSuite(t, toolsOf(cluster));
    });
    await t.step("5: classic groups", () => groupsMove(pair, "classic"));
    for (const version of [0, 1, 2]) {
      await t.step(`5: transaction.version ${version}`, async () => {
        if (version > 0) await raise(cluster, "transaction.version", version);
        await transactionsMove(pair, version);
      });
    }
    await t.step("5: exactly once, whoever coordinates is killed", async () => {
      await using other = new Pair(cluster, 2, 1);
      await copyThroughKills(other, libs);
    });
    await t.step("5: consumer groups, group.version 1", async () => {
      await raise(cluster, "group.version", 1);
      await groupsMove(pair, "consumer");
    });
    await t.step("eligible.leader.replicas.version 1", async () => {
      await raise(cluster, "eligible.leader.replicas.version", 1);
      await eligible(pair);
      await divergence(pair);
    });
    await t.step("metadata.version 29", async () => {
      await raise(cluster, "metadata.version", 29);
      await using other = new Pair(cluster, 2, 1);
      await eligible(other);
    });
  },
});
