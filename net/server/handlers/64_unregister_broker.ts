/**
 * UnregisterBroker: has the controller forget a broker that won't come back.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  UNREGISTER_BROKER,
  type UnregisterBrokerRequest,
  type UnregisterBrokerResponse,
} from "../../wire/64_unregister_broker.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of UnregisterBroker. */
export function unregisterBrokerHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    { brokerId }: UnregisterBrokerRequest,
  ): Promise<UnregisterBrokerResponse> {
    try {
      await services.control({ type: "unregisterBroker", brokerId });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { errorCode: error.code, errorMessage: error.message };
    }
    return { errorCode: ERRORS.NONE, errorMessage: null };
  }

  return handles(UNREGISTER_BROKER, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
