/**
 * ControllerRegistration: hands a controller that came up to the active one,
 * so that all know its features and where it is reached.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  CONTROLLER_REGISTRATION,
  type ControllerRegistrationRequest,
  type ControllerRegistrationResponse,
} from "../../wire/70_controller_registration.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of ControllerRegistration. */
export function controllerRegistrationHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    { listeners, controllerId, incarnationId, features }:
      ControllerRegistrationRequest,
  ): Promise<ControllerRegistrationResponse> {
    await services.control({
      type: "registerController",
      controllerId,
      incarnationId,
      features,
      endPoints: listeners,
    });
    return { errorCode: ERRORS.NONE, errorMessage: null };
  }

  return handles(CONTROLLER_REGISTRATION, handle, (_request, errorCode) => ({
    errorCode,
    errorMessage: null,
  }));
}
