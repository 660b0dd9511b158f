/**
 * DeleteGroups: forgets groups without members, and their offsets. Owns the
 * request's shape; what may be deleted is the coordinator's to say.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  DELETE_GROUPS,
  type DeleteGroupsRequest,
  type DeleteGroupsResponse,
} from "../../wire/42_delete_groups.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";

/** The handler of DeleteGroups. */
export function deleteGroupsHandler(groups: Groups): HandlerEntry {
  async function deleteOne(groupId: string) {
    if (groupId === "") {
      return { groupId, errorCode: ERRORS.INVALID_GROUP_ID };
    }
    try {
      const { error } = await groups.ask({ type: "DeleteGroup", groupId });
      return { groupId, errorCode: ERRORS[error] };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { groupId, errorCode: error.code };
    }
  }

  async function handle(
    { groupsNames }: DeleteGroupsRequest,
  ): Promise<DeleteGroupsResponse> {
    return { results: await Promise.all(groupsNames.map(deleteOne)) };
  }

  return handles(DELETE_GROUPS, handle);
}
