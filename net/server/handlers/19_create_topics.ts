/**
 * CreateTopics: hands topics to the controller and answers with what came of
 * each. Decides nothing itself.
 *
 * @module
 */
import { ERRORS } from "../../../core/errors.ts";
import type { CreatedTopic } from "../../../core/metadata/controller.ts";
import {
  CREATE_TOPICS,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
} from "../../wire/19_create_topics.ts";
import { topicEntries } from "../config_entries.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import { isInternalTopic, type Services } from "../services.ts";

/** The handler of CreateTopics. */
export function createTopicsHandler(services: Services): HandlerEntry {
  function configsOf(name: string, request: CreateTopicsRequest) {
    const topic = request.topics.find((topic) => topic.name === name);
    const texts = new Map<string, string>();
    for (const { name, value } of topic?.configs ?? []) {
      if (value !== null) texts.set(name, value);
    }
    return topicEntries(texts, services.config).map((entry) => ({
      name: entry.name,
      value: entry.value,
      readOnly: entry.readOnly,
      configSource: entry.configSource,
      isSensitive: entry.isSensitive,
    }));
  }

  function answer(created: CreatedTopic, request: CreateTopicsRequest) {
    const { name, topicId, error, message } = created;
    const { numPartitions, replicationFactor } = created;
    return {
      name,
      topicId,
      errorCode: ERRORS[error],
      errorMessage: message,
      numPartitions,
      replicationFactor,
      configs: error === "NONE" ? configsOf(name, request) : null,
    };
  }

  async function handle(
    request: CreateTopicsRequest,
    { isFromBroker }: RequestContext,
  ): Promise<CreateTopicsResponse> {
    const isRefused = (name: string) => !isFromBroker && isInternalTopic(name);
    const [internal, topics] = [true, false].map((refused) =>
      request.topics.filter(({ name }) => isRefused(name) === refused)
    );
    const reply = await services.control({
      type: "createTopics",
      topics: topics!,
      validateOnly: request.validateOnly,
    });
    const created = reply.type === "createTopics" ? reply.topics : [];
    return {
      topics: [
        ...created.map((topic) => answer(topic, request)),
        ...internal!.map(({ name }) => ({
          name,
          errorCode: ERRORS.INVALID_REQUEST,
          errorMessage: `"${name}" is internal: the brokers create it`,
          configs: null,
        })),
      ],
    };
  }

  return handles(CREATE_TOPICS, handle, (request, errorCode) => ({
    topics: request.topics.map(({ name }) => ({
      name,
      errorCode,
      errorMessage: null,
      configs: null,
    })),
  }));
}
