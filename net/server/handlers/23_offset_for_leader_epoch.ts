/**
 * OffsetForLeaderEpoch: where an epoch ended, so that a reader can tell that
 * the log it read was cut. Owns no more than the request's shape.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS } from "../../../core/errors.ts";
import {
  OFFSET_FOR_LEADER_EPOCH,
  type OffsetForLeaderEpochRequest,
  type OffsetForLeaderEpochResponse,
} from "../../wire/23_offset_for_leader_epoch.ts";
import { type HandlerEntry, handles } from "../handler.ts";
import { findLeader, type Services } from "../services.ts";

type Asked = OffsetForLeaderEpochRequest["topics"][number]["partitions"][
  number
];

/** The handler of OffsetForLeaderEpoch. */
export function offsetForLeaderEpochHandler(services: Services): HandlerEntry {
  function answer(name: string, asked: Asked) {
    const { partition, currentLeaderEpoch } = asked;
    const topic = { name, topicId: ZERO_UUID };
    const found = findLeader(services, topic, {
      index: partition,
      currentLeaderEpoch,
    });
    if (typeof found === "string") {
      return { partition, errorCode: ERRORS[found] };
    }
    const end = found.partition.log.endOffsetForEpoch(asked.leaderEpoch);
    return {
      partition,
      errorCode: 0,
      leaderEpoch: end.epoch,
      endOffset: end.endOffset,
    };
  }

  function handle(
    request: OffsetForLeaderEpochRequest,
  ): OffsetForLeaderEpochResponse {
    return {
      topics: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map((asked) => answer(topic, asked)),
      })),
    };
  }

  return handles(OFFSET_FOR_LEADER_EPOCH, handle, (request, errorCode) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({
        partition,
        errorCode,
      })),
    })),
  }));
}
