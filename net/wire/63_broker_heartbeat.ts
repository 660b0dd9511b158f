/**
 * BrokerHeartbeat (key 63): a broker tells the active controller that it lives,
 * how much metadata it has seen, and whether it wants to rest or to stop.
 *
 * @module
 */
import {
  array,
  bool,
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of BrokerHeartbeat. */
export const BROKER_HEARTBEAT = api({
  key: 63,
  name: "BrokerHeartbeat",
  request: message({
    name: "BrokerHeartbeatRequest",
    versions: "0-2",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
    currentMetadataOffset: int64("0+"),
    wantFence: bool("0+"),
    wantShutDown: bool("0+"),
    offlineLogDirs: array("1+", uuid(), { tag: 0 }),
    cordonedLogDirs: array("2+", uuid(), {
      nullable: "2+",
      default: null,
      tag: 1,
    }),
  }),
  response: message({
    name: "BrokerHeartbeatResponse",
    versions: "0-2",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    isCaughtUp: bool("0+", { default: false }),
    isFenced: bool("0+", { default: true }),
    shouldShutDown: bool("0+"),
  }),
});

/** A request as a controller reads it. */
export type BrokerHeartbeatRequest = Decoded<typeof BROKER_HEARTBEAT.request>;

/** A response as a controller writes it. */
export type BrokerHeartbeatResponse = Input<typeof BROKER_HEARTBEAT.response>;
