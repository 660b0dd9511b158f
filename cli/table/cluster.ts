/**
 * Commands about the cluster as a whole.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";

/** In the order of the help. */
export const CLUSTER: readonly CommandSpec[] = [
  {
    path: "cluster info",
    summary: "show the cluster's id and brokers",
    script: "kafka-cluster.sh cluster-id",
    flags: [],
    examples: [{ line: "kf cluster info", does: "id, controller, brokers" }],
    json:
      '{"clusterId","controllerId","nodes":[{"nodeId","host","port","rack"}]}',
    load: () => import("../commands/cluster_info.ts"),
  },
  {
    path: "cluster health",
    summary: "exit 0 when the cluster answers and every partition has a leader",
    script: "kafka-topics.sh --describe --unavailable-partitions",
    flags: [
      { name: "wait", brief: "wait until it is ready, at most --timeout" },
    ],
    examples: [
      {
        line: "kf cluster health --wait --timeout 10s",
        does: "for scripts that start a broker",
      },
    ],
    json:
      '{"isReady","nodes","topics","partitions","withoutLeader","underReplicated"}',
    load: () => import("../commands/cluster_health.ts"),
  },
  {
    path: "cluster api-versions",
    summary: "show which requests each broker understands",
    script: "kafka-broker-api-versions.sh",
    flags: [],
    examples: [{ line: "kf cluster api-versions", does: "by broker" }],
    json:
      '[{"nodeId","apis":[{"apiKey","name","minVersion","maxVersion"}],"features":{name:level}}]',
    load: () => import("../commands/cluster_api_versions.ts"),
  },
];
