/**
 * DeleteTopics: hands topics, by name or id, to the controller and answers
 * with what came of each.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS } from "../../../core/errors.ts";
import {
  DELETE_TOPICS,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
} from "../../wire/20_delete_topics.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { Services } from "../services.ts";

/** First version that can name topics by id. */
const TOPIC_IDS_VERSION = 6;

function wanted({ topics, topicNames }: DeleteTopicsRequest, version: number) {
  return version >= TOPIC_IDS_VERSION
    ? topics
    : topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
}

/** The handler of DeleteTopics. */
export function deleteTopicsHandler(services: Services): HandlerEntry {
  async function handle(
    request: DeleteTopicsRequest,
    { apiVersion }: RequestContext,
  ): Promise<DeleteTopicsResponse> {
    const topics = wanted(request, apiVersion);
    const reply = await services.control({ type: "deleteTopics", topics });
    const deleted = reply.type === "deleteTopics" ? reply.topics : [];
    return {
      responses: deleted.map(({ name, topicId, error, message }) => ({
        name,
        topicId,
        errorCode: ERRORS[error],
        errorMessage: message,
      })),
    };
  }

  return handles(DELETE_TOPICS, handle, (request, errorCode) => ({
    responses: [
      ...request.topics,
      ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })),
    ].map(({ name, topicId }) => ({ name, topicId, errorCode })),
  }));
}
