/**
 * AddOffsetsToTxn (key 25): puts a group's committed offsets into a
 * transaction. Sent by producers to the transaction coordinator before they
 * commit offsets; transaction version 2 needs it no longer. Version 3 is
 * flexible, 4 may answer TRANSACTION_ABORTABLE.
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

/** Schemas of AddOffsetsToTxn. */
export const ADD_OFFSETS_TO_TXN = api({
  key: 25,
  name: "AddOffsetsToTxn",
  request: message({
    name: "AddOffsetsToTxnRequest",
    versions: "0-4",
    flexible: "3+",
  }, {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    groupId: string("0+"),
  }),
  response: message({
    name: "AddOffsetsToTxnResponse",
    versions: "0-4",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
  }),
});

/** A request as a broker reads it. */
export type AddOffsetsToTxnRequest = Decoded<
  typeof ADD_OFFSETS_TO_TXN.request
>;

/** A response as a broker writes it. */
export type AddOffsetsToTxnResponse = Input<
  typeof ADD_OFFSETS_TO_TXN.response
>;
