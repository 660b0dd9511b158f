/**
 * `kf cluster quorum`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";
import { rfc3339 } from "../terminal.ts";

/** Runs `kf cluster quorum`. */
export async function run({ settings }: Call): Promise<void> {
  const { voters, observers, ...quorum } = await withAdmin(
    settings,
    (admin) => admin.describeMetadataQuorum(),
  );
  const replicas = [
    ...voters.map((each) => ({
      ...each,
      role: each.nodeId === quorum.leaderId ? "leader" : "voter",
    })),
    ...observers.map((each) => ({ ...each, role: "observer" })),
  ].map(({ lastFetchTimestamp, lastCaughtUpTimestamp, ...each }) => ({
    ...each,
    lastFetchTimestamp: known(lastFetchTimestamp),
    lastCaughtUpTimestamp: known(lastCaughtUpTimestamp),
  }));
  await printAnswer({
    json: { ...quorum, replicas },
    columns: ["node", "role", "epoch", "end", "lag", "caught up"],
    rows: replicas.map((each) => [
      each.nodeId,
      each.role,
      quorum.leaderEpoch,
      each.logEndOffset,
      each.lag,
      each.lastCaughtUpTimestamp === null
        ? null
        : rfc3339(each.lastCaughtUpTimestamp),
    ]),
  }, settings);
}

function known(timestamp: number): number | null {
  return timestamp < 0 ? null : timestamp;
}
