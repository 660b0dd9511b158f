/**
 * Commands that make, measure, prove and move records by the topic.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "../command.ts";

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
      {
        name: "count",
        short: "n",
        value: "N",
        brief: "so many records (default 100; without end with --duration)",
      },
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
];
