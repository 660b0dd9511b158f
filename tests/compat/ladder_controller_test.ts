/**
 * Rung 6 of the ladder: Apache Kafka's broker under kf's controller, with all of
 * the rungs before. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { clusterToolsSuite } from "./cluster_tools_suite.ts";
import { groupsMove, transactionsMove } from "./coordinator_suite.ts";
import { eligible } from "./eligible_suite.ts";
import { copyThroughKills, divergence, killInTurn } from "./failover_suite.ts";
import { isMissing, libs, start, toolsOf, WAYS } from "./ladder.ts";
import { Pair, replicaSuite } from "./replica_suite.ts";

Deno.test({
  name: "Apache Kafka's broker serves under kf's controller as under its own",
  ignore: isMissing,
  async fn(t) {
    await using cluster = await start("kf");
    await t.step("6: Kafka's tools", async (t) => {
      await clusterToolsSuite(t, toolsOf(cluster));
    });
    for (const [name, leader, follower] of WAYS) {
      await t.step(`6: ${name}`, async (t) => {
        await using pair = new Pair(cluster, leader, follower);
        await replicaSuite(t, pair);
        await t.step("classic groups", () => groupsMove(pair, "classic"));
        await t.step("consumer groups", () => groupsMove(pair, "consumer"));
        await t.step("transactions", () => transactionsMove(pair, 2));
        await t.step("kills", () => killInTurn(pair, libs));
        await t.step("divergence", () => divergence(pair));
        await t.step("eligible leaders", () => eligible(pair));
        await t.step("exactly once", () => copyThroughKills(pair, libs));
      });
    }
  },
});
