/**
 * Topics that a broker itself wants: asked of the active controller, wherever
 * it is. Owns the request and the reading of its answer; which topics, and
 * why, is for whoever asks.
 *
 * @module
 */
import { type ErrorName, errorName, ERRORS } from "../../core/errors.ts";
import type { NewTopic } from "../../core/metadata/controller.ts";
import { CREATE_TOPICS } from "../wire/19_create_topics.ts";
import type { ControllerChannel } from "./controller_channel.ts";

/** How creating one topic went. */
export interface TopicCreation {
  readonly name: string;
  readonly error: ErrorName;
  /** For people; null when nothing is wrong. */
  readonly message: string | null;
}

/** Has the controller create `topics`; tells how each went. */
export async function createTopics(
  channel: ControllerChannel,
  topics: readonly NewTopic[],
): Promise<TopicCreation[]> {
  const answer = await channel.request(CREATE_TOPICS, {
    topics: topics.map(({ assignments, configs, ...topic }) => ({
      ...topic,
      assignments: [...assignments],
      configs: [...configs],
    })),
    timeoutMs: 10_000,
  }, {
    isMisdirected: (answer) =>
      answer.topics.some(({ errorCode }) =>
        errorCode === ERRORS.NOT_CONTROLLER
      ),
  });
  return answer.topics.map(({ name, errorCode, errorMessage }) => ({
    name,
    error: errorName(errorCode),
    message: errorMessage,
  }));
}
