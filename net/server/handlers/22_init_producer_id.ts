/**
 * InitProducerId: a fresh producer id for idempotent producers, the next epoch
 * of its transactional id for a transactional one. Owns the request's shape;
 * who is fenced is the coordinator's to say.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  INIT_PRODUCER_ID,
  type InitProducerIdRequest,
  type InitProducerIdResponse,
} from "../../wire/22_init_producer_id.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";
import { txnErrorCode } from "../transactions.ts";

/** First version that tells fencing apart from an invalid epoch. */
const FENCED_VERSION = 4;
const NONE = -1;

/** The handler of InitProducerId. */
export function initProducerIdHandler(
  { producerIds, transactions }: Pick<Services, "producerIds" | "transactions">,
): HandlerEntry {
  async function handle(
    request: InitProducerIdRequest,
    { apiVersion }: RequestContext,
  ): Promise<InitProducerIdResponse> {
    const { transactionalId, transactionTimeoutMs: timeoutMs } = request;
    const { producerId, producerEpoch } = request;
    if (transactionalId === null) {
      return {
        errorCode: ERRORS.NONE,
        producerId: await producerIds.take(),
        producerEpoch: 0,
      };
    }
    const isHalf = (producerId === NONE) !== (producerEpoch === NONE);
    if (transactionalId === "" || isHalf) {
      return refused(ERRORS.INVALID_REQUEST);
    }
    const { error, ...producer } = await transactions.ask({
      type: "InitProducerId",
      transactionalId,
      timeoutMs,
      ...(producerId === NONE
        ? undefined
        : { expected: { producerId, producerEpoch } }),
    });
    const knowsFencing = apiVersion >= FENCED_VERSION;
    return { errorCode: txnErrorCode(error, { knowsFencing }), ...producer };
  }

  return handles(
    INIT_PRODUCER_ID,
    handle,
    (_request, errorCode) => refused(errorCode),
  );
}

function refused(errorCode: number): InitProducerIdResponse {
  return { errorCode, producerId: NONE, producerEpoch: NONE };
}
