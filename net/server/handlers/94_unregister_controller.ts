/**
 * UnregisterController: has the active controller forget another one that won't
 * come back.
 *
 * @module
 */
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  UNREGISTER_CONTROLLER,
  type UnregisterControllerRequest,
  type UnregisterControllerResponse,
} from "../../wire/94_unregister_controller.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of UnregisterController. */
export function unregisterControllerHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    { controllerId }: UnregisterControllerRequest,
  ): Promise<UnregisterControllerResponse> {
    try {
      await services.control({ type: "unregisterController", controllerId });
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { errorCode: error.code, errorMessage: error.message };
    }
    return { errorCode: ERRORS.NONE, errorMessage: null };
  }

  return handles(UNREGISTER_CONTROLLER, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
