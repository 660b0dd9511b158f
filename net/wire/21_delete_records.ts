/**
 * DeleteRecords (key 21): moves the start of partitions' logs up to an offset.
 * Sent by admin clients to partition leaders. Version 2 is flexible.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of DeleteRecords. */
export const DELETE_RECORDS = api({
  key: 21,
  name: "DeleteRecords",
  request: message({
    name: "DeleteRecordsRequest",
    versions: "0-2",
    flexible: "2+",
  }, {
    topics: array("0+", {
      name: string("0+"),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
        offset: int64("0+"),
      }),
    }),
    timeoutMs: int32("0+"),
  }),
  response: message({
    name: "DeleteRecordsResponse",
    versions: "0-2",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+"),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        lowWatermark: int64("0+"),
        errorCode: int16("0+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DeleteRecordsRequest = Decoded<typeof DELETE_RECORDS.request>;

/** A response as a broker writes it. */
export type DeleteRecordsResponse = Input<typeof DELETE_RECORDS.response>;
