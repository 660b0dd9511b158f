/**
 * The table of all commands. Parsing, help, `--help-json` and completion are
 * read from it; nothing about a command's use may be said anywhere else.
 *
 * @module
 */
import type { CommandSpec, FlagSpec } from "./command.ts";
import { CLUSTER } from "./table/cluster.ts";
import { FILES } from "./table/files.ts";
import { GROUPS } from "./table/groups.ts";
import { LOCAL, PROFILES } from "./table/local.ts";
import { MOVES } from "./table/moves.ts";
import { PIPES } from "./table/pipes.ts";
import { CONSUME, PRODUCE } from "./table/records.ts";
import { SERVERS } from "./table/servers.ts";
import { TOOLS } from "./table/tools.ts";
import { AS_FILE, TOPICS } from "./table/topics.ts";
import { TRANSACTIONS } from "./table/transactions.ts";

/** Flags that every command takes, before or after its name. */
export const GLOBAL_FLAGS: readonly FlagSpec[] = [
  {
    name: "brokers",
    short: "b",
    value: "HOST:PORT,…",
    brief: "where the cluster is (default localhost:9092; KF_BROKERS)",
  },
  {
    name: "property",
    short: "X",
    value: "KEY=VALUE",
    repeats: true,
    brief: "any Kafka property of the client, or of the broker for kf broker",
  },
  {
    name: "format",
    value: "text|json|tsv",
    choices: ["text", "json", "tsv"],
    brief: "how answers are printed (KF_FORMAT)",
  },
  {
    name: "color",
    value: "auto|always|never",
    choices: ["auto", "always", "never"],
    brief: "colour on the terminal (KF_COLOR; NO_COLOR is honoured)",
  },
  {
    name: "profile",
    value: "NAME",
    completes: "profile",
    brief: "settings to start from: see kf profile (KF_PROFILE)",
  },
  { name: "quiet", short: "q", brief: "say nothing but errors on stderr" },
  { name: "verbose", short: "v", brief: "say more on stderr" },
  {
    name: "timeout",
    value: "DURATION",
    brief: "how long to wait for the cluster, e.g. 10s (KF_TIMEOUT)",
  },
  { name: "help", short: "h", brief: "this text" },
  { name: "version", brief: "the version" },
  { name: "help-json", brief: "all commands and flags as JSON" },
];

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  ...SERVERS,
  PRODUCE,
  CONSUME,
  ...PIPES,
  ...TOPICS,
  ...GROUPS,
  ...TRANSACTIONS,
  ...CLUSTER,
  ...MOVES,
  ...FILES,
  ...AS_FILE,
  ...TOOLS,
  ...PROFILES,
  ...LOCAL,
];

/** What the commands that have subcommands are about; then their names. */
export const FAMILIES: Readonly<Record<string, string>> = {
  topic: family("topic", "topics"),
  group: family("group", "consumer groups"),
  txn: family("txn", "transactions"),
  profile: family("profile", "named settings"),
  cluster: family("cluster", "the cluster"),
  leader: family("leader", "leaders of partitions"),
  reassign: family("reassign", "moves of partitions"),
  dlq: family("dlq", "dead letters"),
  bench: family("bench", "throughput and latency"),
  verify: family("verify", "what was promised, proved"),
  log: family("log", "the files of logs"),
  metadata: family(
    "metadata",
    "the cluster's metadata as a tree, from disk or a quorum",
  ),
};

function family(name: string, about: string): string {
  const paths = COMMANDS.map(({ path }) => path.split(" "));
  const verbs = paths.filter(([first, verb]) => first === name && verb)
    .map(([_, verb]) => verb);
  return `${about}: ${verbs.join(", ")}`;
}
