/**
 * Heartbeat (key 12): a member of a classic group says that it is alive and
 * learns whether a rebalance has begun. Version 3 brought static members, 4
 * flexible encoding.
 *
 * @module
 */
import {
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of Heartbeat. */
export const HEARTBEAT = api({
  key: 12,
  name: "Heartbeat",
  request: message({
    name: "HeartbeatRequest",
    versions: "0-4",
    flexible: "4+",
  }, {
    groupId: string("0+"),
    generationId: int32("0+"),
    memberId: string("0+"),
    groupInstanceId: string("3+", { nullable: "3+", default: null }),
  }),
  response: message({
    name: "HeartbeatResponse",
    versions: "0-4",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    errorCode: int16("0+"),
  }),
});

/** A request as a broker reads it. */
export type HeartbeatRequest = Decoded<typeof HEARTBEAT.request>;

/** A response as a broker writes it. */
export type HeartbeatResponse = Input<typeof HEARTBEAT.response>;
