/**
 * `kf group list`.
 *
 * @module
 */
import { withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer } from "../output.ts";

/** Runs `kf group list`. */
export async function run({ settings }: Call): Promise<void> {
  const listed = await withAdmin(settings, (admin) => admin.listGroups());
  const groups = [...listed].sort((a, b) => a.groupId < b.groupId ? -1 : 1);
  await printAnswer({
    json: groups.map(({ groupId, state, protocolType, type }) => ({
      groupId,
      state,
      protocolType,
      type,
    })),
    columns: ["group", "state", "protocol", "type"],
    rows: groups.map(({ groupId, state, protocolType, type }) => [
      groupId,
      state,
      protocolType,
      type,
    ]),
    whenEmpty: "no groups",
  }, settings);
}
