/**
 * The decisions about controllers: one came up, or won't ever again. Which of
 * them leads is not decided here, nor does anything depend on whether they are
 * there.
 *
 * @module
 */
import { type ErrorName, KafkaError } from "../errors.ts";
import type {
  ControllerDecision,
  ControllerRegistration,
  ControllerState,
} from "./controller.ts";
import { metadataRecord } from "./records.ts";

/** `metadata.version` 3.7-IV0: controllers register. */
const CONTROLLERS_VERSION = 15;

/** `metadata.version` 4.4-IV2: controllers may be forgotten. */
const UNREGISTRATION_VERSION = 33;

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

/** A controller is gone for good. */
export function unregisterController(
  { controllerId }: { readonly controllerId: number },
  { image, config }: ControllerState,
): ControllerDecision {
  const refuse = (error: ErrorName, why: string) =>
    new KafkaError(
      error,
      `Cannot unregister controller ${controllerId}: ${why}`,
    );
  if (controllerId === config["node.id"]) {
    throw refuse("INVALID_REQUEST", "it is the active one");
  }
  const version = image.features.get("metadata.version") ?? 0;
  if (version < UNREGISTRATION_VERSION) {
    const why = `metadata.version ${version} knows of no such thing`;
    throw refuse("UNSUPPORTED_VERSION", why);
  }
  if (!image.controllers.has(controllerId)) {
    throw refuse("CONTROLLER_ID_NOT_REGISTERED", "it is not registered");
  }
  return {
    records: [metadataRecord("UnregisterController", { controllerId })],
    reply: { type: "unregisterController" },
  };
}
