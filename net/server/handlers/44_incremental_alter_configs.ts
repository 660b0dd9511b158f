/**
 * IncrementalAlterConfigs: hands config changes to the controller and answers
 * with what came of each resource.
 *
 * @module
 */
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from "../../wire/44_incremental_alter_configs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";
import { alteredResponse, refusedResponse } from "./altered_configs.ts";

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
    return alteredResponse(
      reply.type === "incrementalAlterConfigs" ? reply.resources : [],
    );
  }

  return handles(INCREMENTAL_ALTER_CONFIGS, handle, refusedResponse);
}
