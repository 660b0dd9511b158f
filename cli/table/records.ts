/**
 * Commands that write and read records.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { FRAMING, TOPIC_FLAG } from "./flags.ts";

/** `kf produce`. */
export const PRODUCE: CommandSpec = {
  path: "produce",
  summary: "write records from stdin or files to a topic",
  script: "kafka-console-producer.sh",
  arguments: {
    name: "TOPIC [FILE…]",
    min: 0,
    max: Infinity,
    completes: "topic",
    rest: "file",
    brief: "topic, then files to read (- is stdin); with -t files alone",
  },
  flags: [
    {
      ...TOPIC_FLAG,
      brief: "the topic: all arguments are files then (KF_TOPIC)",
    },
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
    FRAMING,
    {
      name: "file-per-record",
      brief: "the whole of each file, or of stdin, is one record",
    },
    { name: "rate", value: "N", brief: "no more than N records per second" },
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
      name: "txn",
      value: "ID",
      completes: "transactional id",
      brief:
        "all of the input or nothing, as one transaction of this transactional id",
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
      line: "kf produce -t logs *.log",
      does: "as kcat has it: behind -t all are files",
    },
    {
      line: "find . -print0 | kf produce -0 files -z zstd",
      does: "records that end with NUL, compressed",
    },
    {
      line: "kf produce --file-per-record images *.png",
      does: "one record per file",
    },
    {
      line: "kf produce --txn nightly-load prices < prices.csv",
      does:
        "committed at the end of the input; a record that fails, or Ctrl-C, aborts all",
    },
    {
      line: "kf consume -J a -e | kf produce b --envelope json",
      does: "keys, values, headers and timestamps of a, byte for byte",
    },
  ],
  load: () => import("../commands/produce.ts"),
};

/** `kf consume`. */
export const CONSUME: CommandSpec = {
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
      name: "group-protocol",
      value: "NAME",
      choices: ["classic", "consumer"],
      brief: "who divides the topics: a member (classic) or the broker",
    },
    {
      name: "offset",
      short: "o",
      value: "WHERE",
      brief: "start, end, N, -N from the end, or @TIME (default start)",
    },
    {
      name: "from",
      value: "WHERE",
      brief: "the same as --offset, beside --to",
    },
    {
      name: "to",
      value: "@TIME|N|end",
      brief: "end before this time or offset, in each partition",
    },
    {
      name: "tail",
      value: "N",
      brief: "the last N records of all partitions, by time, then end",
    },
    {
      name: "exit-at-end",
      short: "e",
      brief: "end at the end of what is there now",
    },
    { name: "limit", short: "n", value: "N", brief: "end after N records" },
    {
      name: "read-committed",
      brief:
        "leave out records of open and aborted transactions, and end (-e) before the first open one",
    },
    {
      name: "regex",
      short: "r",
      brief: "topics are regular expressions that match whole names",
    },
    {
      name: "partitions",
      short: "p",
      value: "LIST",
      brief: "only these partitions: 0 or 0,2 or 0-3",
    },
    {
      name: "key",
      value: "KEY",
      brief: "only records with this key, from the partition it hashes to",
    },
    {
      name: "filter",
      value: "k:RE|v:RE|h:NAME=RE",
      repeats: true,
      brief: "only where key, value or header matches; all that are given",
    },
    {
      name: "where",
      value: "EXPR",
      repeats: true,
      brief: "only where this holds, as 'value.total > 80 and key =~ \"^a\"'",
    },
    {
      name: "latest-per-key",
      brief: "of each key the latest record, without deleted ones, then end",
    },
    {
      name: "order",
      value: "timestamp",
      choices: ["timestamp"],
      brief: "partitions merged by time; with -e or --to",
    },
    {
      name: "print",
      short: "f",
      value: "FORMAT",
      brief: "how each record is printed: see below",
    },
    { name: "json", short: "J", brief: "one JSON object per record" },
    {
      name: "json-value",
      brief: "like -J, with values that are JSON nested as such",
    },
    { name: "null", short: "0", brief: "end each record with a NUL byte" },
    FRAMING,
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
    {
      line: "kf consume prices -e --read-committed",
      does: "what committed transactions wrote, and records outside of any",
    },
    {
      line: "kf consume orders -e --where 'value.total > 80' --order timestamp",
      does: "some orders of all partitions, oldest first",
    },
  ],
  json:
    '-J or --format json: {"topic","partition","offset","timestamp","key","value","headers":[[name,value]]}; text that is no UTF-8 is {"base64"}',
  load: () => import("../commands/consume.ts"),
};
