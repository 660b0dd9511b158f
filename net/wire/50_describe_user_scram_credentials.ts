/**
 * DescribeUserScramCredentials (key 50): which SCRAM credentials users have, never
 * the credentials themselves (KIP-554). Sent by kafka-configs.
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

/** Schemas of DescribeUserScramCredentials. */
export const DESCRIBE_USER_SCRAM_CREDENTIALS = api({
  key: 50,
  name: "DescribeUserScramCredentials",
  request: message({
    name: "DescribeUserScramCredentialsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    users: array("0+", {
      name: string("0+"),
    }, { nullable: "0+" }),
  }),
  response: message({
    name: "DescribeUserScramCredentialsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("0+"),
    errorMessage: string("0+", { nullable: "0+" }),
    results: array("0+", {
      user: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
      credentialInfos: array("0+", {
        mechanism: int8("0+"),
        iterations: int32("0+"),
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DescribeUserScramCredentialsRequest = Decoded<
  typeof DESCRIBE_USER_SCRAM_CREDENTIALS.request
>;

/** A response as a broker writes it. */
export type DescribeUserScramCredentialsResponse = Input<
  typeof DESCRIBE_USER_SCRAM_CREDENTIALS.response
>;
