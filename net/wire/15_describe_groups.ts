/**
 * DescribeGroups (key 15): state, protocol and members of classic groups. Sent
 * by tools to the coordinator. Version 3 brought authorized operations, 4
 * static members, 5 flexible encoding, 6 the error message and an error for
 * groups that do not exist.
 *
 * @module
 */
import {
  array,
  bool,
  bytes,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of DescribeGroups. */
export const DESCRIBE_GROUPS = api({
  key: 15,
  name: "DescribeGroups",
  request: message({
    name: "DescribeGroupsRequest",
    versions: "0-6",
    flexible: "5+",
  }, {
    groups: array("0+", string()),
    includeAuthorizedOperations: bool("3+"),
  }),
  response: message({
    name: "DescribeGroupsResponse",
    versions: "0-6",
    flexible: "5+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    groups: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("6+", { nullable: "6+", default: null }),
      groupId: string("0+"),
      groupState: string("0+"),
      protocolType: string("0+"),
      protocolData: string("0+"),
      members: array("0+", {
        memberId: string("0+"),
        groupInstanceId: string("4+", {
          nullable: "4+",
          default: null,
          ignorable: true,
        }),
        clientId: string("0+"),
        clientHost: string("0+"),
        memberMetadata: bytes("0+"),
        memberAssignment: bytes("0+"),
      }),
      authorizedOperations: int32("3+", { default: -2147483648 }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeGroupsRequest = Decoded<typeof DESCRIBE_GROUPS.request>;

/** A response as a broker writes it. */
export type DescribeGroupsResponse = Input<typeof DESCRIBE_GROUPS.response>;
