/**
 * AlterConfigs: hands the configs that a resource is to have to the controller
 * and answers with what came of each resource.
 *
 * @module
 */
import {
  ALTER_CONFIGS,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
} from "../../wire/33_alter_configs.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";
import { alteredResponse, refusedResponse } from "./altered_configs.ts";

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
    return alteredResponse(
      reply.type === "alterConfigs" ? reply.resources : [],
    );
  }

  return handles(ALTER_CONFIGS, handle, refusedResponse);
}
