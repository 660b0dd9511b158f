/**
 * `kf group lag`.
 *
 * @module
 */
import type { Admin, TopicPartition } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { type Answer, printAnswer, throwFailed } from "../output.ts";
import { inOrder, partitionKey } from "../targets.ts";
import { wallMs } from "../terminal.ts";
import { UnreadTimes } from "../time_lag.ts";
import { formatDuration } from "../units.ts";

/** Runs `kf group lag`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const group = args[0] ?? "";
  const times = new UnreadTimes(settings);
  await withAdmin(settings, async (admin) => {
    const ask = () => answerOf(admin, { group, times });
    if (!flags.has("watch")) return await printAnswer(await ask(), settings);
    const { watch } = await import("../watch.ts");
    await watch(settings, ask);
  });
}

interface Asked {
  readonly group: string;
  readonly times: UnreadTimes;
}

async function answerOf(
  admin: Admin,
  { group, times }: Asked,
): Promise<Answer> {
  const lags = await withTimes(await listLags(admin, group), times);
  const columns = [
    "topic",
    "partition",
    "committedOffset",
    "endOffset",
    "lag",
    "timeLagMs",
    "memberId",
  ] as const;
  return {
    json: lags,
    columns: [
      "topic",
      "partition",
      "committed",
      "end",
      "lag",
      "behind",
      "member",
    ],
    rows: lags.map((row) =>
      columns.map((name) =>
        name === "timeLagMs" && row[name] !== null
          ? formatDuration(row[name])
          : row[name]
      )
    ),
    // Time alone goes on whatever the group does.
    changesWith: JSON.stringify(
      lags,
      (name, value) => name === "timeLagMs" ? undefined : value,
    ),
    whenEmpty: `group "${group}" has committed nothing`,
  };
}

interface Lag extends TopicPartition {
  readonly committedOffset: number | null;
  readonly endOffset: number;
  readonly lag: number | null;
  readonly memberId: string | null;
}

/** Adds how long the first unread record has been there. */
async function withTimes(lags: readonly Lag[], times: UnreadTimes) {
  const behind = lags.flatMap(({ lag, committedOffset, ...at }) =>
    committedOffset !== null && lag! > 0 ? [{ ...at, committedOffset }] : []
  );
  const written = await times.find(behind);
  return lags.map(({ memberId, ...at }) => {
    const timestamp = written.get(partitionKey(at));
    const timeLagMs = at.lag === 0
      ? 0
      : timestamp === undefined
      ? null
      : Math.max(0, wallMs() - timestamp);
    return { ...at, timeLagMs, memberId };
  });
}

async function listLags(admin: Admin, group: string): Promise<Lag[]> {
  const described = await admin.describeGroups([group]);
  throwFailed(described, "describe group");
  const owners = new Map<string, string>();
  const partitions = new Map<string, TopicPartition>();
  for (const member of described[0]?.members ?? []) {
    for (const at of member.assignment) {
      owners.set(partitionKey(at), member.memberId);
      partitions.set(partitionKey(at), at);
    }
  }
  const committed = new Map<string, number>();
  for (const at of await admin.listGroupOffsets(group)) {
    if (at.offset < 0) continue;
    committed.set(partitionKey(at), at.offset);
    partitions.set(partitionKey(at), at);
  }
  const wanted = [...partitions.values()];
  const ends = wanted.length === 0
    ? []
    : await admin.listOffsets(wanted, "latest");
  throwFailed(
    ends.map((at) => ({ ...at, name: partitionKey(at) })),
    "read the end of",
  );
  return ends.map(({ topic, partition, offset }) => {
    const at = committed.get(partitionKey({ topic, partition })) ?? null;
    return {
      topic,
      partition,
      committedOffset: at,
      endOffset: offset,
      lag: at === null ? null : Math.max(0, offset - at),
      memberId: owners.get(partitionKey({ topic, partition })) ?? null,
    };
  }).sort(inOrder);
}
