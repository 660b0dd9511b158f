/**
 * AlterUserScramCredentials (key 51): sets and removes SCRAM credentials of users
 * (KIP-554). Sent by kafka-configs.
 *
 * @module
 */
import {
  array,
  bytes,
  type Decoded,
  type Input,
  int16,
  int32,
  int8,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of AlterUserScramCredentials. */
export const ALTER_USER_SCRAM_CREDENTIALS = api({
  key: 51,
  name: "AlterUserScramCredentials",
  request: message({
    name: "AlterUserScramCredentialsRequest",
    versions: "0",
    flexible: "0+",
  }, {
    deletions: array("0+", {
      name: string("0+"),
      mechanism: int8("0+"),
    }),
    upsertions: array("0+", {
      name: string("0+"),
      mechanism: int8("0+"),
      iterations: int32("0+"),
      salt: bytes("0+"),
      saltedPassword: bytes("0+"),
    }),
  }),
  response: message({
    name: "AlterUserScramCredentialsResponse",
    versions: "0",
    flexible: "0+",
  }, {
    throttleTimeMs: int32("0+"),
    results: array("0+", {
      user: string("0+"),
      errorCode: int16("0+"),
      errorMessage: string("0+", { nullable: "0+" }),
    }),
  }),
});

/** A request as a broker reads it. */
export type AlterUserScramCredentialsRequest = Decoded<
  typeof ALTER_USER_SCRAM_CREDENTIALS.request
>;

/** A response as a broker writes it. */
export type AlterUserScramCredentialsResponse = Input<
  typeof ALTER_USER_SCRAM_CREDENTIALS.response
>;
