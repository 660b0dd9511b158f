/**
 * ListConfigResources (key 74): names of what can have configs (KIP-1142). Sent by
 * kafka-configs and admin clients. Version 0 knew client metrics only.
 *
 * @module
 */
import {
  array,
  type Decoded,
  type Input,
  int16,
  int32,
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of ListConfigResources. */
export const LIST_CONFIG_RESOURCES = api({
  key: 74,
  name: "ListConfigResources",
  request: message({
    name: "ListConfigResourcesRequest",
    versions: "0-1",
    flexible: "0+",
  }, {
    resourceTypes: array("1+", int8()),
  }),
  response: message({
    name: "ListConfigResourcesResponse",
    versions: "0-1",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    configResources: array("0+", {
      resourceName: string("0+"),
      resourceType: int8("1+", { default: 16, ignorable: true }),
    }),
  }),
});

/** A request as a broker reads it. */
export type ListConfigResourcesRequest = Decoded<
  typeof LIST_CONFIG_RESOURCES.request
>;

/** A response as a broker writes it. */
export type ListConfigResourcesResponse = Input<
  typeof LIST_CONFIG_RESOURCES.response
>;
