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

/** Runs `kf group lag`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const group = args[0] ?? "";
  await withAdmin(settings, async (admin) => {
    if (!flags.has("watch")) {
      return await printAnswer(await answerOf(admin, group), settings);
    }
    const { watch } = await import("../watch.ts");
    await watch(settings, () => answerOf(admin, group));
  });
}

async function answerOf(admin: Admin, group: string): Promise<Answer> {
  const lags = await listLags(admin, group);
  const columns = [
    "topic",
    "partition",
    "committedOffset",
    "endOffset",
    "lag",
    "memberId",
  ] as const;
  return {
    json: lags,
    columns: ["topic", "partition", "committed", "end", "lag", "member"],
    rows: lags.map((row) => columns.map((name) => row[name])),
    whenEmpty: `group "${group}" has committed nothing`,
  };
}

async function listLags(admin: Admin, group: string) {
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
