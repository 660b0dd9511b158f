/**
 * `kf reassign apply`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { requireAnswer } from "../confirm.ts";
import { carryOut } from "../moving.ts";
import { sayTyped } from "../output.ts";
import {
  isSame,
  moveOf,
  type Placed,
  placedPartitions,
  readPlan,
  type Wish,
} from "../reassignment.ts";
import { partitionKey } from "../targets.ts";

/** Runs `kf reassign apply`. */
export async function run(call: Call): Promise<void> {
  const { args, flags, settings } = call;
  const path = args[0] ?? "-";
  const question = `Move partitions as ${path} says?`;
  if (!flags.has("dry-run")) requireAnswer(call, question);
  sayTyped("moves", path, settings);
  const wishes = readPlan(path);
  await withAdmin(settings, async (admin) => {
    const topics = [...new Set(wishes.map(({ topic }) => topic))];
    const placed = new Map(
      (topics.length === 0 ? [] : await placedPartitions(admin, topics))
        .map((each) => [partitionKey(each), each]),
    );
    const moves = wishes.map((wish) => {
      const at = placed.get(partitionKey(wish));
      if (at !== undefined) return moveOf(asFound(at, wish), wish.replicas);
      throw new Error(
        `Cannot move ${partitionKey(wish)}: the topic has no such partition`,
      );
    });
    await carryOut(call, admin, { moves, question });
  });
}

/** What moves already is still to come, unless it is to go back. */
function asFound(at: Placed, { replicas }: Wish): Placed {
  const { origin } = at;
  return origin === undefined || isSame(origin, replicas)
    ? at
    : { ...at, replicas: origin };
}
