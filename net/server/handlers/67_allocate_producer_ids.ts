/**
 * AllocateProducerIds: a block of producer ids, from the controller.
 *
 * @module
 */
import { invariant } from "../../../core/invariant.ts";
import {
  ALLOCATE_PRODUCER_IDS,
  type AllocateProducerIdsRequest,
  type AllocateProducerIdsResponse,
} from "../../wire/67_allocate_producer_ids.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import type { Services } from "../services.ts";

/** The handler of AllocateProducerIds. */
export function allocateProducerIdsHandler(
  services: Pick<Services, "control">,
): HandlerEntry {
  async function handle(
    { brokerId, brokerEpoch }: AllocateProducerIdsRequest,
  ): Promise<AllocateProducerIdsResponse> {
    const reply = await services.control({
      type: "allocateProducerIds",
      brokerId,
      brokerEpoch,
    });
    invariant(
      reply.type === "allocateProducerIds",
      "a reply answers its input",
    );
    const { firstProducerId: producerIdStart, length: producerIdLen } = reply;
    return { errorCode: 0, producerIdStart, producerIdLen };
  }

  return handles(
    ALLOCATE_PRODUCER_IDS,
    handle,
    (_request, errorCode) => ({
      errorCode,
      producerIdStart: -1,
      producerIdLen: 0,
    }),
  );
}
