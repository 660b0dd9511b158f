/**
 * ConsumerGroupHeartbeat: a member of a consumer group joins, stays, or
 * leaves. Owns the request's shape, the id that older members are given, and
 * whether such groups are served at all.
 *
 * @module
 */
import { uuidFromBytes } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from "../../wire/68_consumer_group_heartbeat.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import { hasConsumerGroups, type Services } from "../services.ts";

/** First version whose members make their ids themselves. */
const OWN_MEMBER_ID_VERSION = 1;

/** The handler of ConsumerGroupHeartbeat. */
export function consumerGroupHeartbeatHandler(
  { env, image }: Pick<Services, "env" | "image">,
  groups: Groups,
): HandlerEntry {
  async function handle(
    request: ConsumerGroupHeartbeatRequest,
    { apiVersion, clientId, clientHost }: RequestContext,
  ): Promise<ConsumerGroupHeartbeatResponse> {
    if (!hasConsumerGroups(image)) {
      return { errorCode: ERRORS.UNSUPPORTED_VERSION };
    }
    const isNameless = request.memberId === "" && request.memberEpoch === 0 &&
      apiVersion < OWN_MEMBER_ID_VERSION;
    try {
      const { assignment, ...reply } = await groups.ask({
        type: "ConsumerGroupHeartbeat",
        groupId: request.groupId,
        memberId: isNameless
          ? uuidFromBytes(env.random.bytes(16))
          : request.memberId,
        memberEpoch: request.memberEpoch,
        instanceId: request.instanceId,
        rackId: request.rackId,
        rebalanceTimeoutMs: request.rebalanceTimeoutMs,
        subscribedTopicNames: request.subscribedTopicNames,
        subscribedTopicRegex: request.subscribedTopicRegex,
        serverAssignor: request.serverAssignor,
        topicPartitions: request.topicPartitions,
        clientId: clientId ?? "",
        clientHost,
      });
      return {
        ...reply,
        errorCode: ERRORS.NONE,
        assignment: assignment && { topicPartitions: assignment },
      };
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { errorCode: error.code, errorMessage: error.message };
    }
  }

  return handles(
    CONSUMER_GROUP_HEARTBEAT,
    handle,
    (_request, errorCode) => ({ errorCode }),
  );
}
