/**
 * IncrementalAlterConfigs: hands config changes to the controller and answers
 * with what came of each resource.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from "../../wire/44_incremental_alter_configs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of IncrementalAlterConfigs. */
export function incrementalAlterConfigsHandler(
  services: Services,
): HandlerEntry {
  async function handle(
    { resources, validateOnly }: IncrementalAlterConfigsRequest,
  ): Promise<IncrementalAlterConfigsResponse> {
    const reply = await services.control({
      type: "incrementalAlterConfigs",
      resources,
      validateOnly,
    });
    const altered = reply.type === "incrementalAlterConfigs"
      ? reply.resources
      : [];
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
    INCREMENTAL_ALTER_CONFIGS,
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
