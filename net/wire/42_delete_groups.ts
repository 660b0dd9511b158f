/**
 * DeleteGroups (key 42): deletes groups without members, and their offsets.
 * Sent by tools to the coordinator. Version 2 is flexible, 3 brought the error
 * message.
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

/** Schemas of DeleteGroups. */
export const DELETE_GROUPS = api({
  key: 42,
  name: "DeleteGroups",
  request: message({
    name: "DeleteGroupsRequest",
    versions: "0-3",
    flexible: "2+",
  }, {
    groupsNames: array("0+", string()),
  }),
  response: message({
    name: "DeleteGroupsResponse",
    versions: "0-3",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      groupId: string("0+", { mapKey: true }),
      errorCode: int16("0+"),
      errorMessage: string("3+", {
        nullable: "3+",
        default: null,
        ignorable: true,
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DeleteGroupsRequest = Decoded<typeof DELETE_GROUPS.request>;

/** A response as a broker writes it. */
export type DeleteGroupsResponse = Input<typeof DELETE_GROUPS.response>;
