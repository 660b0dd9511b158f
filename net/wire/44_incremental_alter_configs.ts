/**
 * IncrementalAlterConfigs (key 44): sets, deletes, appends to and subtracts
 * from single configs (KIP-339). Sent by admin clients. Version 1 is flexible.
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
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of IncrementalAlterConfigs. */
export const INCREMENTAL_ALTER_CONFIGS = api({
  key: 44,
  name: "IncrementalAlterConfigs",
  request: message({
    name: "IncrementalAlterConfigsRequest",
    versions: "0-1",
    flexible: "1+",
  }, {
    resources: array("0+", {
      resourceType: int8("0+", { mapKey: true }),
      resourceName: string("0+", { mapKey: true }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        configOperation: int8("0+", { mapKey: true }),
        value: string("0+", { nullable: "0+" }),
      }),
    }),
    validateOnly: bool("0+"),
  }),
  response: message({
    name: "IncrementalAlterConfigsResponse",
    versions: "0-1",
    flexible: "1+",
  }, {
    throttleTimeMs: int32("0+"),
    responses: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
      resourceType: int8("0+"),
      resourceName: string("0+"),
    }),
  }),
});

/** A request as a broker reads it. */
export type IncrementalAlterConfigsRequest = Decoded<
  typeof INCREMENTAL_ALTER_CONFIGS.request
>;

/** A response as a broker writes it. */
export type IncrementalAlterConfigsResponse = Input<
  typeof INCREMENTAL_ALTER_CONFIGS.response
>;
