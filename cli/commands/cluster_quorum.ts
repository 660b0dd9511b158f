/**
 * `kf cluster quorum`: shows it, after changing who votes when asked to.
 *
 * @module
 */
import type { Admin } from "../../net/client.ts";
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { UsageError } from "../failure.ts";
import { printAnswer } from "../output.ts";
import { rfc3339 } from "../terminal.ts";

/** Runs `kf cluster quorum`. */
export async function run({ flags, settings }: Call): Promise<void> {
  const added = flags.text("add");
  const removed = flags.text("remove");
  flags.refuseBoth("add", "remove");
  const { voters, observers, endpoints: _, ...quorum } = await withAdmin(
    settings,
    async (admin) => {
      if (added !== undefined) await add(admin, parseVoter(added));
      if (removed !== undefined) await remove(admin, parseNode(removed));
      return await admin.describeMetadataQuorum();
    },
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
    columns: [
      "node",
      "role",
      "directory",
      "epoch",
      "end",
      "lag",
      "caught up",
    ],
    rows: replicas.map((each) => [
      each.nodeId,
      each.role,
      each.directoryId,
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

/** A node that follows the metadata is to vote; its listener is the voters'. */
async function add(
  admin: Admin,
  { nodeId, host, port }: {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  },
): Promise<void> {
  const { observers, endpoints } = await admin.describeMetadataQuorum();
  const directoryId = observers.find((each) => each.nodeId === nodeId)
    ?.directoryId;
  const name = endpoints[0]?.name;
  if (name === undefined) {
    throw new Error(
      "Cannot add a voter: the voters have no listener for controllers, at which they reach each other",
    );
  }
  if (typeof directoryId !== "string") {
    throw new Error(
      `Cannot add voter ${nodeId}: no observer with this id follows the metadata`,
    );
  }
  const voter = { nodeId, directoryId, endpoints: [{ name, host, port }] };
  await admin.addRaftVoter(voter);
}

async function remove(admin: Admin, nodeId: number): Promise<void> {
  const { voters } = await admin.describeMetadataQuorum();
  const directoryId = voters.find((each) => each.nodeId === nodeId)
    ?.directoryId;
  if (directoryId === undefined) {
    throw new Error(
      `Cannot remove voter ${nodeId}: it doesn't vote`,
    );
  }
  if (directoryId === null) {
    throw new Error(
      `Cannot remove voter ${nodeId}: voters are configured; raise kraft.version to 1 first`,
    );
  }
  await admin.removeRaftVoter({ nodeId, directoryId });
}

function parseVoter(text: string) {
  const match = /^(\d{1,9})@(?:\[([^\]]+)\]|([^:\[\]@]+)):(\d{1,5})$/.exec(
    text,
  );
  if (match === null) {
    throw new UsageError(
      `Cannot add "${text}": it is not NODE@HOST:PORT, e.g. 2@kf2.example:9093`,
    );
  }
  const [, nodeId, v6, host, port] = match;
  return { nodeId: Number(nodeId), host: v6 ?? host!, port: Number(port) };
}

function parseNode(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot remove "${text}": it is not a node's number`);
}
