/**
 * Commands about where partitions are, and who leads them.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, OUTCOMES_JSON, YES } from "./flags.ts";

const THROTTLE = {
  name: "throttle",
  value: "SIZE",
  brief: "copy at most so many bytes per second on each broker: 50m",
};
const NO_WAIT = {
  name: "no-wait",
  brief: "end as soon as the moves have begun",
};

/** In the order of the help. */
export const MOVES: readonly CommandSpec[] = [
  {
    path: "leader elect",
    summary: "have the preferred, or any live, replica lead partitions",
    script: "kafka-leader-election.sh",
    arguments: {
      name: "TOPIC[:PARTITIONS]…",
      min: 0,
      max: Infinity,
      completes: "topic",
      brief: "topics, or some of their partitions: orders:0,2 or orders:0-3",
    },
    flags: [
      { name: "all", brief: "every partition that needs it" },
      {
        name: "unclean",
        brief:
          "for partitions without a leader: a replica that lacks records may lead",
      },
      DRY_RUN,
      YES,
    ],
    more:
      "The preferred replica is the first of a partition's replicas; it leads if it is in sync. With --unclean a replica that is not in sync may lead where nobody else can, and what only the others had is lost: for when these won't come back.",
    examples: [
      {
        line: "kf leader elect --all",
        does: "after brokers came back: everyone leads what they should",
      },
      { line: "kf leader elect orders:0", does: "one partition" },
      {
        line: "kf leader elect orders --unclean --dry-run",
        does: "which partitions would be led again, with losses",
      },
    ],
    json: '[{"topic","partition","preferred","before","after","outcome"}]',
    load: () => import("../commands/leader_elect.ts"),
  },
  {
    path: "reassign plan",
    summary: "plan moves of replicas, so that brokers hold and lead alike much",
    script: "kafka-reassign-partitions.sh --generate",
    arguments: {
      name: "TOPIC…",
      min: 0,
      max: Infinity,
      completes: "topic",
      brief: "only these topics",
    },
    flags: [
      {
        name: "to",
        value: "LIST",
        brief: "only these brokers are to hold replicas: 1,2,3 or 1-3",
      },
      {
        name: "replicas",
        short: "r",
        value: "N",
        brief: "give each partition as many replicas (default: as it has)",
      },
    ],
    more:
      "No more is moved than that takes; what is balanced already stays as it is. Replicas of a partition are kept on as many racks as there are. Nothing is changed: --format json is for kf reassign apply, and for kafka-reassign-partitions.sh --execute.",
    examples: [
      {
        line: "kf reassign plan",
        does: "after a broker was added: what it would get",
      },
      {
        line: "kf reassign plan --format json | kf reassign apply - -y",
        does: "does it at once",
      },
      {
        line: "kf reassign plan orders -r 3 --format json > moves.json",
        does: "three replicas for one topic",
      },
    ],
    json: '{"version","partitions":[{"topic","partition","replicas"}]}',
    load: () => import("../commands/reassign_plan.ts"),
  },
  {
    path: "reassign apply",
    summary: "move replicas as a plan says, and wait until they are there",
    script: "kafka-reassign-partitions.sh --execute",
    arguments: {
      name: "FILE",
      min: 1,
      max: 1,
      completes: "file",
      brief: "what kf reassign plan --format json printed; - is stdin",
    },
    flags: [THROTTLE, NO_WAIT, DRY_RUN, YES],
    more:
      "In the end the first replica of each partition leads it. Moves are the cluster's own: they go on when this command is interrupted. The same file again goes on waiting. A throttle slows down only replicas that are not in sync; it is taken away when all is moved, and stays for what still moves after Ctrl-C or with --no-wait: kf reassign unthrottle ends it.",
    examples: [
      {
        line: "kf reassign apply moves.json",
        does: "shows the moves, asks, and waits until they are done",
      },
      {
        line: "kf reassign apply moves.json -y --throttle 50m",
        does: "leaves room for clients",
      },
      {
        line: "kf reassign apply moves.json -y --no-wait",
        does: "only begins them",
      },
    ],
    json: OUTCOMES_JSON,
    load: () => import("../commands/reassign_apply.ts"),
  },
  {
    path: "reassign drain",
    summary: "move everything off a broker, and nothing else",
    flags: [
      { name: "broker", value: "N", brief: "the broker's id" },
      THROTTLE,
      NO_WAIT,
      DRY_RUN,
      YES,
    ],
    more:
      "The broker may run or not; what it alone has is moved only while it runs. It may get replicas of new topics until it is stopped.",
    examples: [
      {
        line: "kf reassign drain --broker 3 --dry-run",
        does: "what would go where",
      },
      {
        line: "kf reassign drain --broker 3 -y",
        does: "then it can be stopped and removed",
      },
    ],
    json: OUTCOMES_JSON,
    load: () => import("../commands/reassign_drain.ts"),
  },
  {
    path: "reassign list",
    summary: "show the partitions that are being moved, and how far",
    script: "kafka-reassign-partitions.sh --list",
    arguments: {
      name: "TOPIC…",
      min: 0,
      max: Infinity,
      completes: "topic",
      brief: "only these topics",
    },
    flags: [],
    examples: [{ line: "kf reassign list", does: "every one" }],
    json:
      '[{"topic","partition","replicas","addingReplicas","removingReplicas","copiedBytes","bytes"}]',
    load: () => import("../commands/reassign_list.ts"),
  },
  {
    path: "reassign cancel",
    summary: "call moves off: replicas stay where they were",
    script: "kafka-reassign-partitions.sh --cancel",
    arguments: {
      name: "TOPIC[:PARTITIONS]…",
      min: 0,
      max: Infinity,
      completes: "topic",
      brief: "topics, or some of their partitions: orders:0,2 or orders:0-3",
    },
    flags: [
      { name: "all", brief: "every move that goes on" },
      DRY_RUN,
      YES,
    ],
    examples: [
      { line: "kf reassign cancel --all -y", does: "every one" },
      { line: "kf reassign cancel orders:0 -y", does: "one partition" },
    ],
    json: '[{"topic","partition","outcome"}]',
    load: () => import("../commands/reassign_cancel.ts"),
  },
  {
    path: "reassign unthrottle",
    summary: "let replicas be copied at full speed again",
    script: "kafka-reassign-partitions.sh --verify",
    flags: [DRY_RUN],
    more:
      "For throttles that were left behind: by Ctrl-C, --no-wait or Kafka's tool. kf reassign apply --throttle takes its own away.",
    examples: [
      { line: "kf reassign unthrottle", does: "on all brokers and topics" },
    ],
    json: '[{"type","name"}]',
    load: () => import("../commands/reassign_unthrottle.ts"),
  },
];
