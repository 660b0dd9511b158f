/**
 * InitProducerId (key 22): gives a producer its id and epoch, or raises the
 * epoch of a transactional id and thereby fences its predecessors. Version 2
 * is flexible, 3 lets a producer raise its own epoch, 4 tells fencing apart, 5
 * belongs to transaction version 2. Version 6 (two-phase commit) is not stable
 * and left out.
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
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of InitProducerId. */
export const INIT_PRODUCER_ID = api({
  key: 22,
  name: "InitProducerId",
  request: message({
    name: "InitProducerIdRequest",
    versions: "0-5",
    flexible: "2+",
  }, {
    transactionalId: string("0+", { nullable: "0+" }),
    transactionTimeoutMs: int32("0+"),
    producerId: int64("3+", { default: -1 }),
    producerEpoch: int16("3+", { default: -1 }),
  }),
  response: message({
    name: "InitProducerIdResponse",
    versions: "0-5",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+", { ignorable: true }),
    errorCode: int16("0+"),
    producerId: int64("0+", { default: -1 }),
    producerEpoch: int16("0+"),
  }),
});

/** A request as a broker reads it. */
export type InitProducerIdRequest = Decoded<typeof INIT_PRODUCER_ID.request>;

/** A response as a broker writes it. */
export type InitProducerIdResponse = Input<typeof INIT_PRODUCER_ID.response>;
