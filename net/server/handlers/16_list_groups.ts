/**
 * ListGroups: the groups that this broker coordinates. Owns the filters by
 * state and type.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  LIST_GROUPS,
  type ListGroupsRequest,
  type ListGroupsResponse,
} from "../../wire/16_list_groups.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";

/** The handler of ListGroups. */
export function listGroupsHandler(groups: Groups): HandlerEntry {
  async function handle(
    { statesFilter, typesFilter }: ListGroupsRequest,
  ): Promise<ListGroupsResponse> {
    const listed = await groups.list(statesFilter, typesFilter);
    return {
      errorCode: ERRORS.NONE,
      groups: listed.map(({ groupId, groupType, protocolType, state }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType,
      })),
    };
  }

  return handles(LIST_GROUPS, handle, (_request, errorCode) => ({ errorCode }));
}
