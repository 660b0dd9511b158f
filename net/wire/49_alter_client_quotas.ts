/**
 * AlterClientQuotas (key 49): sets and removes quotas of users, clients and addresses
 * (KIP-546). Sent by kafka-configs. Version 1 is flexible.
 *
 * @module
 */
import {
  array,
  bool,
  type Decoded,
  float64,
  type Input,
  int16,
  int32,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AlterClientQuotas. */
export const ALTER_CLIENT_QUOTAS = api({
  key: 49,
  name: "AlterClientQuotas",
  request: message({
    name: "AlterClientQuotasRequest",
    versions: "0-1",
    flexible: "1+",
  }, {
    entries: array("0+", {
      entity: array("0+", {
        entityType: string("0+"),
        entityName: string("0+", { nullable: "0+" }),
      }),
      ops: array("0+", {
        key: string("0+"),
        value: float64("0+"),
        remove: bool("0+"),
      }),
    }),
    validateOnly: bool("0+"),
  }),
  response: message({
    name: "AlterClientQuotasResponse",
    versions: "0-1",
    flexible: "1+",
  }, {
    throttleTimeMs: int32("0+"),
    entries: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
      entity: array("0+", {
        entityType: string("0+"),
        entityName: string("0+", { nullable: "0+" }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type AlterClientQuotasRequest = Decoded<
  typeof ALTER_CLIENT_QUOTAS.request
>;

/** A response as a broker writes it. */
export type AlterClientQuotasResponse = Input<
  typeof ALTER_CLIENT_QUOTAS.response
>;
