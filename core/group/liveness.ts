/**
 * Decides Heartbeat and LeaveGroup: who is still there, and who says goodbye.
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";
import { type Draft, findMember } from "./draft.ts";
import type { Group } from "./group.ts";
import type {
  GroupConfig,
  HeartbeatInput,
  LeaveInput,
  LeaveReply,
  MemberReference,
} from "./inputs.ts";
import { afterRemoval, completeIfAllJoined } from "./rebalance.ts";

/** What a heartbeat is answered with. */
export function heartbeatError(
  group: Group,
  request: HeartbeatInput,
): ErrorName {
  const found = findMember(group, request);
  if (typeof found === "string") return found;
  if (request.generationId !== group.generation) return "ILLEGAL_GENERATION";
  if (group.state === "Empty") return "UNKNOWN_MEMBER_ID";
  return group.state === "PreparingRebalance"
    ? "REBALANCE_IN_PROGRESS"
    : "NONE";
}

/** Takes out those who leave, then lets the others rebalance once. */
export function leave(
  draft: Draft,
  { members }: LeaveInput,
  config: GroupConfig,
): LeaveReply {
  let hasRemoved = false;
  const replies = members.map((reference) => {
    const error = leaveOne(draft, reference);
    if (error === "removed") hasRemoved = true;
    return {
      ...reference,
      error: error === "removed" ? "NONE" as const : error,
    };
  });
  if (hasRemoved) afterRemoval(draft, config);
  else completeIfAllJoined(draft);
  return { error: "NONE", members: replies };
}

function leaveOne(
  draft: Draft,
  reference: MemberReference,
): ErrorName | "removed" {
  const { group } = draft;
  const { memberId, groupInstanceId } = reference;
  if (groupInstanceId === null && group.pending.delete(memberId)) return "NONE";
  // A tool names static members by their instance id alone.
  const found = memberId === "" && groupInstanceId !== null
    ? group.members.get(group.statics.get(groupInstanceId) ?? "") ??
      "UNKNOWN_MEMBER_ID"
    : findMember(group, reference);
  if (typeof found === "string") return found;
  draft.refuse(found, "UNKNOWN_MEMBER_ID");
  draft.remove(found);
  return "removed";
}
