/**
 * ControllerRegistration (key 70): a controller that came up makes itself known
 * to the active one. Sent by controllers, to the controller's listener.
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
  message,
  string,
  uint16,
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ControllerRegistration. */
export const CONTROLLER_REGISTRATION = api({
  key: 70,
  name: "ControllerRegistration",
  request: message({
    name: "ControllerRegistrationRequest",
    versions: "0",
    flexible: "0+",
  }, {
    controllerId: int32("0+"),
    incarnationId: uuid("0+"),
    zkMigrationReady: bool("0+"),
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
  }),
  response: message({
    name: "ControllerRegistrationResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

/** A request as a controller reads it. */
export type ControllerRegistrationRequest = Decoded<
  typeof CONTROLLER_REGISTRATION.request
>;

/** A response as a controller writes it. */
export type ControllerRegistrationResponse = Input<
  typeof CONTROLLER_REGISTRATION.response
>;
