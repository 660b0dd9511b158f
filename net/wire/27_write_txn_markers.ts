/**
 * WriteTxnMarkers (key 27): ends transactions in the partitions that they
 * wrote to. Sent by the transaction coordinator to the partitions' leaders,
 * and by tools to abort a transaction that hangs. Version 2 carries the
 * transaction version.
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
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of WriteTxnMarkers. */
export const WRITE_TXN_MARKERS = api({
  key: 27,
  name: "WriteTxnMarkers",
  request: message({
    name: "WriteTxnMarkersRequest",
    versions: "1-2",
    flexible: "1+",
  }, {
    markers: array("0+", {
      producerId: int64("0+"),
      producerEpoch: int16("0+"),
      transactionResult: bool("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitionIndexes: array("0+", int32()),
      }),
      coordinatorEpoch: int32("0+"),
      transactionVersion: int8("2+", { ignorable: true }),
    }),
  }),
  response: message({
    name: "WriteTxnMarkersResponse",
    versions: "1-2",
    flexible: "1+",
  }, {
    markers: array("0+", {
      producerId: int64("0+"),
      topics: array("0+", {
        name: string("0+"),
        partitions: array("0+", {
          partitionIndex: int32("0+"),
          errorCode: int16("0+"),
        }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type WriteTxnMarkersRequest = Decoded<
  typeof WRITE_TXN_MARKERS.request
>;

/** A response as a broker writes it. */
export type WriteTxnMarkersResponse = Input<
  typeof WRITE_TXN_MARKERS.response
>;
