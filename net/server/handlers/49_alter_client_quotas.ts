/**
 * AlterClientQuotas: hands quotas to set and to remove to the controller and
 * answers with what came of each entity.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  ALTER_CLIENT_QUOTAS,
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
} from "../../wire/49_alter_client_quotas.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AlterClientQuotas. */
export function alterClientQuotasHandler(services: Services): HandlerEntry {
  async function handle(
    { entries, validateOnly }: AlterClientQuotasRequest,
  ): Promise<AlterClientQuotasResponse> {
    const reply = await services.control({
      type: "alterClientQuotas",
      entries,
      validateOnly,
    });
    const altered = reply.type === "alterClientQuotas" ? reply.entries : [];
    return {
      entries: altered.map(({ entity, error, message }) => ({
        errorCode: ERRORS[error],
        errorMessage: message,
        entity,
      })),
    };
  }

  return handles(ALTER_CLIENT_QUOTAS, handle, ({ entries }, errorCode) => ({
    entries: entries.map(({ entity }) => ({
      errorCode,
      errorMessage: null,
      entity,
    })),
  }));
}
