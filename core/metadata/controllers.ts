/**
 * The decision about controllers: one came up. Which of them leads is not
 * decided here, nor does anything depend on whether they are there.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type {
  ControllerDecision,
  ControllerRegistration,
  ControllerState,
} from "./controller.ts";
import { metadataRecord } from "./records.ts";

/** `metadata.version` 3.7-IV0: controllers register. */
const CONTROLLERS_VERSION = 15;

/** A controller came up: its features and endpoints are known from now on. */
export function registerController(
  registration: ControllerRegistration,
  { image }: ControllerState,
): ControllerDecision {
  const { controllerId, incarnationId, endPoints, features } = registration;
  const version = image.features.get("metadata.version") ?? 0;
  if (version < CONTROLLERS_VERSION) {
    throw new KafkaError(
      "UNSUPPORTED_VERSION",
      `Cannot register controller ${controllerId}: metadata.version ${version} knows no controllers`,
    );
  }
  return {
    records: [metadataRecord("RegisterController", {
      controllerId,
      incarnationId,
      endPoints,
      features,
    })],
    reply: { type: "registerController" },
  };
}
