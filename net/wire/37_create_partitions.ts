/**
 * CreatePartitions (key 37): raises the number of partitions of topics. Sent
 * by admin clients. Version 2 is flexible, 3 can answer that a quota was
 * exceeded.
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
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of CreatePartitions. */
export const CREATE_PARTITIONS = api({
  key: 37,
  name: "CreatePartitions",
  request: message({
    name: "CreatePartitionsRequest",
    versions: "0-3",
    flexible: "2+",
  }, {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      count: int32("0+"),
      assignments: array("0+", {
        brokerIds: array("0+", int32()),
      }, { nullable: "0+" }),
    }),
    timeoutMs: int32("0+"),
    validateOnly: bool("0+"),
  }),
  response: message({
    name: "CreatePartitionsResponse",
    versions: "0-3",
    flexible: "2+",
  }, {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      name: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+", default: null }),
    }),
  }),
});

/** A request as a broker reads it. */
export type CreatePartitionsRequest = Decoded<typeof CREATE_PARTITIONS.request>;

/** A response as a broker writes it. */
export type CreatePartitionsResponse = Input<typeof CREATE_PARTITIONS.response>;
