/**
 * `kf group seek`.
 *
 * @module
 */
import type { Admin, TopicPartition } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { confirm, requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { printAnswer, say, throwFailed } from "../output.ts";
import {
  answerOfMoves,
  findTargets,
  inOrder,
  type Move,
  parseTarget,
  partitionKey,
  partitionsOf,
  type Target,
} from "../targets.ts";
import { parseTopicPartitions, type TopicPartitions } from "../units.ts";

/** Runs `kf group seek`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const group = args[0] ?? "";
  const target = flags.parsed("to", parseTarget);
  if (target === undefined) {
    throw new UsageError("Cannot seek without --to: where shall the group go?");
  }
  const topics = flags.all("topic").map(parseTopicPartitions);
  const question = `Move what group "${group}" has committed?`;
  const isDry = flags.has("dry-run");
  if (!isDry) requireAnswer(call, question);
  await withAdmin(settings, async (admin) => {
    await refuseMembers(admin, group);
    const moves = await plan(call, admin, { group, topics, target });
    const answer = (rows: readonly Move[]) =>
      printAnswer(answerOfMoves(rows, "nothing to move"), settings);
    if (isDry) return await answer(moves);
    if (!flags.has("yes")) {
      await answer(moves);
      if (!await confirm(call, question)) {
        say("nothing moved", settings);
        return;
      }
    }
    const outcomes = await admin.alterGroupOffsets(
      group,
      moves.map(({ topic, partition, to }) => ({
        topic,
        partition,
        offset: to,
      })),
    );
    const failed = outcomes.filter(({ error }) => error !== undefined);
    if (flags.has("yes")) {
      const left = new Set(failed.map(partitionKey));
      await answer(moves.filter((at) => !left.has(partitionKey(at))));
    }
    throwFailed(
      failed.map((at) => ({ ...at, name: partitionKey(at) })),
      "move",
    );
  });
}

/** Members would go on where they are, and commit over what was set. */
async function refuseMembers(admin: Admin, group: string): Promise<void> {
  const [described] = await admin.describeGroups([group]);
  const { error, members } = described!;
  // A group that isn't there yet may be given offsets to begin at.
  if (error !== undefined && error.error !== "GROUP_ID_NOT_FOUND") throw error;
  if (members.length === 0) return;
  const count = members.length === 1 ? "a member" : `${members.length} members`;
  throw new Error(
    `Cannot move group "${group}": it has ${count}; stop all its consumers first`,
  );
}

async function plan(
  { settings }: Call,
  admin: Admin,
  { group, topics, target }: {
    readonly group: string;
    readonly topics: readonly TopicPartitions[];
    readonly target: Target;
  },
): Promise<Move[]> {
  const committed = (await admin.listGroupOffsets(group))
    .filter(({ offset }) => offset >= 0);
  const partitions: TopicPartition[] = topics.length > 0
    ? await partitionsOf(admin, topics)
    : committed.map(({ topic, partition }) => ({ topic, partition }))
      .sort(inOrder);
  if (partitions.length === 0) {
    throw new Error(
      `Cannot move group "${group}": it has committed nothing; name a --topic`,
    );
  }
  const from = new Map(committed.map((at) => [partitionKey(at), at.offset]));
  const found = await findTargets(admin, partitions, { target, settings });
  return found.map(({ topic, partition, to }) => ({
    topic,
    partition,
    from: from.get(partitionKey({ topic, partition })) ?? null,
    to,
  }));
}
