/**
 * JoinGroup (key 11): a member enters a classic group and waits for the round
 * of joins to end; the answer to the leader lists everyone. Version 1 split
 * the rebalance timeout off, 4 hands out the member id first (KIP-394), 5
 * brought static members, 6 flexible encoding, 8 the reason, 9 skips the
 * assignment of a returning static leader.
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

/** Schemas of JoinGroup. */
export const JOIN_GROUP = api({
  key: 11,
  name: "JoinGroup",
  request: message({
    name: "JoinGroupRequest",
    versions: "0-9",
    flexible: "6+",
  }, {
    groupId: string("0+"),
    sessionTimeoutMs: int32("0+"),
    rebalanceTimeoutMs: int32("1+", { default: -1, ignorable: true }),
    memberId: string("0+"),
    groupInstanceId: string("5+", { nullable: "5+", default: null }),
    protocolType: string("0+"),
    protocols: array("0+", {
      name: string("0+", { mapKey: true }),
      metadata: bytes("0+"),
    }),
    reason: string("8+", { nullable: "8+", default: null, ignorable: true }),
  }),
  response: message({
    name: "JoinGroupResponse",
    versions: "0-9",
    flexible: "6+",
  }, {
    throttleTimeMs: int32("2+", { ignorable: true }),
    errorCode: int16("0+"),
    generationId: int32("0+", { default: -1 }),
    protocolType: string("7+", {
      nullable: "7+",
      default: null,
      ignorable: true,
    }),
    protocolName: string("0+", { nullable: "7+" }),
    leader: string("0+"),
    skipAssignment: bool("9+"),
    memberId: string("0+"),
    members: array("0+", {
      memberId: string("0+"),
      groupInstanceId: string("5+", {
        nullable: "5+",
        default: null,
        ignorable: true,
      }),
      metadata: bytes("0+"),
    }),
  }),
});

/** A request as a broker reads it. */
export type JoinGroupRequest = Decoded<typeof JOIN_GROUP.request>;

/** A response as a broker writes it. */
export type JoinGroupResponse = Input<typeof JOIN_GROUP.response>;
