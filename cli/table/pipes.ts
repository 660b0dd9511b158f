/**
 * Commands that work on records exactly once.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, FRAMING } from "./flags.ts";

const PIPE_MORE =
  `Exactly once: records are read committed and in order, and what the
command makes of a batch is committed together with the batch's offsets in
one transaction, or not at all, whoever is killed when. A batch is of one
partition; its results go to the partition of the same number in the other
topic, so that order stays (modulo, where that has fewer). Several kf pipe
with the same group share the partitions. What else the command does, such
as a call to a web service, may be done again after a crash: at least once.
Who reads the results must leave out what was given up: kf consume
--read-committed.

Modes:
  spawn  the command is started for each batch, gets it on stdin, may give
         as many lines as it likes, and must end with exit code 0
  line   the command lives on and answers each line with exactly one line
  frame  the command lives on and gives as many lines as it likes; after
         each batch it gets a line {"kf.barrier":…}, and must give it back
A command that lives on must not keep its output back: stdbuf -oL, sed -u,
jq --unbuffered, python -u.

What stays: with line, a result has the key, headers and timestamp of its
record, and an empty answer to a null value is a null value. With spawn and
frame it has no key and no headers, and the batch's latest timestamp. -K
carries keys as well, -J everything, in the form of kf consume -J. Without
-J a null value is an empty line.

When the command fails, nothing of its batch counts. stop ends with exit
code 1; retry tries again, ever more slowly; dlq halves the batch until the
one record is found that fails, and puts that into the dead-letter topic, as
it was, with headers that say why: kf.dlq.topic, kf.dlq.partition,
kf.dlq.offset, kf.dlq.group, kf.dlq.error, kf.dlq.exit-code, kf.dlq.stderr.`;

/** In the order of the help. */
export const PIPES: readonly CommandSpec[] = [
  {
    path: "pipe",
    summary: "filter a topic into another with a command, exactly once",
    arguments: {
      name: "COMMAND…",
      min: 1,
      max: Infinity,
      rest: "file",
      brief: "the command and its arguments, after --",
    },
    flags: [
      {
        name: "from",
        value: "TOPIC",
        completes: "topic",
        brief: "the topic to read",
      },
      {
        name: "to",
        value: "TOPIC",
        completes: "topic",
        brief: "the topic to write, made with as many partitions when missing",
      },
      {
        name: "group",
        short: "g",
        value: "GROUP",
        completes: "group",
        brief: "what keeps how far it got (default kf-pipe.FROM.TO)",
      },
      {
        name: "mode",
        value: "spawn|line|frame",
        choices: ["spawn", "line", "frame"],
        brief: "how the command takes part (default spawn)",
      },
      {
        name: "batch",
        value: "N",
        brief: "records of a batch at most (default 500)",
      },
      {
        name: "linger",
        value: "DURATION",
        brief: "how long a batch waits for more records (default 100ms)",
      },
      {
        name: "on-error",
        value: "stop|retry|dlq",
        choices: ["stop", "retry", "dlq"],
        brief: "when the command fails (default stop)",
      },
      {
        name: "dlq",
        value: "TOPIC",
        completes: "topic",
        brief: "the dead-letter topic (default FROM.dlq)",
      },
      {
        name: "answer-timeout",
        value: "DURATION",
        brief: "how long a command that lives on may say nothing (default 30s)",
      },
      { name: "json", short: "J", brief: "records cross as JSON envelopes" },
      {
        name: "key-delimiter",
        short: "K",
        value: "DELIM",
        brief: "keys cross as well, before this",
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
        name: "exit-at-end",
        short: "e",
        brief: "end at the end of what is there now",
      },
    ],
    more: PIPE_MORE,
    examples: [
      {
        line: "kf pipe --from nums --to squares -- jq -c '.*.'",
        does: "each batch through jq",
      },
      {
        line: "kf pipe --from log --to errors -- sed -n /ERROR/p",
        does: "some of the lines (grep ends with 1 where nothing matches)",
      },
      {
        line:
          "kf pipe --from raw --to upper --mode line -- sed -u 's/.*/\\U&/'",
        does: "one sed for all, keys and timestamps stay",
      },
      {
        line: "kf pipe --from orders --to checked --on-error dlq -- ./check.sh",
        does: "what check.sh fails on goes to orders.dlq",
      },
      {
        line: "kf pipe --from a --to b -e -J -- jq -c '.key = .value'",
        does: "what is there now, with all of a record in reach",
      },
    ],
    load: () => import("../commands/pipe.ts"),
  },
  {
    path: "dlq redrive",
    summary: "send dead letters of kf pipe back to where they came from, once",
    arguments: {
      name: "TOPIC",
      min: 1,
      max: 1,
      completes: "topic",
      brief: "the dead-letter topic; its records stay there",
    },
    flags: [
      {
        name: "to",
        value: "TOPIC",
        completes: "topic",
        brief: "send all of them to this topic instead",
      },
      {
        name: "group",
        short: "g",
        value: "GROUP",
        completes: "group",
        brief:
          "what keeps how far it got (default kf-dlq-redrive.TOPIC): a letter goes back once",
      },
      DRY_RUN,
    ],
    examples: [
      {
        line: "kf dlq redrive orders.dlq --dry-run",
        does: "how many there are, and for which topics",
      },
      {
        line: "kf dlq redrive orders.dlq",
        does:
          "up to what is there now, as the records were; the next run goes on from here",
      },
    ],
    json: '[{"topic","records","redriven"}]',
    load: () => import("../commands/dlq_redrive.ts"),
  },
];
