/**
 * ListGroups (key 16): the groups that one broker coordinates; tools ask every
 * broker. Version 3 is flexible, 4 filters by state, 5 by type of group.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ListGroups. */
export const LIST_GROUPS = api({
  key: 16,
  name: "ListGroups",
  request: message({
    name: "ListGroupsRequest",
    versions: "0-5",
    flexible: "3+",
  }, {
    statesFilter: array("4+", string()),
    typesFilter: array("5+", string()),
  }),
  response: message({
    name: "ListGroupsResponse",
    versions: "0-5",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    groups: array("0+", {
      groupId: string("0+"),
      protocolType: string("0+"),
      groupState: string("4+", { ignorable: true }),
      groupType: string("5+", { ignorable: true }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ListGroupsRequest = Decoded<typeof LIST_GROUPS.request>;

/** A response as a broker writes it. */
export type ListGroupsResponse = Input<typeof LIST_GROUPS.response>;
