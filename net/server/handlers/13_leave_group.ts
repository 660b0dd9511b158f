/**
 * LeaveGroup: members go at once. Owns the two shapes that the request had
 * over time: one member, and several.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  LEAVE_GROUP,
  type LeaveGroupRequest,
  type LeaveGroupResponse,
} from "../../wire/13_leave_group.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";

/** First version that takes several members. */
const MEMBERS_VERSION = 3;

/** The handler of LeaveGroup. */
export function leaveGroupHandler(groups: Groups): HandlerEntry {
  async function handle(
    { groupId, memberId, members }: LeaveGroupRequest,
    { apiVersion }: RequestContext,
  ): Promise<LeaveGroupResponse> {
    if (groupId === "") return { errorCode: ERRORS.INVALID_GROUP_ID };
    const hasMembers = apiVersion >= MEMBERS_VERSION;
    const reply = await groups.ask({
      type: "LeaveGroup",
      groupId,
      members: hasMembers
        ? members.map(({ memberId, groupInstanceId }) => ({
          memberId,
          groupInstanceId,
        }))
        : [{ memberId, groupInstanceId: null }],
    });
    if (!hasMembers) return { errorCode: ERRORS[reply.members[0]!.error] };
    return {
      errorCode: ERRORS[reply.error],
      members: reply.members.map(({ memberId, groupInstanceId, error }) => ({
        memberId,
        groupInstanceId,
        errorCode: ERRORS[error],
      })),
    };
  }

  return handles(LEAVE_GROUP, handle, (_request, errorCode) => ({ errorCode }));
}
