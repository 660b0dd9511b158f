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

/** The one type of group that is served. */
const GROUP_TYPE = "classic";

/** The handler of ListGroups. */
export function listGroupsHandler(groups: Groups): HandlerEntry {
  async function handle(
    { statesFilter, typesFilter }: ListGroupsRequest,
  ): Promise<ListGroupsResponse> {
    const isWanted = typesFilter.length === 0 ||
      typesFilter.some((type) => type.toLowerCase() === GROUP_TYPE);
    const listed = isWanted ? await groups.list(statesFilter) : [];
    return {
      errorCode: ERRORS.NONE,
      groups: listed.map(({ groupId, protocolType, state }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: GROUP_TYPE,
      })),
    };
  }

  return handles(LIST_GROUPS, handle, (_request, errorCode) => ({ errorCode }));
}
