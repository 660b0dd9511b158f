/**
 * ConsumerGroupDescribe: what consumer groups look like. Owns the shape of
 * the answer, in which topics that are gone do not show.
 *
 * @module
 */
import type { Uuid } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import { partitionLists } from "../../../core/group/consumer_group.ts";
import {
  CONSUMER_GROUP_DESCRIBE,
  type ConsumerGroupDescribeRequest,
  type ConsumerGroupDescribeResponse,
} from "../../wire/69_consumer_group_describe.ts";
import type { Groups } from "../groups.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import {
  hasConsumerGroups,
  type Services,
  withGroupOperations,
} from "../services.ts";

/** How a member speaks, as the answer numbers it. */
const MEMBER_TYPE = { classic: 0, consumer: 1 } as const;

type GroupAnswer = NonNullable<ConsumerGroupDescribeResponse["groups"]>[number];

/** The handler of ConsumerGroupDescribe. */
export function consumerGroupDescribeHandler(
  { image }: Pick<Services, "image">,
  groups: Groups,
): HandlerEntry {
  const named = (
    lists: readonly { topicId: Uuid; partitions: readonly number[] }[],
  ) => ({
    topicPartitions: lists.flatMap(({ topicId, partitions }) => {
      const topic = image.topicById(topicId);
      return topic === undefined
        ? []
        : [{ topicId, topicName: topic.name, partitions }];
    }),
  });

  async function describe(groupId: string): Promise<GroupAnswer> {
    const group = await groups.ask({ type: "DescribeConsumerGroup", groupId });
    return {
      groupId,
      errorCode: ERRORS.NONE,
      groupState: group.state,
      groupEpoch: group.epoch,
      assignmentEpoch: group.assignmentEpoch,
      assignorName: group.assignor,
      members: group.members.map(({ member, target }) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        rackId: member.rackId,
        memberEpoch: member.epoch,
        clientId: member.clientId,
        clientHost: member.clientHost,
        subscribedTopicNames: member.topics,
        subscribedTopicRegex: member.regex,
        assignment: named(partitionLists(member.assigned)),
        targetAssignment: named(target),
        memberType: member.classic === null
          ? MEMBER_TYPE.consumer
          : MEMBER_TYPE.classic,
      })),
    };
  }

  async function describeOrRefuse(groupId: string): Promise<GroupAnswer> {
    if (!hasConsumerGroups(image)) {
      return { groupId, errorCode: ERRORS.UNSUPPORTED_VERSION };
    }
    if (groupId === "") {
      return { groupId, errorCode: ERRORS.INVALID_GROUP_ID };
    }
    try {
      return await describe(groupId);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return { groupId, errorCode: error.code, errorMessage: error.message };
    }
  }

  async function handle(
    { groupIds, includeAuthorizedOperations }: ConsumerGroupDescribeRequest,
  ): Promise<ConsumerGroupDescribeResponse> {
    const answers = await Promise.all(groupIds.map(describeOrRefuse));
    return {
      groups: includeAuthorizedOperations
        ? answers.map(withGroupOperations)
        : answers,
    };
  }

  return handles(CONSUMER_GROUP_DESCRIBE, handle);
}
