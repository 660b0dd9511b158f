/**
 * `kf reassign list`.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { partitionKey } from "../targets.ts";

/** Runs `kf reassign list`. */
export async function run({ args, settings }: Call): Promise<void> {
  const topics = unique(args);
  const { moving, folders } = await withAdmin(settings, async (admin) => {
    const moving = (await admin.listPartitionReassignments())
      .filter(({ topic }) => topics.length === 0 || topics.includes(topic));
    const moved = [...new Set(moving.map(({ topic }) => topic))];
    const folders = moved.length === 0
      ? []
      : await admin.describeLogDirs(moved);
    return { moving, folders };
  });
  const sizeOf = (key: string, nodeId: number) =>
    folders.filter((folder) => folder.nodeId === nodeId)
      .flatMap(({ replicas }) => replicas)
      .find((each) => partitionKey(each) === key)?.sizeInBytes ?? 0;
  const shown = moving.map((each) => {
    const { addingReplicas, replicas } = each;
    const sizes = (ids: readonly number[]) =>
      ids.map((id) => sizeOf(partitionKey(each), id));
    const bytes = Math.max(0, ...sizes(replicas)) * addingReplicas.length;
    const copiedBytes = sizes(addingReplicas)
      .reduce((sum, size) => sum + size, 0);
    return { ...each, copiedBytes, bytes };
  });
  await printAnswer({
    json: shown,
    columns: [
      "topic",
      "partition",
      "replicas",
      "adding",
      "removing",
      "copied",
      "bytes",
    ],
    rows: shown.map((each) => [
      each.topic,
      each.partition,
      each.replicas.join(),
      each.addingReplicas.join(),
      each.removingReplicas.join(),
      each.copiedBytes,
      each.bytes,
    ]),
    whenEmpty: "nothing is being moved",
  }, settings);
}
