/**
 * Commands about consumer groups.
 *
 * @module
 */
import type { ArgumentSpec, CommandSpec } from "../command.ts";
import { DRY_RUN, MOVES_JSON, YES } from "./flags.ts";

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

/** In the order of the help. */
export const GROUPS: readonly CommandSpec[] = [
  {
    path: "group list",
    summary: "list consumer groups",
    script: "kafka-consumer-groups.sh --list",
    flags: [],
    examples: [{ line: "kf group list", does: "all groups and their state" }],
    json: '[{"groupId","state","protocolType","type"}]',
    load: () => import("../commands/group_list.ts"),
  },
  {
    path: "group describe",
    summary: "show the members of groups and what they own",
    script: "kafka-consumer-groups.sh --describe --members",
    arguments: GROUP_IDS,
    flags: [],
    examples: [{ line: "kf group describe g", does: "one group" }],
    json:
      '[{"groupId","type","state","protocolType","protocol","coordinator","members":[{"memberId","groupInstanceId","clientId","clientHost","assignment":[{"topic","partition"}]}]}]',
    load: () => import("../commands/group_describe.ts"),
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
      '[{"topic","partition","committedOffset","endOffset","lag","timeLagMs","memberId"}]',
    load: () => import("../commands/group_lag.ts"),
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
    load: () => import("../commands/group_seek.ts"),
  },
  {
    path: "group delete",
    summary: "delete groups and their committed offsets",
    script: "kafka-consumer-groups.sh --delete",
    arguments: GROUP_IDS,
    flags: [DRY_RUN, YES],
    examples: [{ line: "kf group delete g -y", does: "without asking" }],
    json: '[{"groupId","deleted"}]',
    load: () => import("../commands/group_delete.ts"),
  },
];
