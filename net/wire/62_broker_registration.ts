/**
 * BrokerRegistration (key 62): a broker that came up makes itself known to the
 * active controller. Sent by brokers, to the controller's listener.
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
  string,
  uint16,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of BrokerRegistration. */
export const BROKER_REGISTRATION = api({
  key: 62,
  name: "BrokerRegistration",
  request: message({
    name: "BrokerRegistrationRequest",
    versions: "0-4",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
    clusterId: string("0+"),
    incarnationId: uuid("0+"),
    listeners: array("0+", {
      name: string("0+", { mapKey: true }),
      host: string("0+"),
      port: uint16("0+"),
      securityProtocol: int16("0+"),
    }),
    features: array("0+", {
      name: string("0+", { mapKey: true }),
      minSupportedVersion: int16("0+"),
      maxSupportedVersion: int16("0+"),
    }),
    rack: string("0+", { nullable: "0+" }),
    isMigratingZkBroker: bool("1+", { default: false }),
    logDirs: array("2+", uuid(), { ignorable: true }),
    previousBrokerEpoch: int64("3+", { default: -1, ignorable: true }),
  }),
  response: message({
    name: "BrokerRegistrationResponse",
    versions: "0-4",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
  }),
});

/** A request as a controller reads it. */
export type BrokerRegistrationRequest = Decoded<
  typeof BROKER_REGISTRATION.request
>;

/** A response as a controller writes it. */
export type BrokerRegistrationResponse = Input<
  typeof BROKER_REGISTRATION.response
>;
