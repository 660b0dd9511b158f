/**
 * `kf reassign drain`: moves everything off a broker, and nothing else.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { requireAnswer } from "../confirm.ts";
import { UsageError } from "../failure.ts";
import { carryOut } from "../moving.ts";
import { say } from "../output.ts";
import { moveOf, placedPartitions } from "../reassignment.ts";
import { partitionKey } from "../targets.ts";
import { parseCount } from "../units.ts";

/** Runs `kf reassign drain`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const id = flags.parsed(
    "broker",
    (text) => parseCount(text, { name: "the id of a broker" }),
  );
  if (id === undefined) {
    throw new UsageError("Cannot drain without --broker: which one?");
  }
  const question = `Move everything off broker ${id}?`;
  if (!flags.has("dry-run")) requireAnswer(call, question);
  const { planReassignment } = await import("../../net/client.ts");
  await withAdmin(settings, async (admin) => {
    const { nodes } = await admin.describeCluster();
    const placed = await placedPartitions(admin, undefined);
    const leaderless = placed.filter(({ leader, replicas }) =>
      leader < 0 && replicas.includes(id)
    );
    if (leaderless.length > 0) {
      const names = leaderless.map(partitionKey).join(", ");
      say(
        `without a leader, and moved once they have one: ${names}`,
        settings,
      );
    }
    const moves = planReassignment(placed, {
      brokers: nodes.filter(({ nodeId }) => nodeId !== id)
        .map(({ nodeId, rack }) => ({ id: nodeId, rack })),
      isBalanced: false,
    }).map((each) => moveOf(each, each.target));
    await carryOut(call, admin, { moves, question });
  });
}
