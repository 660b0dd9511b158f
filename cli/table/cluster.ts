/**
 * Commands about the cluster as a whole.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, YES } from "./flags.ts";

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
      {
        name: "in-sync",
        brief: "ready is only when every replica is in sync, too",
      },
    ],
    examples: [
      {
        line: "kf cluster health --wait --timeout 10s",
        does: "for scripts that start a broker",
      },
      {
        line: "kf cluster health --wait --in-sync --timeout 10m",
        does: "before the next node is stopped",
      },
      {
        line: "kf cluster health",
        does: "which partitions lack leaders, or replicas",
      },
    ],
    json:
      '{"isReady","nodes","topics","partitions","withoutLeader","underReplicated","underMinIsr","unreplicated","offline":[{"topic","partition","waitsFor"}]}',
    load: () => import("../commands/cluster_health.ts"),
  },
  {
    path: "cluster quorum",
    summary: "show who keeps the cluster's metadata, or change who votes",
    script: "kafka-metadata-quorum.sh",
    flags: [
      {
        name: "add",
        value: "NODE@HOST:PORT",
        brief: "have a controller vote that follows the metadata",
      },
      {
        name: "remove",
        value: "NODE",
        brief: "have a voter vote no more",
      },
    ],
    examples: [
      { line: "kf cluster quorum", does: "leader, voters, observers, lag" },
      {
        line: "kf cluster quorum --add 2@kf2.example:9093",
        does: "by its controllers' listener",
      },
    ],
    json:
      '{"leaderId","leaderEpoch","highWatermark","replicas":[{"nodeId","role","directoryId","logEndOffset","lag","lastFetchTimestamp","lastCaughtUpTimestamp"}]}',
    load: () => import("../commands/cluster_quorum.ts"),
  },
  {
    path: "cluster features",
    summary: "show the cluster's features, or raise and lower their levels",
    script: "kafka-features.sh",
    flags: [
      {
        name: "upgrade",
        value: "NAME=LEVEL",
        repeats: true,
        brief: "raise a feature to a level",
      },
      {
        name: "downgrade",
        value: "NAME=LEVEL",
        repeats: true,
        brief: "lower it, unless that would lose metadata; 0 is off",
      },
      DRY_RUN,
    ],
    examples: [
      { line: "kf cluster features", does: "supported and finalized levels" },
      {
        line: "kf cluster features --upgrade metadata.version=28",
        does: "once every broker runs the new version",
      },
    ],
    json: '[{"name","minSupported","maxSupported","level"}]',
    load: () => import("../commands/cluster_features.ts"),
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
  {
    path: "cluster remove",
    summary: "forget a broker that is stopped, empty and won't come back",
    script: "kafka-cluster.sh unregister",
    arguments: { name: "N", min: 1, max: 1, brief: "the broker's id" },
    flags: [DRY_RUN, YES],
    more:
      "It is refused while the broker runs, or still has replicas: kf reassign drain --broker N moves them. A broker that is started again registers again.",
    examples: [
      { line: "kf cluster remove 4", does: "asks first" },
      { line: "kf cluster remove 4 --dry-run", does: "whether it could be" },
    ],
    json: '{"nodeId","removed"}',
    load: () => import("../commands/cluster_remove.ts"),
  },
  {
    path: "logdirs",
    summary: "show how much room each partition takes on each broker",
    script: "kafka-log-dirs.sh --describe",
    arguments: {
      name: "TOPIC…",
      min: 0,
      max: Infinity,
      completes: "topic",
      brief: "only these topics",
    },
    flags: [],
    examples: [
      { line: "kf logdirs", does: "every partition, largest first" },
      { line: "kf logdirs events", does: "those of one topic" },
    ],
    json:
      '[{"nodeId","logDir","totalBytes","usableBytes","replicas":[{"topic","partition","sizeInBytes","offsetLag","isFuture"}]}]',
    load: () => import("../commands/logdirs.ts"),
  },
];
