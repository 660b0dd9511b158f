/**
 * `kf leader elect`.
 *
 * @module
 */
import type { Admin, ElectionType, PartitionInfo } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import { partitionKey, partitionsOf } from "../targets.ts";
import type { Settings } from "../settings.ts";
import { monoMs, sleep } from "../terminal.ts";
import { parseTopicPartitions } from "../units.ts";

/** How long brokers may take to hear who leads. */
const HEARD_MS = 5_000;
const PAUSE_MS = 50;

type Outcome = "elected" | "not needed" | "would be elected";

interface Row {
  readonly before: PartitionInfo;
  readonly after: number;
  readonly outcome: Outcome;
}

/** Runs `kf leader elect`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const type = flags.has("unclean") ? "unclean" : "preferred";
  const wanted = args.map(parseTopicPartitions);
  if (flags.has("all") === wanted.length > 0) {
    throw new UsageError(
      "Cannot elect: name topics, or --all for every partition that needs it",
    );
  }
  const isDry = flags.has("dry-run");
  if (type === "unclean" && !isDry) requireAnswer(call, questionOf());
  await withAdmin(settings, async (admin) => {
    const known = await describeAll(
      admin,
      flags.has("all")
        ? (await admin.listTopics()).map(({ name }) => name)
        : wanted.map(({ topic }) => topic),
    );
    const due = [...known.values()].filter((each) => isDue(each, type));
    const named = wanted.length === 0 ? due : (await partitionsOf(
      admin,
      wanted,
    )).flatMap((at) => known.get(partitionKey(at)) ?? []);
    if (isDry) {
      return await print(
        named.map((before) => expected(before, type)),
        settings,
      );
    }
    const lossy = named.filter((each) => isDue(each, "unclean")).length;
    if (type === "unclean" && lossy > 0) {
      if (!await confirm(call, questionOf(lossy))) {
        return say("nobody elected", settings);
      }
    }
    await elect(admin, named, { type, settings });
  });
}

function questionOf(count?: number): string {
  const who = count === undefined
    ? "partitions without one"
    : count === 1
    ? "1 partition without one"
    : `${count} partitions without one`;
  return `Elect leaders of ${who}, and lose the records that only replicas which are away have?`;
}

/** Whether an election would change anything. */
function isDue({ leader, replicas }: PartitionInfo, type: ElectionType) {
  return type === "unclean" ? leader < 0 : leader !== replicas[0];
}

function expected(before: PartitionInfo, type: ElectionType): Row {
  if (!isDue(before, type)) {
    return { before, after: before.leader, outcome: "not needed" };
  }
  const after = type === "preferred" ? before.replicas[0] ?? -1 : -1;
  return { before, after, outcome: "would be elected" };
}

async function elect(
  admin: Admin,
  partitions: readonly PartitionInfo[],
  { type, settings }: {
    readonly type: ElectionType;
    readonly settings: Settings;
  },
): Promise<void> {
  const outcomes = partitions.length === 0
    ? []
    : await admin.electLeaders(type, partitions);
  const errors = new Map(
    outcomes.map((each) => [partitionKey(each), each.error]),
  );
  const isElected = (at: PartitionInfo) =>
    errors.has(partitionKey(at)) && errors.get(partitionKey(at)) === undefined;
  const isNotNeeded = (at: PartitionInfo) =>
    errors.get(partitionKey(at))?.error === "ELECTION_NOT_NEEDED";
  const after = await leadersAfter(admin, partitions.filter(isElected));
  await print(
    partitions.filter((each) => isElected(each) || isNotNeeded(each))
      .map((before) => ({
        before,
        after: after.get(partitionKey(before)) ?? before.leader,
        outcome: isElected(before) ? "elected" : "not needed",
      })),
    settings,
  );
  throwFailed(
    outcomes.filter((each) => each.error?.error !== "ELECTION_NOT_NEEDED")
      .map((each) => ({ ...each, name: partitionKey(each) })),
    "elect a leader of",
  );
}

/** Who leads now: the controller knows first, brokers hear of it soon. */
async function leadersAfter(
  admin: Admin,
  elected: readonly PartitionInfo[],
): Promise<Map<string, number>> {
  const deadlineMs = monoMs() + HEARD_MS;
  const topics = elected.map(({ topic }) => topic);
  for (;;) {
    const now = await describeAll(admin, topics);
    const isHeard = elected.every((before) =>
      now.get(partitionKey(before))?.leader !== before.leader
    );
    if (isHeard || monoMs() > deadlineMs) {
      return new Map([...now].map(([key, { leader }]) => [key, leader]));
    }
    await sleep(PAUSE_MS);
  }
}

/** Partitions of topics, by name. */
async function describeAll(
  admin: Admin,
  topics: readonly string[],
): Promise<Map<string, PartitionInfo>> {
  const described = await admin.describeTopics([...new Set(topics)]);
  throwFailed(described, "describe topic");
  return new Map(
    described.flatMap(({ partitions }) => partitions)
      .map((each) => [partitionKey(each), each]),
  );
}

async function print(rows: readonly Row[], settings: Settings): Promise<void> {
  const shown = rows.map(({ before, after, outcome }) => ({
    topic: before.topic,
    partition: before.partition,
    preferred: before.replicas[0] ?? -1,
    before: before.leader,
    after,
    outcome,
  }));
  const nobody = (id: number) => id < 0 ? null : id;
  await printAnswer({
    json: shown,
    columns: ["topic", "partition", "preferred", "before", "after", "outcome"],
    rows: shown.map((each) => [
      each.topic,
      each.partition,
      each.preferred,
      nobody(each.before),
      nobody(each.after),
      each.outcome,
    ]),
    whenEmpty: "no partition needs another leader",
  }, settings);
}
