/**
 * The decision to give a broker a block of producer ids. Decides only; ids of
 * two blocks never overlap.
 *
 * @module
 */
import { requireBroker } from "./brokers.ts";
import type { ControllerDecision, ControllerState } from "./controller.ts";
import { metadataRecord } from "./records.ts";

/** Ids in one block. */
const PRODUCER_ID_BLOCK = 1000;

/** Gives `brokerId` the next block of producer ids. */
export function allocateProducerIds(
  { brokerId, brokerEpoch }: {
    readonly brokerId: number;
    readonly brokerEpoch: number;
  },
  { image }: ControllerState,
): ControllerDecision {
  requireBroker(image, brokerId, brokerEpoch);
  const firstProducerId = image.nextProducerId;
  const record = metadataRecord("ProducerIds", {
    brokerId,
    brokerEpoch,
    nextProducerId: firstProducerId + PRODUCER_ID_BLOCK,
  });
  return {
    records: [record],
    reply: {
      type: "allocateProducerIds",
      firstProducerId,
      length: PRODUCER_ID_BLOCK,
    },
  };
}
