/**
 * AlterConfigs (key 33): replaces all configs of a resource by those given. Sent by
 * old admin clients; IncrementalAlterConfigs took its place. Version 2 is flexible.
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

/** Schemas of AlterConfigs. */
export const ALTER_CONFIGS = api({
  key: 33,
  name: "AlterConfigs",
  request: message({
    name: "AlterConfigsRequest",
    versions: "0-2",
    flexible: "2+",
  }, {
    resources: array("0+", {
      resourceType: int8("0+", { mapKey: true }),
      resourceName: string("0+", { mapKey: true }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        value: string("0+", { nullable: "0+" }),
      }),
    }),
    validateOnly: bool("0+"),
  }),
  response: message({
    name: "AlterConfigsResponse",
    versions: "0-2",
    flexible: "2+",
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
export type AlterConfigsRequest = Decoded<typeof ALTER_CONFIGS.request>;

/** A response as a broker writes it. */
export type AlterConfigsResponse = Input<typeof ALTER_CONFIGS.response>;
