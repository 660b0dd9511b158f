/**
 * AlterConfigs: hands the configs that a resource is to have to the controller
 * and answers with what came of each resource.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  ALTER_CONFIGS,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
} from "../../wire/33_alter_configs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AlterConfigs. */
export function alterConfigsHandler(
  services: Services,
): HandlerEntry {
  async function handle(
    { resources, validateOnly }: AlterConfigsRequest,
  ): Promise<AlterConfigsResponse> {
    const reply = await services.control({
      type: "alterConfigs",
      resources,
      validateOnly,
    });
    const altered = reply.type === "alterConfigs" ? reply.resources : [];
    return {
      responses: altered.map((
        { resourceType, resourceName, error, message },
      ) => ({
        errorCode: ERRORS[error],
        errorMessage: message,
        resourceType,
        resourceName,
      })),
    };
  }

  return handles(
    ALTER_CONFIGS,
    handle,
    (request, errorCode) => ({
      responses: request.resources.map(({ resourceType, resourceName }) => ({
        errorCode,
        errorMessage: null,
        resourceType,
        resourceName,
      })),
    }),
  );
}
