/**
 * `kf logdirs`.
 *
 * @module
 */
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";

/** Runs `kf logdirs`. */
export async function run({ args, settings }: Call): Promise<void> {
  const topics = unique(args);
  const { folders, described } = await withAdmin(settings, async (admin) => ({
    described: await admin.describeTopics(topics),
    folders: await admin.describeLogDirs(
      topics.length > 0 ? topics : undefined,
    ),
  }));
  const rows = folders.flatMap(({ nodeId, logDir, replicas }) =>
    replicas.map((each) => ({ nodeId, logDir, ...each }))
  ).sort((a, b) => b.sizeInBytes - a.sizeInBytes);
  await printAnswer({
    json: folders.map(({ error: _error, ...folder }) => folder),
    columns: ["topic", "partition", "node", "bytes", "lag", "folder"],
    rows: rows.map((each) => [
      each.topic,
      each.partition,
      each.nodeId,
      each.sizeInBytes,
      each.offsetLag,
      each.isFuture ? `${each.logDir} (moving here)` : each.logDir,
    ]),
    // Of topics that are named, the error says it.
    ...(topics.length === 0 ? { whenEmpty: "no partitions" } : {}),
  }, settings);
  throwFailed(described, "describe topic");
  throwFailed(
    folders.map(({ logDir, error }) => ({
      name: logDir,
      ...error ? { error } : {},
    })),
    "read log folder",
  );
}
