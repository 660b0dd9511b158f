/**
 * Topics that come into being because someone asks for them: a client's
 * unknown topic, a coordinator's internal one. Owns their defaults; checking
 * names and placing replicas is the controller's.
 *
 * @module
 */
import type { ErrorName } from "../../core/errors.ts";
import type { NewTopic } from "../../core/metadata/controller.ts";
import { topicNameProblem } from "../../core/metadata/topics.ts";
import { internalTopic } from "./coordinator_topic.ts";
import type { Services } from "./services.ts";

/** `name` with the broker's defaults, or with those of an internal topic. */
function defaultsOf(name: string, { config }: Services): NewTopic {
  return internalTopic(name, config) ?? {
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
  };
}

/** Creates what may be created; tells why the others were refused. */
export async function createMissing(
  services: Services,
  names: readonly string[],
  { isAllowed }: { readonly isAllowed: boolean },
): Promise<ReadonlyMap<string, ErrorName>> {
  const refusals = new Map<string, ErrorName>();
  const wanted = new Set<string>();
  for (const name of names) {
    if (topicNameProblem(name) !== undefined) {
      refusals.set(name, "INVALID_TOPIC_EXCEPTION");
    } else if (isAllowed && services.config["auto.create.topics.enable"]) {
      wanted.add(name);
    }
  }
  if (wanted.size === 0) return refusals;
  const topics = [...wanted].map((name) => defaultsOf(name, services));
  for (const { name, error } of await services.createTopics(topics)) {
    // Someone else was faster: that is what was wanted.
    if (error !== "NONE" && error !== "TOPIC_ALREADY_EXISTS") {
      refusals.set(name, error);
    }
  }
  return refusals;
}
