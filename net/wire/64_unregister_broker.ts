/**
 * UnregisterBroker (key 64): removes a broker that won't come back. Sent by
 * `kafka-cluster unregister`.
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

/** Schemas of UnregisterBroker. */
export const UNREGISTER_BROKER = api({
  key: 64,
  name: "UnregisterBroker",
  request: message({
    name: "UnregisterBrokerRequest",
    versions: "0",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
  }),
  response: message({
    name: "UnregisterBrokerResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
  }),
});

/** A request as a controller reads it. */
export type UnregisterBrokerRequest = Decoded<typeof UNREGISTER_BROKER.request>;

/** A response as a controller writes it. */
export type UnregisterBrokerResponse = Input<typeof UNREGISTER_BROKER.response>;
