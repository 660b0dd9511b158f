/**
 * DescribeTransactions: what transactional ids are doing. Owns how an id is
 * told, and that one which is not known has an error of its own.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  DESCRIBE_TRANSACTIONS,
  type DescribeTransactionsRequest,
  type DescribeTransactionsResponse,
} from "../../wire/65_describe_transactions.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

type StateAnswer = NonNullable<
  DescribeTransactionsResponse["transactionStates"]
>[number];

/** The handler of DescribeTransactions. */
export function describeTransactionsHandler(
  { transactions }: Pick<Services, "transactions">,
): HandlerEntry {
  async function describe(transactionalId: string): Promise<StateAnswer> {
    if (transactionalId === "") {
      return { transactionalId, errorCode: ERRORS.INVALID_REQUEST };
    }
    const type = "DescribeTransaction";
    const found = await transactions.ask({ type, transactionalId });
    if (found === undefined) {
      return { transactionalId, errorCode: ERRORS.TRANSACTIONAL_ID_NOT_FOUND };
    }
    return {
      errorCode: ERRORS.NONE,
      transactionalId,
      transactionState: found.state,
      transactionTimeoutMs: found.timeoutMs,
      transactionStartTimeMs: found.startMs,
      producerId: found.producerId,
      producerEpoch: found.producerEpoch,
      topics: [...found.partitions].map(([topic, partitions]) => ({
        topic,
        partitions: [...partitions],
      })),
    };
  }

  async function describeOrRefuse(
    transactionalId: string,
  ): Promise<StateAnswer> {
    try {
      return await describe(transactionalId);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { transactionalId, errorCode: error.code };
    }
  }

  async function handle(
    { transactionalIds }: DescribeTransactionsRequest,
  ): Promise<DescribeTransactionsResponse> {
    return {
      transactionStates: await Promise.all(
        transactionalIds.map(describeOrRefuse),
      ),
    };
  }

  return handles(DESCRIBE_TRANSACTIONS, handle);
}
