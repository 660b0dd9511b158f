/**
 * EndTxn (key 26): commits or aborts a transaction. Sent by producers to the
 * transaction coordinator. Version 3 is flexible, 4 may answer
 * TRANSACTION_ABORTABLE, 5 belongs to transaction version 2 and gives the
 * producer its next epoch.
 *
 * @module
 */
import {
  bool,
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of EndTxn. */
export const END_TXN = api({
  key: 26,
  name: "EndTxn",
  request: message({
    name: "EndTxnRequest",
    versions: "0-5",
    flexible: "3+",
  }, {
    transactionalId: string("0+"),
    producerId: int64("0+"),
    producerEpoch: int16("0+"),
    committed: bool("0+"),
  }),
  response: message({
    name: "EndTxnResponse",
    versions: "0-5",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    producerId: int64("5+", { default: -1, ignorable: true }),
    producerEpoch: int16("5+", { default: -1, ignorable: true }),
  }),
});

/** A request as a broker reads it. */
export type EndTxnRequest = Decoded<typeof END_TXN.request>;

/** A response as a broker writes it. */
export type EndTxnResponse = Input<typeof END_TXN.response>;
