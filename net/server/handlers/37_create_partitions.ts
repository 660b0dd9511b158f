/**
 * CreatePartitions: hands wider topics to the controller and answers with
 * what came of each.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import {
  CREATE_PARTITIONS,
  type CreatePartitionsRequest,
  type CreatePartitionsResponse,
} from "../../wire/37_create_partitions.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of CreatePartitions. */
export function createPartitionsHandler(services: Services): HandlerEntry {
  async function handle(
    { topics, validateOnly }: CreatePartitionsRequest,
  ): Promise<CreatePartitionsResponse> {
    const reply = await services.control({
      type: "createPartitions",
      topics,
      validateOnly,
    });
    const widened = reply.type === "createPartitions" ? reply.topics : [];
    return {
      results: widened.map(({ name, error, message }) => ({
        name,
        errorCode: ERRORS[error],
        errorMessage: message,
      })),
    };
  }

  return handles(CREATE_PARTITIONS, handle, (request, errorCode) => ({
    results: request.topics.map(({ name }) => ({ name, errorCode })),
  }));
}
