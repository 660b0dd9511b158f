/**
 * The ladder by which kf and Apache Kafka come to share a cluster: one static
 * quorum of both, each a broker, too. Kafka is formatted at release 4.1 with
 * the other features off. Skipped, saying why, without Java or the jars.
 *
 * @module
 */
import { assertRejects } from "@std/assert";
import { apacheKafkaJars } from "./apache_kafka.ts";
import { clusterTool, clusterToolsSuite } from "./cluster_tools_suite.ts";
import { groupsMove, transactionsMove } from "./coordinator_suite.ts";
import { eligible } from "./eligible_suite.ts";
import { copyThroughKills, divergence, killInTurn } from "./failover_suite.ts";
import { MixedCluster } from "./mixed_cluster.ts";
import { assertDumps } from "./replica_logs.ts";
import { Pair, replicaSuite } from "./replica_suite.ts";

const jars = await apacheKafkaJars();
const isMissing = "reason" in jars;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: mixed clusters: ${jars.reason}`);

const RELEASE = [
  ...["--release-version", "4.1"],
  ...["--feature", "transaction.version=0"],
  ...["--feature", "group.version=0"],
  ...["--feature", "eligible.leader.replicas.version=0"],
];
/** Node 1 is Apache Kafka, the others are kf. */
const NODES = ["kafka", "kf", "kf"] as const;

/** Leader and follower. */
const WAYS = [
  ["3: Kafka leads, kf follows", 1, 2],
  ["4: kf leads, Kafka follows", 2, 1],
] as const;
const libs = "folder" in jars ? jars.folder : "";

function start(controller: "kafka" | "kf"): Promise<MixedCluster> {
  return MixedCluster.start({
    jars: libs,
    nodes: NODES,
    controller,
    format: RELEASE,
  });
}

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

/** The tools ask Apache Kafka's node; a node of kf is stopped meanwhile. */
function toolsOf(cluster: MixedCluster) {
  return {
    jars: libs,
    bootstrap: `127.0.0.1:${cluster.node(1).port}`,
    ids: [1, 2, 3],
    stop: () => cluster.node(3).stop(),
    start: () => cluster.node(3).start(),
  } as const;
}

async function raise(
  { addresses }: MixedCluster,
  feature: string,
  level: number,
): Promise<void> {
  await clusterTool(
    { jars: libs, bootstrap: addresses },
    "FeatureCommand",
    `upgrade --feature ${feature}=${level}`,
  );
}

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
