/**
 * `kf reassign plan`: what to move so that brokers hold and lead alike much. It
 * changes nothing; its JSON is what `kf reassign apply` and Kafka's tool read.
 *
 * @module
 */
import type { NodeDescription } from "../../net/client.ts";
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, say } from "../output.ts";
import {
  answerOfPlan,
  moveOf,
  parseBrokers,
  type Placed,
  placedPartitions,
  type PlannedMove,
} from "../reassignment.ts";
import type { Settings } from "../settings.ts";
import { partitionKey } from "../targets.ts";
import { formatBytes, parseCount } from "../units.ts";

const FACTOR = { name: "a replication factor", min: 1, max: 0x7fff };

/** Runs `kf reassign plan`. */
export async function run({ args, flags, settings }: Call): Promise<void> {
  const topics = unique(args);
  const ids = flags.parsed("to", parseBrokers);
  const replicationFactor = flags.parsed(
    "replicas",
    (text) => parseCount(text, FACTOR),
  );
  const { nodes, placed } = await withAdmin(settings, async (admin) => ({
    nodes: (await admin.describeCluster()).nodes,
    placed: await placedPartitions(
      admin,
      topics.length === 0 ? undefined : topics,
    ),
  }));
  const brokers = chosen(nodes, ids);
  const racked = brokers.filter(({ rack }) => rack !== null).length;
  if (racked > 0 && racked < brokers.length) {
    say(
      `racks are ignored: ${brokers.length - racked} brokers have none`,
      settings,
    );
  }
  const { planReassignment } = await import("../../net/client.ts");
  const moves = planReassignment(placed, {
    brokers,
    replicationFactor,
    isBalanced: true,
  }).map((each) => moveOf(each, each.target));
  await printAnswer(answerOfPlan(moves), settings);
  if (moves.length > 0) summarize(placed, { moves, settings });
}

/** The brokers that are to hold replicas, all of them alive. */
function chosen(
  nodes: readonly NodeDescription[],
  ids: readonly number[] | undefined,
) {
  const missing = ids?.find((id) => !nodes.some(({ nodeId }) => nodeId === id));
  if (missing !== undefined) {
    const known = nodes.map(({ nodeId }) => nodeId).join();
    throw new Error(
      `Cannot plan with broker ${missing}: it is not there; the brokers are ${known}`,
    );
  }
  return nodes.filter(({ nodeId }) => ids?.includes(nodeId) ?? true)
    .map(({ nodeId, rack }) => ({ id: nodeId, rack }));
}

/** What each broker has before and after, for those that it changes for. */
function summarize(
  placed: readonly Placed[],
  { moves, settings }: {
    readonly moves: readonly PlannedMove[];
    readonly settings: Settings;
  },
): void {
  const targets = new Map(moves.map((move) => [partitionKey(move), move.to]));
  const after = placed.map((each) =>
    targets.get(partitionKey(each)) ?? each.replicas
  );
  const before = placed.map(({ replicas }) => replicas);
  const ids = new Set([...before, ...after].flat());
  const count = (all: readonly (readonly number[])[], id: number) =>
    all.filter((replicas) => replicas.includes(id)).length;
  const leads = (all: readonly (readonly number[])[], id: number) =>
    all.filter(([first]) => first === id).length;
  for (const id of [...ids].sort((a, b) => a - b)) {
    const change = `${count(before, id)} to ${count(after, id)} replicas, ` +
      `first of ${leads(before, id)} to ${leads(after, id)}`;
    say(`broker ${id}: ${change}`, settings);
  }
  const copies =
    moves.flatMap(({ from, to }) => to.filter((id) => !from.includes(id)))
      .length;
  const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
  say(
    `${moves.length} partitions change, ${copies} replicas are copied, ${
      formatBytes(bytes)
    }`,
    settings,
  );
}
