/**
 * What configs and features say about replication, as the controller sees it:
 * the uncommitted image first. Owns the layers; changes nothing.
 *
 * @module
 */
import type { ControllerState } from "./controller.ts";
import { type MetadataImage, RESOURCE_TYPE } from "./image.ts";

/** The feature that keeps replicas eligible after they left the ISR. */
export const ELR_FEATURE = "eligible.leader.replicas.version";

/** Whether replicas that left the ISR may stay eligible (KIP-966). */
export function usesElr({ features }: MetadataImage): boolean {
  return (features.get(ELR_FEATURE) ?? 0) >= 1;
}

/** How many must be in sync for anything to be committed. */
export function minInsyncReplicas(
  state: ControllerState,
  topic: string,
): number {
  const key = "min.insync.replicas";
  return Number(topicText(state, topic, key) ?? state.config[key]);
}

/** Whether a replica that isn't in sync may lead when no other can. */
export function allowsUncleanLeaders(
  state: ControllerState,
  topic: string,
): boolean {
  const key = "unclean.leader.election.enable";
  return String(topicText(state, topic, key) ?? state.config[key]) === "true";
}

/** The topic's own text, or the one set for this node or for all. */
function topicText(
  { image, config }: ControllerState,
  topic: string,
  key: "min.insync.replicas" | "unclean.leader.election.enable",
): string | undefined {
  return image.configs(RESOURCE_TYPE.TOPIC, topic).get(key) ??
    config.layers.dynamicBroker.get(key) ??
    image.configs(RESOURCE_TYPE.BROKER, "").get(key);
}
