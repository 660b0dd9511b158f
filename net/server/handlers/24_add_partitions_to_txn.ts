/**
 * AddPartitionsToTxn: puts partitions into transactions, or tells whether they
 * are in there. Owns the request's shapes, of clients and of brokers, and that
 * partitions which don't exist hold the others of their transaction back.
 *
 * @module
 */
import { type ErrorName, ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  ADD_PARTITIONS_TO_TXN,
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnResponse,
} from "../../wire/24_add_partitions_to_txn.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";
import { txnErrorCode } from "../transactions.ts";

/** First version that tells fencing apart from an invalid epoch. */
const FENCED_VERSION = 2;
/** First version of many transactions, which brokers send. */
const BATCHED_VERSION = 4;

type Topics = AddPartitionsToTxnRequest["v3AndBelowTopics"];
type TopicResults = NonNullable<
  AddPartitionsToTxnResponse["resultsByTopicV3AndBelow"]
>;

interface Asked {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly verifyOnly: boolean;
  readonly clientVersion: number;
  readonly topics: Topics;
}

type Needs = Pick<Services, "image" | "transactions">;

/** The handler of AddPartitionsToTxn. */
export function addPartitionsToTxnHandler(services: Needs): HandlerEntry {
  async function resultsOf(
    asked: Asked,
    knowsFencing: boolean,
  ): Promise<TopicResults> {
    const errors = await errorsOf(asked, services);
    let at = 0;
    return resultsFor(
      asked.topics,
      () => txnErrorCode(errors[at++]!, { knowsFencing }),
    );
  }

  async function handle(
    request: AddPartitionsToTxnRequest,
    { apiVersion }: RequestContext,
  ): Promise<AddPartitionsToTxnResponse> {
    if (apiVersion < BATCHED_VERSION) {
      const knowsFencing = apiVersion >= FENCED_VERSION;
      const results = await resultsOf(ofClient(request), knowsFencing);
      return { resultsByTopicV3AndBelow: results };
    }
    return {
      errorCode: ERRORS.NONE,
      resultsByTransaction: await Promise.all(
        request.transactions.map(async (each) => ({
          transactionalId: each.transactionalId,
          topicResults: await resultsOf({ ...each, clientVersion: 2 }, true),
        })),
      ),
    };
  }

  return handles(ADD_PARTITIONS_TO_TXN, handle, (request, errorCode) => ({
    errorCode,
    resultsByTopicV3AndBelow: resultsFor(
      request.v3AndBelowTopics,
      () => errorCode,
    ),
  }));
}

/** What each partition is told, in the order asked. */
async function errorsOf(
  { topics, verifyOnly, clientVersion, ...producer }: Asked,
  { image, transactions }: Needs,
): Promise<readonly ErrorName[]> {
  const partitions = topics.flatMap(({ name: topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition }))
  );
  const isMissing = partitions.map(({ topic, partition }) =>
    image.topic(topic)?.partitions[partition] === undefined
  );
  if (isMissing.includes(true)) {
    return isMissing.map((each) =>
      each ? "UNKNOWN_TOPIC_OR_PARTITION" : "OPERATION_NOT_ATTEMPTED"
    );
  }
  const asked = { ...producer, partitions };
  try {
    const { errors } = verifyOnly
      ? await transactions.ask({ type: "VerifyPartitions", ...asked })
      : await transactions.ask({
        type: "AddPartitions",
        ...asked,
        clientVersion,
      });
    return errors;
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return partitions.map(() => error.error);
  }
}

function resultsFor(topics: Topics, codeOf: () => number) {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: codeOf(),
    })),
  }));
}

function ofClient(request: AddPartitionsToTxnRequest): Asked {
  return {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    topics: request.v3AndBelowTopics,
    verifyOnly: false,
    clientVersion: 0,
  };
}
