/**
 * InitProducerId: a fresh producer id for idempotent producers. Transactions
 * are not served: a transactional id is answered TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
 * which every client takes as final instead of retrying, and the id is traced
 * by name because the answer has no room for a message.
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

/** The handler of InitProducerId. */
export function initProducerIdHandler(services: Services): HandlerEntry {
  async function handle(
    { transactionalId }: InitProducerIdRequest,
    { clientId }: RequestContext,
  ): Promise<InitProducerIdResponse> {
    if (transactionalId === null) {
      return {
        errorCode: ERRORS.NONE,
        producerId: await services.producerIds.take(),
        producerEpoch: 0,
      };
    }
    services.env.trace(
      "warn",
      `Refused transactional.id "${transactionalId}": transactions are not served; leave it out for an idempotent producer`,
      { clientId },
    );
    return {
      errorCode: transactionalId === ""
        ? ERRORS.INVALID_REQUEST
        : ERRORS.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
      producerId: -1,
      producerEpoch: -1,
    };
  }

  return handles(INIT_PRODUCER_ID, handle);
}
