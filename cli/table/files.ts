/**
 * Commands that look into the files of a broker and need none to run.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";

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
    '{"file","kind":"batch","position","sizeInBytes","baseOffset","lastOffset","count","codec","partitionLeaderEpoch","producerId","producerEpoch","baseSequence","isTransactional","isControl","control","timestampType","maxTimestamp","isCrcValid"}',
    '{"file","kind":"record","position","offset","timestamp","key","value","headers","control","decoded"}',
    '{"file","kind":"index","position","offset","batchPosition"}',
    '{"file","kind":"timeindex","position","timestamp","offset"}',
    '{"file","kind":"txnindex","position","producerId","firstOffset","lastOffset","lastStableOffset"}',
    '{"file","kind":"producer","position","producerId","producerEpoch","lastSequence","lastOffset","offsetDelta","lastTimestamp","coordinatorEpoch","currentTxnFirstOffset"}',
    '{"file","kind":"epoch","position","epoch","startOffset"}',
    '{"file","kind":"checkpoint","position","topic","partition","offset"}',
    '{"file","kind":"partition","position","topicId"}',
    '{"file","kind":"problem","position","problem","remedy"}',
    "position: the byte at which it begins, for a record its batch; control: names of control records; decoded: type, key and value of a record of __consumer_offsets or __cluster_metadata. Bytes as by kf consume -J. TSV has the same values in this order, and no header",
  ].join("\n"),
  load: () => import("../commands/log_dump.ts"),
}];
