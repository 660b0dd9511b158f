/**
 * DescribeClientQuotas (key 48): the quotas of users, clients and addresses that
 * match a filter (KIP-546). Sent by kafka-configs. Version 1 is flexible.
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
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of DescribeClientQuotas. */
export const DESCRIBE_CLIENT_QUOTAS = api({
  key: 48,
  name: "DescribeClientQuotas",
  request: message({
    name: "DescribeClientQuotasRequest",
    versions: "0-1",
    flexible: "1+",
  }, {
    components: array("0+", {
      entityType: string("0+"),
      matchType: int8("0+"),
      match: string("0+", { nullable: "0+" }),
    }),
    strict: bool("0+"),
  }),
  response: message({
    name: "DescribeClientQuotasResponse",
    versions: "0-1",
    flexible: "1+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    entries: array("0+", {
      entity: array("0+", {
        entityType: string("0+"),
        entityName: string("0+", { nullable: "0+" }),
      }),
      values: array("0+", {
        key: string("0+"),
        value: float64("0+"),
      }),
    }, { nullable: "0+" }),
  }),
});

/** A request as a broker reads it. */
export type DescribeClientQuotasRequest = Decoded<
  typeof DESCRIBE_CLIENT_QUOTAS.request
>;

/** A response as a broker writes it. */
export type DescribeClientQuotasResponse = Input<
  typeof DESCRIBE_CLIENT_QUOTAS.response
>;
