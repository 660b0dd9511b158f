/**
 * Envelope (key 58): a client's request that a broker passes on to the active
 * controller, whole, and the answer on its way back (KIP-590). Sent by brokers,
 * to the controller's listener.
 *
 * @module
 */
import {
  bytes,
  type Decoded,
  type Input,
  int16,
  message,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of Envelope. */
export const ENVELOPE = api({
  key: 58,
  name: "Envelope",
  request: message({
    name: "EnvelopeRequest",
    versions: "0",
    flexible: "0+",
  }, {
    requestData: bytes("0+"),
    requestPrincipal: bytes("0+", { nullable: "0+" }),
    clientHostAddress: bytes("0+"),
  }),
  response: message({
    name: "EnvelopeResponse",
    versions: "0",
    flexible: "0+",
  }, {
    responseData: bytes("0+", { nullable: "0+", default: null }),
    errorCode: int16("0+"),
  }),
});

/** A request as a controller reads it. */
export type EnvelopeRequest = Decoded<typeof ENVELOPE.request>;

/** A response as a controller writes it. */
export type EnvelopeResponse = Input<typeof ENVELOPE.response>;
