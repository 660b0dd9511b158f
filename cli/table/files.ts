/**
 * Commands that look into the files of a broker and need none to run.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "../command.ts";
import { DRY_RUN, YES } from "./flags.ts";

const METADATA_OF: FlagSpec = {
  name: "data",
  value: "DIR",
  completes: "file",
  brief:
    "a broker's data folder (default kf-data), its __cluster_metadata-0, or a .checkpoint in it",
};
const FROM: FlagSpec = {
  name: "from",
  value: "HOST:PORT",
  brief: "of a running cluster instead: any controller's or broker's address",
};
const NODES_JSON = '[{"path","name","children"}]';

const METADATA: readonly CommandSpec[] = [
  {
    path: "metadata ls",
    summary: "list names in the cluster's metadata",
    script: "kafka-metadata-shell.sh, ls",
    arguments: {
      name: "PATH",
      min: 0,
      max: 1,
      brief: "such as /topics/NAME, /configs/topic or /brokers (default /)",
    },
    flags: [METADATA_OF, FROM],
    examples: [
      { line: "kf metadata ls /topics", does: "topics as of the last change" },
      {
        line: "kf metadata ls /brokers --data /var/lib/kafka",
        does: "of an Apache Kafka, too",
      },
      {
        line: "kf metadata ls /brokers --from localhost:9093",
        does: "of a cluster that runs, as its controllers know it",
      },
    ],
    json: NODES_JSON,
    load: () => import("../commands/metadata_ls.ts"),
  },
  {
    path: "metadata cat",
    summary: "print what is at and below a path of the metadata, as JSON",
    script: "kafka-metadata-shell.sh, cat",
    arguments: {
      name: "PATH",
      min: 0,
      max: 1,
      brief: "such as /topics/NAME/0 or /features (default /, all)",
    },
    flags: [METADATA_OF, FROM],
    examples: [
      {
        line: "kf metadata cat /topics/events/0",
        does: "replicas, ISR, leader and epochs of a partition",
      },
      {
        line: "kf metadata cat --format tsv | grep leaderEpoch",
        does: "one path and value per line",
      },
    ],
    json: "{name:value}, the value itself at a path that nothing is below",
    load: () => import("../commands/metadata_cat.ts"),
  },
  {
    path: "metadata find",
    summary: "find paths in the metadata by their last name",
    script: "kafka-metadata-shell.sh, find",
    arguments: {
      name: "NAME [PATH]",
      min: 1,
      max: 2,
      brief: "* and ? match any text; below PATH (default /)",
    },
    flags: [METADATA_OF, FROM],
    examples: [
      {
        line: "kf metadata find 'retention.*' /configs",
        does: "who has such a config",
      },
    ],
    json: NODES_JSON,
    load: () => import("../commands/metadata_find.ts"),
  },
  {
    path: "metadata shell",
    summary: "walk the metadata: ls, cd, pwd, cat, find, help, exit",
    script: "kafka-metadata-shell.sh",
    flags: [METADATA_OF, FROM],
    examples: [
      { line: "kf metadata shell", does: "asks for lines" },
      {
        line: "printf 'cd /topics\\nls\\n' | kf metadata shell",
        does: "takes them from a pipe",
      },
    ],
    json:
      'lines, one for each that is read: [{"path","name","children"}] of ls and find; {name:value} or the value itself of cat; a path of pwd',
    load: () => import("../commands/metadata_shell.ts"),
  },
];

/** In the order of the help. */
export const FILES: readonly CommandSpec[] = [{
  path: "log dump",
  summary: "show or check the files of a log, without a broker",
  script: "kafka-dump-log.sh",
  arguments: {
    name: "FILE|DIR…",
    min: 0,
    max: Infinity,
    completes: "file",
    brief:
      "files of kf or Apache Kafka, or folders with all below them (default kf-data)",
  },
  flags: [
    { name: "records", brief: "the records of each batch, too" },
    {
      name: "verify",
      brief:
        "print only what is wrong, where, and what to do; hold indexes against their log",
    },
  ],
  examples: [
    {
      line: "kf log dump kf-data/events-0/00000000000000000000.log",
      does: "its batches; with --records what is in them",
    },
    {
      line: "kf log dump --verify",
      does: "checks all files of kf-data; exit 1 when one is damaged",
    },
    {
      line: "kf log dump kf-data/events-0 --format json | jq .maxTimestamp",
      does: "one JSON object per line",
    },
  ],
  json: [
    "lines, each one of these by its kind:",
    '{"file","kind":"batch","position","sizeInBytes","baseOffset","lastOffset","count","codec","partitionLeaderEpoch","producerId","producerEpoch","baseSequence","isTransactional","isControl","control","timestampType","maxTimestamp","isCrcValid","deleteHorizonMs"}',
    '{"file","kind":"record","position","offset","timestamp","key","value","headers","control","decoded"}',
    '{"file","kind":"index","position","offset","batchPosition"}',
    '{"file","kind":"timeindex","position","timestamp","offset"}',
    '{"file","kind":"txnindex","position","producerId","firstOffset","lastOffset","lastStableOffset"}',
    '{"file","kind":"producer","position","producerId","producerEpoch","lastSequence","lastOffset","offsetDelta","lastTimestamp","coordinatorEpoch","currentTxnFirstOffset"}',
    '{"file","kind":"epoch","position","epoch","startOffset"}',
    '{"file","kind":"checkpoint","position","topic","partition","offset"}',
    '{"file","kind":"partition","position","topicId"}',
    '{"file","kind":"property","position","name","value"}',
    '{"file","kind":"problem","position","problem","remedy"}',
    "position: the byte at which it begins, for a record its batch; control: names of control records; decoded: type, key and value of a record of __consumer_offsets or __cluster_metadata, and of a control record. Bytes as by kf consume -J. TSV has the same values in this order, and no header",
  ].join("\n"),
  load: () => import("../commands/log_dump.ts"),
}, {
  path: "log repair",
  summary: "mend the files of a stopped broker",
  arguments: {
    name: "DIR",
    min: 1,
    max: 1,
    completes: "file",
    brief:
      "a data folder of kf or Apache Kafka, or one partition's folder in it",
  },
  flags: [DRY_RUN, YES],
  examples: [
    {
      line: "kf log repair kf-data --dry-run",
      does: "what is wrong, what would be done, and which records go",
    },
    {
      line: "kf log repair kf-data/events-0 -y",
      does:
        "cuts the log before its first bad batch, and keeps what is cut beside it",
    },
  ],
  json:
    '[{"file","position","problem","action","kept","remedy","lostBytes","lostRecords","lostFromOffset","lostToOffset","isDone"}], action is cut, drop, rebuild, rewrite, remove or none; lost… of cut and drop only, records as far as they can be told apart; kept: the file that has what was taken out. Exit 1 when a problem with action none is left',
  load: () => import("../commands/log_repair.ts"),
}, ...METADATA];
