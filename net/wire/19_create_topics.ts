/**
 * CreateTopics (key 19): creates topics with partitions, replicas and configs,
 * or only checks whether it could. Sent by admin clients, and by brokers that
 * create a topic on demand. Version 4 lets the broker choose counts (-1), 5 is
 * flexible and returns the configs, 7 returns the topic id.
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
  uuid,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

/** Schemas of CreateTopics. */
export const CREATE_TOPICS = api({
  key: 19,
  name: "CreateTopics",
  request: message({
    name: "CreateTopicsRequest",
    versions: "2-7",
    flexible: "5+",
  }, {
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      numPartitions: int32("0+"),
      replicationFactor: int16("0+"),
      assignments: array("0+", {
        partitionIndex: int32("0+", { mapKey: true }),
        brokerIds: array("0+", int32()),
      }),
      configs: array("0+", {
        name: string("0+", { mapKey: true }),
        value: string("0+", { nullable: "0+" }),
      }),
    }),
    timeoutMs: int32("0+", { default: 60000 }),
    validateOnly: bool("1+"),
  }),
  response: message({
    name: "CreateTopicsResponse",
    versions: "2-7",
    flexible: "5+",
  }, {
    throttleTimeMs: int32("2+", { ignorable: true }),
    topics: array("0+", {
      name: string("0+", { mapKey: true }),
      topicId: uuid("7+", { ignorable: true }),
      errorCode: int16("0+"),
      errorMessage: string("1+", { nullable: "0+", ignorable: true }),
      topicConfigErrorCode: int16("5+", { tag: 0, ignorable: true }),
      numPartitions: int32("5+", { default: -1, ignorable: true }),
      replicationFactor: int16("5+", { default: -1, ignorable: true }),
      configs: array("5+", {
        name: string("5+"),
        value: string("5+", { nullable: "5+" }),
        readOnly: bool("5+"),
        configSource: int8("5+", { default: -1, ignorable: true }),
        isSensitive: bool("5+"),
      }, { nullable: "5+", ignorable: true }),
    }),
  }),
});

/** A request as a broker reads it. */
export type CreateTopicsRequest = Decoded<typeof CREATE_TOPICS.request>;

/** A response as a broker writes it. */
export type CreateTopicsResponse = Input<typeof CREATE_TOPICS.response>;
