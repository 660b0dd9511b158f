/**
 * SyncGroup: the leader hands in the assignment, everybody gets their part.
 * Owns the request's shape only.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { SyncReply } from "../../../core/group/inputs.ts";
import {
  SYNC_GROUP,
  type SyncGroupRequest,
  type SyncGroupResponse,
} from "../../wire/14_sync_group.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";

/** The handler of SyncGroup. */
export function syncGroupHandler(groups: Groups): HandlerEntry {
  async function handle(request: SyncGroupRequest): Promise<SyncGroupResponse> {
    const { groupId } = request;
    if (groupId === "") return { errorCode: ERRORS.INVALID_GROUP_ID };
    const reply = await groups.askParked<SyncReply>(groupId, (token) => ({
      type: "SyncGroup",
      token,
      groupId,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      generationId: request.generationId,
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      assignments: request.assignments,
    }));
    return { ...reply, errorCode: ERRORS[reply.error] };
  }

  return handles(SYNC_GROUP, handle, (_request, errorCode) => ({ errorCode }));
}
