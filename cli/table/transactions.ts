/**
 * Commands about transactions.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, YES } from "./flags.ts";

/** In the order of the help. */
export const TRANSACTIONS: readonly CommandSpec[] = [
  {
    path: "txn list",
    summary: "list transactional ids and the state of their transactions",
    script: "kafka-transactions.sh list",
    flags: [
      {
        name: "state",
        value: "STATE",
        choices: [
          "Empty",
          "Ongoing",
          "PrepareCommit",
          "PrepareAbort",
          "CompleteCommit",
          "CompleteAbort",
          "PrepareEpochFence",
          "Dead",
        ],
        brief: "only those in this state, e.g. Ongoing",
      },
      {
        name: "running",
        value: "DURATION",
        brief: "only transactions that run longer than this",
      },
    ],
    examples: [
      { line: "kf txn list", does: "all that coordinators remember" },
      {
        line: "kf txn list --state Ongoing --running 5m",
        does: "what may hold up readers of committed records",
      },
    ],
    json: '[{"transactionalId","state","producerId","coordinator"}]',
    load: () => import("../commands/txn_list.ts"),
  },
  {
    path: "txn describe",
    summary: "show transactional ids, or the producers of a partition",
    script: "kafka-transactions.sh describe, describe-producers",
    arguments: {
      name: "ID…",
      min: 0,
      max: Infinity,
      completes: "transactional id",
      brief: "transactional ids",
    },
    flags: [{
      name: "producers",
      value: "TOPIC:P",
      completes: "topic",
      brief: "instead, the producers that this partition remembers",
    }],
    examples: [
      {
        line: "kf txn describe load",
        does: "its state, since when it runs, and its partitions",
      },
      {
        line: "kf txn describe --producers orders:0",
        does: "at which offset open transactions begin",
      },
    ],
    json:
      '[{"transactionalId","state","coordinator","producerId","producerEpoch","timeoutMs","startTimestamp","partitions":[{"topic","partition"}]}]; with --producers [{"topic","partition","producerId","producerEpoch","lastSequence","lastTimestamp","coordinatorEpoch","transactionStartOffset"}]',
    load: () => import("../commands/txn_describe.ts"),
  },
  {
    path: "txn abort",
    summary: "end a transaction that its producer does not end",
    script: "kafka-transactions.sh forceTerminateTransaction, abort",
    arguments: {
      name: "ID",
      min: 0,
      max: 1,
      completes: "transactional id",
      brief: "the transactional id; whoever uses it is fenced",
    },
    flags: [
      {
        name: "hanging",
        value: "TOPIC:P",
        completes: "topic",
        brief:
          "instead, one that hangs in this partition: no coordinator knows it",
      },
      {
        name: "start-offset",
        value: "N",
        brief: "where the hanging one begins",
      },
      DRY_RUN,
      YES,
    ],
    examples: [
      { line: "kf txn abort load", does: "asks first" },
      {
        line: "kf txn abort --hanging orders:0 --start-offset 4711 -y",
        does: "an abort marker into orders-0; kf txn list must not show it",
      },
    ],
    json:
      '{"transactionalId","producerId","partitions":[{"topic","partition"}],"aborted"}',
    load: () => import("../commands/txn_abort.ts"),
  },
];
