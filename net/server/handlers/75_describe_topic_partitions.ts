/**
 * DescribeTopicPartitions: topics by name, as many partitions as one answer
 * may hold, and where to go on. Owns the paging; it reads the image and never
 * creates a topic.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import type {
  MetadataImage,
  TopicImage,
} from "../../../core/metadata/image.ts";
import { topicNameProblem } from "../../../core/metadata/topics.ts";
import {
  DESCRIBE_TOPIC_PARTITIONS,
  type DescribeTopicPartitionsRequest,
  type DescribeTopicPartitionsResponse,
} from "../../wire/75_describe_topic_partitions.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import {
  isInternalTopic,
  offlineReplicas,
  type Services,
  TOPIC_OPERATIONS,
} from "../services.ts";

type Topic = NonNullable<DescribeTopicPartitionsResponse["topics"]>[number];

function describe(
  topic: TopicImage,
  { from, count, image }: {
    readonly from: number;
    readonly count: number;
    readonly image: MetadataImage;
  },
): Topic {
  const { partitions } = topic;
  return {
    errorCode: 0,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: partitions.slice(from, from + count).map((each, i) => ({
      errorCode: each.leader === -1 ? ERRORS.LEADER_NOT_AVAILABLE : 0,
      partitionIndex: from + i,
      leaderId: each.leader,
      leaderEpoch: each.leaderEpoch,
      replicaNodes: each.replicas,
      isrNodes: each.isr,
      eligibleLeaderReplicas: each.eligibleLeaderReplicas,
      lastKnownElr: each.lastKnownElr,
      offlineReplicas: offlineReplicas(each, image),
    })),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function missing(name: string): Topic {
  return {
    errorCode: topicNameProblem(name) === undefined
      ? ERRORS.UNKNOWN_TOPIC_OR_PARTITION
      : ERRORS.INVALID_TOPIC_EXCEPTION,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

/** The handler of DescribeTopicPartitions. */
export function describeTopicPartitionsHandler(
  services: Services,
): HandlerEntry {
  const { image } = services;

  function namesOf(
    { topics, cursor }: DescribeTopicPartitionsRequest,
  ): string[] {
    const names = topics.length === 0
      ? [...image.topics.keys()]
      : [...new Set(topics.map(({ name }) => name))];
    return names.filter((name) => cursor === null || name >= cursor.topicName)
      .sort();
  }

  function handle(
    request: DescribeTopicPartitionsRequest,
  ): DescribeTopicPartitionsResponse {
    const { cursor, responsePartitionLimit } = request;
    if (cursor !== null && cursor.partitionIndex < 0) {
      throw new KafkaError(
        "INVALID_REQUEST",
        `Cannot go on at partition ${cursor.partitionIndex}: it is below 0`,
      );
    }
    const limit = services.config["max.request.partition.size.limit"];
    let left = Math.max(1, Math.min(limit, responsePartitionLimit));
    const topics: Topic[] = [];
    for (const name of namesOf(request)) {
      if (left === 0) {
        return { topics, nextCursor: { topicName: name, partitionIndex: 0 } };
      }
      const topic = image.topic(name);
      if (topic === undefined) {
        topics.push(missing(name));
        continue;
      }
      const from = name === cursor?.topicName ? cursor.partitionIndex : 0;
      const there = Math.max(0, topic.partitions.length - from);
      const count = Math.min(left, there);
      topics.push(describe(topic, { from, count, image }));
      left -= count;
      if (count < there) {
        const nextCursor = { topicName: name, partitionIndex: from + count };
        return { topics, nextCursor };
      }
    }
    return { topics, nextCursor: null };
  }

  return handles(DESCRIBE_TOPIC_PARTITIONS, handle, (request, errorCode) => ({
    topics: request.topics.map(({ name }) => ({
      ...missing(name),
      errorCode,
    })),
    nextCursor: null,
  }));
}
