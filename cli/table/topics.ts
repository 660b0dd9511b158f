/**
 * Commands about topics, one by one and as a file says.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, MOVES_JSON, TOPICS_FILE, YES } from "./flags.ts";

/** In the order of the help. */
export const TOPICS: readonly CommandSpec[] = [
  {
    path: "topic list",
    summary: "list topics",
    script: "kafka-topics.sh --list",
    arguments: {
      name: "REGEX",
      min: 0,
      max: 1,
      completes: "topic",
      brief: "only names that match",
    },
    flags: [
      { name: "internal", brief: "the cluster's own topics too" },
    ],
    examples: [{ line: "kf topic list '^web'", does: "names that begin so" }],
    json: '[{"name","topicId","partitions","replicationFactor","isInternal"}]',
    load: () => import("../commands/topic_list.ts"),
  },
  {
    path: "topic create",
    summary: "create topics",
    script: "kafka-topics.sh --create",
    arguments: { name: "NAME…", min: 1, max: Infinity, brief: "their names" },
    flags: [
      { name: "partitions", short: "p", value: "N", brief: "partitions" },
      { name: "replicas", short: "r", value: "N", brief: "replicas of each" },
      {
        name: "config",
        short: "c",
        value: "KEY=VALUE",
        repeats: true,
        brief: "topic configuration by Kafka's names",
      },
      { name: "if-not-exists", brief: "existing ones are fine" },
      DRY_RUN,
    ],
    examples: [
      { line: "kf topic create events -p 6", does: "six partitions" },
      {
        line: "kf topic create users -c cleanup.policy=compact",
        does: "keeps the latest value of each key",
      },
    ],
    json: '[{"name","topicId","partitions","replicationFactor","created"}]',
    load: () => import("../commands/topic_create.ts"),
  },
  {
    path: "topic describe",
    summary: "show partitions, leaders and offsets of topics",
    script: "kafka-topics.sh --describe",
    arguments: {
      name: "NAME…",
      min: 1,
      max: Infinity,
      completes: "topic",
      brief: "their names",
    },
    flags: [],
    examples: [{ line: "kf topic describe events", does: "one topic" }],
    json:
      '[{"name","topicId","isInternal","partitions":[{"partition","leader","leaderEpoch","replicas","isr","startOffset","endOffset"}]}]',
    load: () => import("../commands/topic_describe.ts"),
  },
  {
    path: "topic delete",
    summary: "delete topics and their records",
    script: "kafka-topics.sh --delete",
    arguments: {
      name: "NAME…",
      min: 1,
      max: Infinity,
      completes: "topic",
      brief: "their names",
    },
    flags: [
      { name: "if-exists", brief: "missing ones are fine" },
      DRY_RUN,
      YES,
    ],
    examples: [
      { line: "kf topic delete events -y", does: "without asking" },
      { line: "kf topic delete events --dry-run", does: "only says what" },
    ],
    json: '[{"name","deleted"}]',
    load: () => import("../commands/topic_delete.ts"),
  },
  {
    path: "topic config",
    summary: "show or change the configuration of a topic",
    script: "kafka-configs.sh --entity-type topics",
    arguments: {
      name: "NAME",
      min: 1,
      max: 1,
      completes: "topic",
      brief: "its name",
    },
    flags: [
      {
        name: "set",
        value: "KEY=VALUE",
        repeats: true,
        brief: "change a key",
      },
      {
        name: "unset",
        value: "KEY",
        repeats: true,
        brief: "return a key to its default",
      },
      DRY_RUN,
    ],
    examples: [
      { line: "kf topic config events", does: "all keys" },
      {
        line: "kf topic config events --set retention.ms=3600000",
        does: "keep one hour",
      },
    ],
    json: '[{"name","value","source","isDefault","isSensitive"}]',
    load: () => import("../commands/topic_config.ts"),
  },
  {
    path: "topic partitions",
    summary: "give a topic more partitions",
    script: "kafka-topics.sh --alter --partitions",
    arguments: {
      name: "NAME N",
      min: 2,
      max: 2,
      completes: "topic",
      rest: "nothing",
      brief: "its name and the new number of partitions",
    },
    flags: [DRY_RUN],
    examples: [{ line: "kf topic partitions events 12", does: "twelve" }],
    json: '[{"name","partitions"}]',
    load: () => import("../commands/topic_partitions.ts"),
  },
  {
    path: "topic trim",
    summary: "delete the first records of a topic",
    script: "kafka-delete-records.sh",
    arguments: {
      name: "NAME",
      min: 1,
      max: 1,
      completes: "topic",
      brief: "its name",
    },
    flags: [
      {
        name: "before",
        value: "N|@TIME",
        brief: "keep what is there from this offset or time on",
      },
      {
        name: "partitions",
        short: "p",
        value: "LIST",
        brief: "only these partitions: 0 or 0,2 or 0-3",
      },
      DRY_RUN,
      YES,
    ],
    examples: [
      {
        line: "kf topic trim events --before @-7d --dry-run",
        does: "what would go",
      },
      {
        line: "kf topic trim events --before 1000 -p 0 -y",
        does: "partition 0 begins at offset 1000",
      },
    ],
    json: MOVES_JSON,
    load: () => import("../commands/topic_trim.ts"),
  },
  {
    path: "topic plan",
    summary: "count the partitions that a throughput needs, and their cost",
    flags: [
      { name: "target", value: "SIZE", brief: "bytes per second, e.g. 200m" },
      {
        name: "per-producer",
        value: "SIZE",
        brief: "what producers reach on one partition, measured",
      },
      {
        name: "per-consumer",
        value: "SIZE",
        brief: "what one consumer handles, measured",
      },
      {
        name: "replicas",
        short: "r",
        value: "N",
        brief: "replicas of each partition (default 1)",
      },
      {
        name: "retention",
        value: "DURATION",
        brief: "how long records stay, for the disk they need",
      },
    ],
    examples: [
      {
        line:
          "kf topic plan --target 200m --per-producer 50m --per-consumer 20m",
        does: "ten partitions: consumers are the bottleneck",
      },
      {
        line:
          "kf topic plan --target 5m --per-producer 50m --per-consumer 1m -r 3 --retention 7d",
        does: "with the disk that a week of three replicas takes",
      },
    ],
    json:
      '{"partitions","forProducers","forConsumers","consumersMax","replicas","producerBufferBytes","replicatedBytesPerSecond","diskBytes"}',
    load: () => import("../commands/topic_plan.ts"),
  },
];

/** All topics, as a file says they should be. */
export const AS_FILE: readonly CommandSpec[] = [
  {
    path: "diff",
    summary: "show what differs between a topics.yaml and the cluster",
    flags: [TOPICS_FILE],
    examples: [
      { line: "kf diff -f topics.yaml", does: "exit 1 when something differs" },
    ],
    json: '[{"topic","change","name","from","to"}]',
    load: () => import("../commands/diff.ts"),
  },
  {
    path: "apply",
    summary: "create and change topics until they are as topics.yaml says",
    flags: [TOPICS_FILE, DRY_RUN, YES],
    examples: [
      { line: "kf apply -f topics.yaml", does: "shows the changes and asks" },
      {
        line:
          "printf 'topics:\\n  events:\\n    partitions: 6\\n' | kf apply -y -f -",
        does: "keys of a topic: partitions, replicas, configs; others stay",
      },
    ],
    json: '[{"topic","change","name","from","to"}]',
    load: () => import("../commands/apply.ts"),
  },
];
