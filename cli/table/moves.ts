/**
 * Commands about where partitions are, and who leads them.
 *
 * @module
 */
import type { CommandSpec } from "../command.ts";
import { DRY_RUN, YES } from "./flags.ts";

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
];
