/**
 * AddPartitionsToTxn (key 24): puts partitions into a transaction before they
 * are written to. Sent to the transaction coordinator: by producers up to
 * version 3 (flexible since then), by the partitions' leaders since 4, for
 * many transactions at once and also to ask whether a partition is in one
 * (KIP-890). Version 5 tells of transaction version 2.
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
  int64,
  message,
  string,
} from "../../core/schema/schema.ts";
import { api } from "./api.ts";

const TOPIC = {
  name: string("0+", { mapKey: true }),
  partitions: array("0+", int32()),
};

const TOPIC_RESULT = {
  name: string("0+", { mapKey: true }),
  resultsByPartition: array("0+", {
    partitionIndex: int32("0+", { mapKey: true }),
    partitionErrorCode: int16("0+"),
  }),
};

/** Schemas of AddPartitionsToTxn. */
export const ADD_PARTITIONS_TO_TXN = api({
  key: 24,
  name: "AddPartitionsToTxn",
  request: message({
    name: "AddPartitionsToTxnRequest",
    versions: "0-5",
    flexible: "3+",
  }, {
    transactions: array("4+", {
      transactionalId: string("4+", { mapKey: true }),
      producerId: int64("4+"),
      producerEpoch: int16("4+"),
      verifyOnly: bool("4+"),
      topics: array("4+", TOPIC),
    }),
    v3AndBelowTransactionalId: string("0-3"),
    v3AndBelowProducerId: int64("0-3"),
    v3AndBelowProducerEpoch: int16("0-3"),
    v3AndBelowTopics: array("0-3", TOPIC),
  }),
  response: message({
    name: "AddPartitionsToTxnResponse",
    versions: "0-5",
    flexible: "3+",
  }, {
    throttleTimeMs: int32("0+"),
    errorCode: int16("4+", { ignorable: true }),
    resultsByTransaction: array("4+", {
      transactionalId: string("4+", { mapKey: true }),
      topicResults: array("4+", TOPIC_RESULT),
    }),
    resultsByTopicV3AndBelow: array("0-3", TOPIC_RESULT),
  }),
});

/** A request as a broker reads it. */
export type AddPartitionsToTxnRequest = Decoded<
  typeof ADD_PARTITIONS_TO_TXN.request
>;

/** A response as a broker writes it. */
export type AddPartitionsToTxnResponse = Input<
  typeof ADD_PARTITIONS_TO_TXN.response
>;
