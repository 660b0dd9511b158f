/**
 * AllocateProducerIds (key 67): a broker asks the active controller for a block
 * of producer ids of its own (KIP-730).
 *
 * @module
 */
import {
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AllocateProducerIds. */
export const ALLOCATE_PRODUCER_IDS = api({
  key: 67,
  name: "AllocateProducerIds",
  request: message({
    name: "AllocateProducerIdsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    brokerId: int32("0+"),
    brokerEpoch: int64("0+", { default: -1 }),
  }),
  response: message({
    name: "AllocateProducerIdsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    producerIdStart: int64("0+"),
    producerIdLen: int32("0+"),
  }),
});

/** A request as a controller reads it. */
export type AllocateProducerIdsRequest = Decoded<
  typeof ALLOCATE_PRODUCER_IDS.request
>;

/** A response as a controller writes it. */
export type AllocateProducerIdsResponse = Input<
  typeof ALLOCATE_PRODUCER_IDS.response
>;
