/**
 * `kf group describe`.
 *
 * @module
 */
import type { GroupDescription } from "../../net/client.ts";
import { unique, withAdmin } from "../cluster.ts";
import type { Call } from "../command.ts";
import { printAnswer, throwFailed } from "../output.ts";

/** Runs `kf group describe`. */
export async function run({ args, settings }: Call): Promise<void> {
  const all = await withAdmin(
    settings,
    (admin) => admin.describeGroups(unique(args)),
  );
  const groups = all.filter(({ error }) => error === undefined);
  await printAnswer({
    json: groups.map((group) => ({
      groupId: group.name,
      type: group.type,
      state: group.state,
      protocolType: group.protocolType,
      protocol: group.protocol,
      coordinator: group.coordinator,
      members: group.members,
    })),
    columns: [
      "group",
      "type",
      "state",
      "assignor",
      "client",
      "host",
      "owns",
      "member",
    ],
    rows: groups.flatMap(rowsOf),
  }, settings);
  throwFailed(all, "describe group");
}

function rowsOf(group: GroupDescription) {
  const head = [group.name, group.type, group.state, group.protocol || null];
  if (group.members.length === 0) return [[...head, null, null, null, null]];
  return group.members.map((member) => [
    ...head,
    member.clientId,
    member.clientHost,
    member.assignment.map(({ topic, partition }) => `${topic}-${partition}`)
      .join(" ") || null,
    member.groupInstanceId ?? member.memberId,
  ]);
}
