/**
 * DeleteTopics (key 20): removes topics. Sent by admin clients. Version 4 is
 * flexible, 5 brought the error message, 6 topic ids beside names.
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of DeleteTopics. */
export const DELETE_TOPICS = api({
  key: 20,
  name: "DeleteTopics",
  request: message({
    name: "DeleteTopicsRequest",
    versions: "1-6",
    flexible: "4+",
  }, {
    topics: array("6+", {
      name: string("6+", { nullable: "6+", default: null }),
      topicId: uuid("6+"),
    }),
    topicNames: array("0-5", string(), { ignorable: true }),
    timeoutMs: int32("0+"),
  }),
  response: message({
    name: "DeleteTopicsResponse",
    versions: "1-6",
    flexible: "4+",
  }, {
    throttleTimeMs: int32("1+", { ignorable: true }),
    responses: array("0+", {
      name: string("0+", { nullable: "6+", mapKey: true }),
      topicId: uuid("6+", { ignorable: true }),
      errorCode: int16("0+"),
      errorMessage: string("5+", {
        nullable: "5+",
        default: null,
        ignorable: true,
      }),
    }),
  }),
});

/** A request as a broker reads it. */
export type DeleteTopicsRequest = Decoded<typeof DELETE_TOPICS.request>;

/** A response as a broker writes it. */
export type DeleteTopicsResponse = Input<typeof DELETE_TOPICS.response>;
