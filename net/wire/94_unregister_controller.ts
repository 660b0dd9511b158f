/**
 * UnregisterController (key 94): removes a controller that won't come back.
 * Sent by `kafka-cluster unregister-controller`.
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

/** Schemas of UnregisterController. */
export const UNREGISTER_CONTROLLER = api({
  key: 94,
  name: "UnregisterController",
  request: message({
    name: "UnregisterControllerRequest",
    versions: "0",
    flexible: "0+",
  }, {
    controllerId: int32("0+"),
  }),
  response: message({
    name: "UnregisterControllerResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

/** A request as a controller reads it. */
export type UnregisterControllerRequest = Decoded<
  typeof UNREGISTER_CONTROLLER.request
>;

/** A response as a controller writes it. */
export type UnregisterControllerResponse = Input<
  typeof UNREGISTER_CONTROLLER.response
>;
