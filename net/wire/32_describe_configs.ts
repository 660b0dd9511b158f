/**
 * DescribeConfigs (key 32): configs of topics, brokers, groups and loggers
 * with where each value comes from. Sent by admin clients. Version 3 brought
 * types and documentation, 4 flexible encoding.
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

/** Schemas of DescribeConfigs. */
export const DESCRIBE_CONFIGS = api({
  key: 32,
  name: "DescribeConfigs",
  request: message({
    name: "DescribeConfigsRequest",
    versions: "1-4",
    flexible: "4+",
  }, {
    resources: array("0+", {
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configurationKeys: array("0+", string(), { nullable: "0+" }),
    }),
    includeSynonyms: bool("1+"),
    includeDocumentation: bool("3+"),
  }),
  response: message({
    name: "DescribeConfigsResponse",
    versions: "1-4",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
      resourceType: int8("0+"),
      resourceName: string("0+"),
      configs: array("0+", {
        name: string("0+"),
        value: string("0+", { nullable: "0+" }),
        readOnly: bool("0+"),
        configSource: int8("1+", { default: -1, ignorable: true }),
        isSensitive: bool("0+"),
        synonyms: array("1+", {
          name: string("1+"),
          value: string("1+", { nullable: "0+" }),
          source: int8("1+"),
        }, { ignorable: true }),
        configType: int8("3+", { ignorable: true }),
        documentation: string("3+", { nullable: "0+", ignorable: true }),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeConfigsRequest = Decoded<typeof DESCRIBE_CONFIGS.request>;

/** A response as a broker writes it. */
export type DescribeConfigsResponse = Input<typeof DESCRIBE_CONFIGS.response>;
