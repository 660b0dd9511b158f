/**
 * OffsetDelete (key 47): forgets committed offsets of a group (KIP-496). Sent by
 * kafka-consumer-groups --delete-offsets to the coordinator.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of OffsetDelete. */
export const OFFSET_DELETE = api({
  key: 47,
  name: "OffsetDelete",
  request: message({
    name: "OffsetDeleteRequest",
    versions: "0",
    flexible: "none",
  }, {
    groupId: string("0+"),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+"),
      }),
    }),
  }),
  response: message({
    name: "OffsetDeleteResponse",
    versions: "0",
    flexible: "none",
  }, {
    errorCode: int16("0+"),
    throttleTimeMs: int32("0+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      partitions: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        errorCode: int16("0+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type OffsetDeleteRequest = Decoded<typeof OFFSET_DELETE.request>;

/** A response as a broker writes it. */
export type OffsetDeleteResponse = Input<typeof OFFSET_DELETE.response>;
