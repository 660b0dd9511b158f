/**
 * SyncGroup (key 14): the leader of a classic group hands in the assignment,
 * every other member waits for its part. Version 3 brought static members, 4
 * flexible encoding, 5 protocol type and name so that a mismatch is noticed.
 *
 * @module
 */
import {
  array,
  bytes,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of SyncGroup. */
export const SYNC_GROUP = api({
  key: 14,
  name: "SyncGroup",
  request: message({
    name: "SyncGroupRequest",
    versions: "0-5",
    flexible: "4+",
  }, {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: string("3+", { nullable: "3+", default: null }),
    protocolType: string("5+", {
      nullable: "5+",
      default: null,
      ignorable: true,
    }),
    protocolName: string("5+", {
      nullable: "5+",
      default: null,
      ignorable: true,
    }),
    assignments: array("0+", {
      memberId: string("0+"),
      assignment: bytes("0+"),
    }),
  }),
  response: message({
    name: "SyncGroupResponse",
    versions: "0-5",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
    protocolType: string("5+", {
      nullable: "5+",
      default: null,
      ignorable: true,
    }),
    protocolName: string("5+", {
      nullable: "5+",
      default: null,
      ignorable: true,
    }),
    assignment: bytes("0+"),
  }),
});

/** A request as a broker reads it. */
export type SyncGroupRequest = Decoded<typeof SYNC_GROUP.request>;

/** A response as a broker writes it. */
export type SyncGroupResponse = Input<typeof SYNC_GROUP.response>;
