/**
 * LeaveGroup (key 13): members leave a classic group at once. Version 3 takes
 * several members, which is also how tools remove static ones; 4 is flexible,
 * 5 brought the reason.
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

/** Schemas of LeaveGroup. */
export const LEAVE_GROUP = api({
  key: 13,
  name: "LeaveGroup",
  request: message({
    name: "LeaveGroupRequest",
    versions: "0-5",
    flexible: "4+",
  }, {
    groupId: string("0+"),
    memberId: string("0-2"),
    members: array("3+", {
      memberId: string("3+"),
      groupInstanceId: string("3+", { nullable: "3+", default: null }),
      reason: string("5+", { nullable: "5+", default: null, ignorable: true }),
    }),
  }),
  response: message({
    name: "LeaveGroupResponse",
    versions: "0-5",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    members: array("3+", {
      memberId: string("3+"),
      groupInstanceId: string("3+", { nullable: "3+" }),
      errorCode: int16("3+"),
    }),
  }),
});

/** A request as a broker reads it. */
export type LeaveGroupRequest = Decoded<typeof LEAVE_GROUP.request>;

/** A response as a broker writes it. */
export type LeaveGroupResponse = Input<typeof LEAVE_GROUP.response>;
