/**
 * The table of all commands. Parsing, help, `--help-json` and completion are
 * read from it; nothing about a command's use may be said anywhere else.
 *
 * @module
 */
import type { ArgumentSpec, CommandSpec, FlagSpec } from "./command.ts";

/** Flags that every command takes, before or after its name. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    name: "brokers",
    short: "b",
    value: "HOST:PORT,…",
    brief: "where the cluster is (default localhost:9092; KF_BROKERS)",
  },
  {
    name: "property",
    short: "X",
    value: "KEY=VALUE",
    repeats: true,
    brief: "any Kafka property of the client, or of the broker for kf broker",
  },
  {
    name: "format",
    value: "text|json|tsv",
    choices: ["text", "json", "tsv"],
    brief: "how answers are printed (KF_FORMAT)",
  },
  {
    name: "color",
    value: "auto|always|never",
    choices: ["auto", "always", "never"],
    brief: "colour on the terminal (KF_COLOR; NO_COLOR is honoured)",
  },
  {
    name: "profile",
    value: "NAME",
    completes: "profile",
    brief: "settings to start from: see kf profile (KF_PROFILE)",
  },
  { name: "quiet", short: "q", brief: "say nothing but errors on stderr" },
  { name: "verbose", short: "v", brief: "say more on stderr" },
  {
    name: "timeout",
    value: "DURATION",
    brief: "how long to wait for the cluster, e.g. 10s (KF_TIMEOUT)",
  },
  { name: "help", short: "h", brief: "this text" },
  { name: "version", brief: "the version" },
  { name: "help-json", brief: "all commands and flags as JSON" },
];

const TOPIC_FLAG: FlagSpec = {
  name: "topic",
  short: "t",
  value: "TOPIC",
  completes: "topic",
  brief: "the topic, instead of the argument (KF_TOPIC)",
};
const YES: FlagSpec = {
  name: "yes",
  short: "y",
  brief: "do it without asking",
};
const DRY_RUN: FlagSpec = {
  name: "dry-run",
  brief: "say what would be done, and do nothing",
};

const MOVES_JSON = '[{"topic","partition","from","to"}]';

const TOPICS_FILE: FlagSpec = {
  name: "file",
  short: "f",
  value: "FILE",
  completes: "file",
  brief:
    "topics as they should be: topics: {NAME: {partitions, replicas, configs}}",
};

const PORT: FlagSpec = {
  name: "port",
  value: "PORT|auto",
  brief: "port to listen on; auto takes a free one (default 9092)",
};
const DATA: FlagSpec = {
  name: "data",
  value: "DIR",
  completes: "file",
  brief: "the data folder",
};
const READY_FD: FlagSpec = {
  name: "ready-fd",
  value: "N",
  brief: "write READY HOST:PORT to this file descriptor once it can be used",
};

const SERVERS: readonly CommandSpec[] = [
  {
    path: "dev",
    summary: "start a broker to try things on, and remove it at the end",
    script: "kafka-storage.sh format, then kafka-server-start.sh",
    flags: [
      { ...DATA, brief: "keep the data here instead of a temporary folder" },
      PORT,
      READY_FD,
    ],
    examples: [
      { line: "kf dev", does: "a broker on localhost:9092" },
      { line: "kf dev --port auto", does: "on any free port" },
    ],
    load: () => import("./commands/dev.ts"),
  },
  {
    path: "broker",
    summary: "start a broker",
    script: "kafka-server-start.sh",
    flags: [
      {
        name: "config",
        value: "FILE",
        completes: "file",
        brief: "read Kafka's server.properties",
      },
      { ...DATA, brief: "the data folder (default ./kf-data)" },
      {
        name: "listen",
        value: "HOST:PORT",
        brief: "where to listen (default localhost:9092)",
      },
      {
        name: "advertise",
        value: "HOST:PORT",
        brief: "the address that clients are told to use",
      },
      { name: "node-id", value: "N", brief: "the node's id in the cluster" },
      READY_FD,
    ],
    examples: [
      { line: "kf broker", does: "listen on localhost:9092, keep ./kf-data" },
      {
        line: "kf broker --data /var/lib/kf --listen 0.0.0.0:9092",
        does: "listen on every address",
      },
      {
        line: "kf broker --config server.properties -X num.partitions=3",
        does: "with Kafka's own configuration",
      },
    ],
    load: () => import("./commands/broker.ts"),
  },
];

const PRODUCE: CommandSpec = {
  path: "produce",
  summary: "write records from stdin or files to a topic",
  script: "kafka-console-producer.sh",
  arguments: {
    name: "TOPIC [FILE…]",
    min: 0,
    max: Infinity,
    completes: "topic",
    rest: "file",
    brief: "topic, then files to read (- is stdin)",
  },
  flags: [
    TOPIC_FLAG,
    { name: "key", short: "k", value: "KEY", brief: "the key of every record" },
    {
      name: "key-delimiter",
      short: "K",
      value: "DELIM",
      brief: "what parts key and value within a record",
    },
    {
      name: "delimiter",
      short: "D",
      value: "DELIM",
      brief: "what ends a record (default \\n)",
    },
    { name: "null", short: "0", brief: "records end with a NUL byte" },
    {
      name: "header",
      short: "H",
      value: "NAME=VALUE",
      repeats: true,
      brief: "a header of every record",
    },
    {
      name: "partition",
      short: "p",
      value: "N",
      brief: "write to this partition",
    },
    {
      name: "empty-as-null",
      short: "Z",
      brief: "an empty value is a null value (a tombstone)",
    },
    {
      name: "compression",
      short: "z",
      value: "CODEC",
      choices: ["none", "gzip", "snappy", "lz4", "zstd"],
      brief: "none, gzip, snappy, lz4 or zstd",
    },
    {
      name: "acks",
      value: "all|1|0",
      choices: ["all", "-1", "1", "0"],
      brief: "whose acknowledgement to wait for (default all)",
    },
    {
      name: "timestamp",
      value: "@TIME",
      brief: "the timestamp of every record (default now)",
    },
    {
      name: "envelope",
      value: "json",
      choices: ["json"],
      brief: "records are as kf consume -J prints them; nothing is lost",
    },
  ],
  examples: [
    { line: "seq 1 5 | kf produce nums", does: "five records" },
    { line: "kf produce < file", does: "each line, to the default topic" },
    {
      line: "kf produce -K : users people.txt",
      does: "lines like key:value from a file",
    },
    {
      line: "find . -print0 | kf produce -0 files -z zstd",
      does: "records that end with NUL, compressed",
    },
    {
      line: "kf consume -J a -e | kf produce b --envelope json",
      does: "keys, values, headers and timestamps of a, byte for byte",
    },
  ],
  load: () => import("./commands/produce.ts"),
};

const CONSUME: CommandSpec = {
  path: "consume",
  summary: "print the records of topics",
  script: "kafka-console-consumer.sh",
  arguments: {
    name: "TOPIC…",
    min: 0,
    max: Infinity,
    completes: "topic",
    brief: "topics to read",
  },
  flags: [
    TOPIC_FLAG,
    {
      name: "group",
      short: "g",
      value: "GROUP",
      completes: "group",
      brief: "share the topics in this group and commit what was printed",
    },
    {
      name: "offset",
      short: "o",
      value: "WHERE",
      brief: "start, end, N, -N from the end, or @TIME (default start)",
    },
    {
      name: "to",
      value: "@TIME|N",
      brief: "end before this time or offset, in each partition",
    },
    {
      name: "exit-at-end",
      short: "e",
      brief: "end at the end of what is there now",
    },
    { name: "limit", short: "n", value: "N", brief: "end after N records" },
    {
      name: "partitions",
      short: "p",
      value: "LIST",
      brief: "only these partitions: 0 or 0,2 or 0-3",
    },
    {
      name: "print",
      short: "f",
      value: "FORMAT",
      brief: "how each record is printed: see below",
    },
    { name: "json", short: "J", brief: "one JSON object per record" },
    { name: "null", short: "0", brief: "end each record with a NUL byte" },
    {
      name: "delimiter",
      short: "D",
      value: "DELIM",
      brief: "what to print after each value (default \\n)",
    },
    {
      name: "idle-timeout",
      value: "DURATION",
      brief: "end when no record came for this long",
    },
    { name: "require-match", brief: "exit 1 when no record was printed" },
  ],
  examples: [
    { line: "kf consume nums -e", does: "all that is there, then end" },
    { line: "kf consume --group g", does: "go on where the group stopped" },
    {
      line: "kf consume nums -o -10 -e -f '%p %o %k %v\\n'",
      does: "the last ten of each partition, with key and offset",
    },
    {
      line: "kf consume nums -o @-1h -J | jq .value",
      does: "the last hour, as JSON",
    },
  ],
  json:
    '-J: {"topic","partition","offset","timestamp","key","value","headers":[[name,value]]}; text that is no UTF-8 is {"base64"}',
  load: () => import("./commands/consume.ts"),
};

const TOPICS: readonly CommandSpec[] = [
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
    load: () => import("./commands/topic_list.ts"),
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
    load: () => import("./commands/topic_create.ts"),
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
    load: () => import("./commands/topic_describe.ts"),
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
    load: () => import("./commands/topic_delete.ts"),
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
    load: () => import("./commands/topic_config.ts"),
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
    load: () => import("./commands/topic_partitions.ts"),
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
    load: () => import("./commands/topic_trim.ts"),
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
    load: () => import("./commands/topic_plan.ts"),
  },
];

const GROUP_ID: ArgumentSpec = {
  name: "GROUP",
  min: 1,
  max: 1,
  completes: "group",
  brief: "group id",
};
const GROUP_IDS: ArgumentSpec = {
  ...GROUP_ID,
  name: "GROUP…",
  max: Infinity,
  brief: "group ids",
};

const GROUPS: readonly CommandSpec[] = [
  {
    path: "group list",
    summary: "list consumer groups",
    script: "kafka-consumer-groups.sh --list",
    flags: [],
    examples: [{ line: "kf group list", does: "all groups and their state" }],
    json: '[{"groupId","state","protocolType","type"}]',
    load: () => import("./commands/group_list.ts"),
  },
  {
    path: "group describe",
    summary: "show the members of groups and what they own",
    script: "kafka-consumer-groups.sh --describe --members",
    arguments: GROUP_IDS,
    flags: [],
    examples: [{ line: "kf group describe g", does: "one group" }],
    json:
      '[{"groupId","state","protocolType","protocol","coordinator","members":[{"memberId","groupInstanceId","clientId","clientHost","assignment":[{"topic","partition"}]}]}]',
    load: () => import("./commands/group_describe.ts"),
  },
  {
    path: "group lag",
    summary: "show how far a group is behind",
    script: "kafka-consumer-groups.sh --describe",
    arguments: GROUP_ID,
    flags: [{ name: "watch", brief: "show it again on each change" }],
    examples: [
      { line: "kf group lag g", does: "by partition" },
      { line: "kf group lag g --watch", does: "each second, until ^C" },
    ],
    json:
      '[{"topic","partition","committedOffset","endOffset","lag","memberId"}]',
    load: () => import("./commands/group_lag.ts"),
  },
  {
    path: "group seek",
    summary: "move what a group without members has committed",
    script: "kafka-consumer-groups.sh --reset-offsets",
    arguments: GROUP_ID,
    flags: [
      {
        name: "to",
        value: "WHERE",
        brief: "earliest, latest, N, @TIME or @-1h; N stays within the log",
      },
      {
        name: "topic",
        short: "t",
        value: "TOPIC[:P]",
        repeats: true,
        completes: "topic",
        brief:
          "only this topic, or partitions of it (default all it has committed)",
      },
      DRY_RUN,
      YES,
    ],
    examples: [
      {
        line: "kf group seek g --to earliest --dry-run",
        does: "what reading all again would change",
      },
      {
        line: "kf group seek g --topic events:0,2 --to @-1h -y",
        does: "two partitions, back by an hour",
      },
    ],
    json: MOVES_JSON,
    load: () => import("./commands/group_seek.ts"),
  },
  {
    path: "group delete",
    summary: "delete groups and their committed offsets",
    script: "kafka-consumer-groups.sh --delete",
    arguments: GROUP_IDS,
    flags: [DRY_RUN, YES],
    examples: [{ line: "kf group delete g -y", does: "without asking" }],
    json: '[{"groupId","deleted"}]',
    load: () => import("./commands/group_delete.ts"),
  },
];

const CLUSTER: readonly CommandSpec[] = [
  {
    path: "cluster info",
    summary: "show the cluster's id and brokers",
    script: "kafka-cluster.sh cluster-id",
    flags: [],
    examples: [{ line: "kf cluster info", does: "id, controller, brokers" }],
    json:
      '{"clusterId","controllerId","nodes":[{"nodeId","host","port","rack"}]}',
    load: () => import("./commands/cluster_info.ts"),
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
    load: () => import("./commands/cluster_health.ts"),
  },
  {
    path: "cluster api-versions",
    summary: "show which requests each broker understands",
    script: "kafka-broker-api-versions.sh",
    flags: [],
    examples: [{ line: "kf cluster api-versions", does: "by broker" }],
    json:
      '[{"nodeId","apis":[{"apiKey","name","minVersion","maxVersion"}],"features":{name:level}}]',
    load: () => import("./commands/cluster_api_versions.ts"),
  },
];

const PROFILE_NAME: ArgumentSpec = {
  name: "NAME",
  min: 1,
  max: 1,
  brief: "its name",
};
const PROFILE_JSON = '{"name","brokers","current"}';

const PROFILES: readonly CommandSpec[] = [
  {
    path: "profile create",
    summary: "keep -b and -X under a name, and use them from now on",
    arguments: PROFILE_NAME,
    flags: [TOPIC_FLAG],
    examples: [
      {
        line: "kf profile create stage -b stage-1:9092 -X client.id=me",
        does: "kf topic list now asks stage-1",
      },
    ],
    json: PROFILE_JSON,
    load: () => import("./commands/profile_create.ts"),
  },
  {
    path: "profile list",
    summary: "list profiles, and say which is in use",
    flags: [],
    examples: [{ line: "kf profile list", does: "all of them" }],
    json: `[${PROFILE_JSON}]`,
    load: () => import("./commands/profile_list.ts"),
  },
  {
    path: "profile use",
    summary: "use another profile from now on",
    arguments: { ...PROFILE_NAME, completes: "profile" },
    flags: [],
    examples: [{ line: "kf profile use stage", does: "until the next use" }],
    json: PROFILE_JSON,
    load: () => import("./commands/profile_use.ts"),
  },
  {
    path: "profile edit",
    summary: "open the file of profiles in $VISUAL or $EDITOR",
    flags: [],
    examples: [{ line: "EDITOR=nano kf profile edit", does: "with nano" }],
    load: () => import("./commands/profile_edit.ts"),
  },
];

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  ...SERVERS,
  PRODUCE,
  CONSUME,
  ...TOPICS,
  ...GROUPS,
  ...CLUSTER,
  {
    path: "diff",
    summary: "show what differs between a topics.yaml and the cluster",
    flags: [TOPICS_FILE],
    examples: [
      { line: "kf diff -f topics.yaml", does: "exit 1 when something differs" },
    ],
    json: '[{"topic","change","name","from","to"}]',
    load: () => import("./commands/diff.ts"),
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
    load: () => import("./commands/apply.ts"),
  },
  ...PROFILES,
  {
    path: "completion",
    summary: "print a script that completes commands, flags, topics and groups",
    arguments: {
      name: "SHELL",
      min: 1,
      max: 1,
      choices: ["bash", "zsh", "fish"],
      brief: "bash, zsh or fish",
    },
    flags: [],
    examples: [
      { line: "source <(kf completion bash)", does: "in .bashrc; zsh alike" },
      { line: "kf completion fish | source", does: "in config.fish" },
    ],
    load: () => import("./commands/completion.ts"),
  },
  {
    path: "man",
    summary: "print the manual page",
    flags: [],
    examples: [{ line: "kf man | man -l -", does: "read it" }],
    load: () => import("./commands/man.ts"),
  },
  {
    path: "version",
    summary: "print the version",
    flags: [],
    examples: [{ line: "kf version", does: "of kf and of what runs it" }],
    json: '{"kf","deno","target"}',
    load: () => import("./commands/version.ts"),
  },
];

/** Names and summaries of commands that have subcommands. */
export const FAMILIES: Readonly<Record<string, string>> = {
  topic:
    "topics: list, create, describe, delete, config, partitions, trim, plan",
  group: "consumer groups: list, describe, lag, seek, delete",
  profile: "named settings: create, list, use, edit",
  cluster: "the cluster: info, health, api-versions",
};
