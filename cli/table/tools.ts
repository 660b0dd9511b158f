/**
 * Commands that make, measure, prove and move records by the topic.
 *
 * @module
 */
import type { ArgumentSpec, CommandSpec, FlagSpec } from "../command.ts";

const DURATION: FlagSpec = {
  name: "duration",
  value: "DURATION",
  brief: "end after this long, e.g. 30s",
};
const RATE: FlagSpec = {
  name: "rate",
  value: "N",
  brief: "records per second (default as fast as can be)",
};
const KEYS: FlagSpec = {
  name: "keys",
  value: "N",
  brief: "so many different keys (default none)",
};
const SIZE: FlagSpec = {
  name: "size",
  value: "SIZE",
  brief: "bytes of each value (default 100)",
};
const ACKS: FlagSpec = {
  name: "acks",
  value: "all|1|0",
  choices: ["all", "-1", "1", "0"],
  brief: "whose acknowledgement to wait for (default all)",
};
const COMPRESSION: FlagSpec = {
  name: "compression",
  short: "z",
  value: "CODEC",
  choices: ["none", "gzip", "snappy", "lz4", "zstd"],
  brief: "none, gzip, snappy, lz4 or zstd",
};
const BENCH_TOPIC: ArgumentSpec = {
  name: "TOPIC",
  min: 1,
  max: 1,
  completes: "topic",
  brief: "where the records are; they stay there",
};
const BENCH_JSON =
  '{"benchmark","topic","records","failed","bytes","seconds","recordsPerSecond","bytesPerSecond","latency":{"of","minMs","meanMs","p50Ms","p95Ms","p99Ms","p999Ms","maxMs"},"histogram":[{"fromMs","toMs","count"}]}, also off a terminal without --format';

function count(byDefault: string): FlagSpec {
  return {
    name: "count",
    short: "n",
    value: "N",
    brief: `so many records (default ${byDefault})`,
  };
}

const BENCH: readonly CommandSpec[] = [
  {
    path: "bench produce",
    summary: "measure how many records a topic takes, and how fast",
    script: "kafka-producer-perf-test.sh",
    arguments: BENCH_TOPIC,
    flags: [
      count("100000; without end with --duration"),
      DURATION,
      RATE,
      KEYS,
      SIZE,
      ACKS,
      COMPRESSION,
    ],
    examples: [
      {
        line: "kf bench produce perf --size 1k --duration 10s",
        does: "for ten seconds, as fast as can be",
      },
      {
        line:
          "kf bench produce perf -n 100000 -X linger.ms=50 | jq .latency.p99Ms",
        does: "with the producer's own properties; the p99 alone",
      },
    ],
    json: BENCH_JSON,
    load: () => import("../commands/bench_produce.ts"),
  },
  {
    path: "bench consume",
    summary: "measure how fast the records of a topic can be read",
    script: "kafka-consumer-perf-test.sh",
    arguments: BENCH_TOPIC,
    flags: [count("all that are there now"), DURATION],
    examples: [
      { line: "kf bench consume perf", does: "from start to end" },
      {
        line: "kf bench consume perf --duration 10s",
        does: "for ten seconds, or to the end",
      },
    ],
    json: BENCH_JSON,
    load: () => import("../commands/bench_consume.ts"),
  },
  {
    path: "bench e2e",
    summary: "measure how long a record takes from producer to consumer",
    script: "kafka-e2e-latency.sh",
    arguments: BENCH_TOPIC,
    flags: [
      count("10000; without end with --duration"),
      DURATION,
      { ...RATE, brief: "records per second (default 1000)" },
      { ...SIZE, brief: "bytes of each value (default 100, at least 16)" },
      ACKS,
      COMPRESSION,
    ],
    examples: [
      { line: "kf bench e2e perf", does: "10000 records in ten seconds" },
      {
        line: "kf bench e2e perf --rate 20000 --duration 5s",
        does: "under load",
      },
    ],
    json: BENCH_JSON,
    load: () => import("../commands/bench_e2e.ts"),
  },
];

const VERIFY: readonly CommandSpec[] = [
  {
    path: "verify produce",
    summary: "write numbered records, and print what was acknowledged",
    script: "kafka-verifiable-producer.sh",
    arguments: BENCH_TOPIC,
    flags: [
      count("10000; without end with --duration"),
      DURATION,
      RATE,
      {
        ...KEYS,
        brief: "so many different keys (default 10; 0 for none)",
      },
      SIZE,
      ACKS,
    ],
    examples: [
      {
        line: "kf verify produce t -n 100000 > ledger",
        does: "the ledger is for kf verify consume",
      },
      {
        line: "kf verify produce t --duration 1m | kf verify consume t",
        does: "restart brokers meanwhile, and see",
      },
    ],
    json:
      'lines {"run","topic","acks","isIdempotent","keys","valueBytes"}, then {"seq","partition","offset"} or {"seq","error"}',
    load: () => import("../commands/verify_produce.ts"),
  },
  {
    path: "verify consume",
    summary: "prove that a topic holds what was acknowledged, in order, once",
    script: "kafka-verifiable-consumer.sh",
    arguments: {
      name: "TOPIC [LEDGER]",
      min: 1,
      max: 2,
      completes: "topic",
      rest: "file",
      brief:
        "topic, and what kf verify produce printed (default stdin); in a copy of its topic offsets may differ",
    },
    flags: [],
    examples: [
      {
        line: "kf verify consume t ledger",
        does: "exit 1 with the first violations named, 0 when there is none",
      },
    ],
    json:
      '{"run","topic","acks","isIdempotent","sent","acked","found","foreign","lost","moved","duplicated","reordered","altered","split","unproven","isProven","violations":[{"kind","seq","partition","offset"}]}',
    load: () => import("../commands/verify_consume.ts"),
  },
];

const MOVES: readonly CommandSpec[] = [
  {
    path: "export",
    summary: "keep a topic's records in a file, without loss",
    arguments: {
      name: "TOPIC [FILE|DIR/]",
      min: 1,
      max: 2,
      completes: "topic",
      rest: "file",
      brief:
        "topic, and the file or folder (default stdout); what is there is gone on from, after a kill or for what came since",
    },
    flags: [],
    examples: [
      {
        line: "kf export orders orders.jsonl",
        does: "up to what is there now; committed records only",
      },
      {
        line: "kf export orders orders/",
        does: "a file for each partition, and the topic's configuration",
      },
      {
        line: "kf export orders | gzip > orders.jsonl.gz",
        does: "lines as of kf consume -J",
      },
    ],
    json: '{"topic","file","isResumed","records","bytes"}',
    load: () => import("../commands/export.ts"),
  },
  {
    path: "import",
    summary: "write an export into a topic, each record where it was",
    arguments: {
      name: "TOPIC [FILE|DIR]",
      min: 1,
      max: 2,
      completes: "topic",
      rest: "file",
      brief:
        "topic, created when missing, and the file or folder (default stdin)",
    },
    flags: [
      {
        name: "partitions",
        short: "p",
        value: "N",
        brief:
          "partitions of a topic that has to be created (default as exported from a folder)",
      },
      {
        name: "state",
        value: "FILE",
        completes: "file",
        brief:
          "what a killed import is gone on from (default FILE.import, none for stdin)",
      },
    ],
    examples: [
      {
        line: "kf import orders orders.jsonl -p 6",
        does: "the same line again goes on after a kill",
      },
      {
        line: "kf export a -b one:9092 | kf import b -b two:9092 --state s",
        does: "from cluster to cluster",
      },
    ],
    json: '{"topic","file","isResumed","records"}',
    load: () => import("../commands/import.ts"),
  },
  {
    path: "copy",
    summary: "copy a topic, each record to the partition it has",
    script: "kafka-mirror-maker.sh",
    arguments: {
      name: "FROM TO",
      min: 2,
      max: 2,
      completes: "topic",
      brief: "the topic, and the one to write to, created like it when missing",
    },
    flags: [
      {
        name: "to-brokers",
        value: "HOST:PORT,…",
        brief: "the cluster to write to (default the same)",
      },
      { name: "follow", brief: "go on with what comes, until stopped" },
      {
        name: "group",
        short: "g",
        value: "GROUP",
        completes: "group",
        brief: "what keeps how far it got (default kf-copy.FROM.TO)",
      },
    ],
    examples: [
      {
        line: "kf copy orders orders-2",
        does: "what is there now; the same line again copies what came since",
      },
      {
        line:
          "kf copy orders orders -b one:9092 --to-brokers two:9092 --follow",
        does: "from cluster to cluster, until Ctrl-C",
      },
      {
        line: "kf copy a b -X producer.compression.type=zstd",
        does: "properties of one side",
      },
    ],
    json: '{"from","to","group","isResumed","records"}',
    load: () => import("../commands/copy.ts"),
  },
];

/** `kf gen` and its like. */
export const TOOLS: readonly CommandSpec[] = [
  {
    path: "gen",
    summary: "make up records, the same for the same flags",
    arguments: {
      name: "TOPIC",
      min: 0,
      max: 1,
      completes: "topic",
      brief: "write them there; without it they are lines on stdout",
    },
    flags: [
      count("100; without end with --duration"),
      DURATION,
      RATE,
      KEYS,
      {
        name: "size",
        value: "SIZE",
        brief: "values of so many letters (default small JSON objects)",
      },
      { name: "seed", value: "N", brief: "other numbers, other records" },
      {
        name: "key-delimiter",
        short: "K",
        value: "DELIM",
        brief: "what parts key and value on stdout (default \\t)",
      },
    ],
    examples: [
      { line: "kf gen orders -n 10000 --keys 50", does: "into a topic" },
      { line: "kf gen -n 3 --size 20", does: "three lines of 20 letters" },
      {
        line: "kf gen --rate 5 --duration 1m | kf produce slow",
        does: "five records a second for a minute",
      },
    ],
    json:
      'with TOPIC {"topic","records","bytes"}; without, lines {"key","value"} for kf produce --envelope json',
    load: () => import("../commands/gen.ts"),
  },
  ...BENCH,
  ...VERIFY,
  ...MOVES,
];
