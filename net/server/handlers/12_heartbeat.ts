/**
 * Heartbeat: a member is alive, and learns of a rebalance. Owns the request's
 * shape only.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  HEARTBEAT,
  type HeartbeatRequest,
  type HeartbeatResponse,
} from "../../wire/12_heartbeat.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";

/** The handler of Heartbeat. */
export function heartbeatHandler(groups: Groups): HandlerEntry {
  async function handle(
    { groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest,
  ): Promise<HeartbeatResponse> {
    if (groupId === "") return { errorCode: ERRORS.INVALID_GROUP_ID };
    const { error } = await groups.ask({
      type: "Heartbeat",
      groupId,
      memberId,
      groupInstanceId,
      generationId,
    });
    return { errorCode: ERRORS[error] };
  }

  return handles(HEARTBEAT, handle, (_request, errorCode) => ({ errorCode }));
}
