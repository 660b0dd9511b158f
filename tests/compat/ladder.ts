/**
 * What the rungs of the ladder have in common by which kf and Apache Kafka come
 * to share a cluster: one static quorum of both, each a broker, too. Kafka is
 * formatted at release 4.1 with the other features off. Says why there can be
 * none, without Java or the jars.
 *
 * @module
 */
import { apacheKafkaJars } from "./apache_kafka.ts";
import { clusterTool } from "./cluster_tools_suite.ts";
import { MixedCluster } from "./mixed_cluster.ts";

const jars = await apacheKafkaJars();
const missing = "reason" in jars ? jars.reason : undefined;
export const isMissing = missing !== undefined;
// deno-lint-ignore no-console
if (isMissing) console.warn(`skipped: mixed clusters: ${missing}`);
export const libs = "folder" in jars ? jars.folder : "";

const RELEASE = [
  ...["--release-version", "4.1"],
  ...["--feature", "transaction.version=0"],
  ...["--feature", "group.version=0"],
  ...["--feature", "eligible.leader.replicas.version=0"],
];
/** Node 1 is Apache Kafka, the others are kf. */
export const NODES = ["kafka", "kf", "kf"] as const;

/** Leader and follower. */
export const WAYS = [
  ["3: Kafka leads, kf follows", 1, 2],
  ["4: kf leads, Kafka follows", 2, 1],
] as const;

/** A cluster whose active controller is of that kind first. */
export function start(controller: "kafka" | "kf"): Promise<MixedCluster> {
  return MixedCluster.start({
    jars: libs,
    nodes: NODES,
    controller,
    format: RELEASE,
  });
}

/** The tools ask Apache Kafka's node; a node of kf is stopped meanwhile. */
export function toolsOf(cluster: MixedCluster) {
  return {
    jars: libs,
    bootstrap: `127.0.0.1:${cluster.node(1).port}`,
    ids: [1, 2, 3],
    stop: () => cluster.node(3).stop(),
    start: () => cluster.node(3).start(),
  } as const;
}

/** Raises a feature as an operator of Apache Kafka would. */
export async function raise(
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
