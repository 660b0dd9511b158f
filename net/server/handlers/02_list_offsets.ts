/**
 * ListOffsets: the offset for a timestamp or for one of the negative ones
 * that stand for a place in the log. Owns the meaning of those; searching by
 * time is the log's.
 *
 * @module
 */
import { ZERO_UUID } from "../../../core/bytes/uuid.ts";
import { ERRORS, KafkaError } from "../../../core/errors.ts";
import type { Isolation } from "../../../core/partition/partition.ts";
import {
  LIST_OFFSETS,
  type ListOffsetsRequest,
  type ListOffsetsResponse,
} from "../../wire/02_list_offsets.ts";
import { type HandlerEntry, handles, type RequestContext } from "../handler.ts";
import type { HostedPartition } from "../hosted_partition.ts";
import { findLeader, type Services } from "../services.ts";

type Asked = ListOffsetsRequest["topics"][number]["partitions"][number];
type Topic = NonNullable<ListOffsetsResponse["topics"]>[number];
type Answer = NonNullable<Topic["partitions"]>[number];

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;

/** First version that may ask for each of the later ones. */
const MIN_VERSION: Readonly<Record<number, number>> = {
  [MAX_TIMESTAMP]: 7,
  [EARLIEST_LOCAL]: 8,
  [LATEST_TIERED]: 9,
  [EARLIEST_PENDING_UPLOAD]: 11,
};

interface Found {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const NONE: Found = { offset: -1, timestamp: -1, leaderEpoch: -1 };

function lookUp(
  { partition }: HostedPartition,
  timestamp: number,
  isolation: Isolation,
): Found {
  const { log, leaderEpoch } = partition;
  const bound = partition.bound(isolation);
  const isBehind = isolation !== "log_end" && partition.isBehindItsEpoch;
  if (timestamp === LATEST) {
    if (isBehind) throw notAvailable(partition.name);
    return { offset: bound, timestamp: -1, leaderEpoch };
  }
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) {
    const offset = log.logStartOffset;
    return { offset, timestamp: -1, leaderEpoch: log.epochAt(offset) };
  }
  if (timestamp === LATEST_TIERED || timestamp === EARLIEST_PENDING_UPLOAD) {
    return NONE;
  }
  if (timestamp === MAX_TIMESTAMP) {
    const found = log.maxTimestamp();
    if (found === undefined || found.offset >= bound) return NONE;
    return { ...found, leaderEpoch: log.epochAt(found.offset) };
  }
  const found = log.offsetForTimestamp(timestamp);
  if (found === undefined || found.offset >= bound) {
    if (isBehind) throw notAvailable(partition.name);
    return NONE;
  }
  return { ...found, leaderEpoch: log.epochAt(found.offset) };
}

/** A new leader doesn't know yet how much the one before had told of. */
function notAvailable(name: string): KafkaError {
  return new KafkaError(
    "OFFSET_NOT_AVAILABLE",
    `Cannot tell an offset of ${name}: its leader has just been elected`,
  );
}

/** The handler of ListOffsets. */
export function listOffsetsHandler(services: Services): HandlerEntry {
  function answer(
    name: string,
    asked: Asked,
    { version, isolation }: { version: number; isolation: Isolation },
  ): Answer {
    const { partitionIndex, timestamp } = asked;
    const refused = (errorCode: number) => ({ partitionIndex, errorCode });
    const topic = { name, topicId: ZERO_UUID };
    const found = findLeader(services, topic, {
      index: partitionIndex,
      currentLeaderEpoch: asked.currentLeaderEpoch,
    });
    if (typeof found === "string") return refused(ERRORS[found]);
    const isUnknown = timestamp < EARLIEST_PENDING_UPLOAD ||
      version < (MIN_VERSION[timestamp] ?? 0);
    if (isUnknown) return refused(ERRORS.UNSUPPORTED_VERSION);
    try {
      const { offset, timestamp: time, leaderEpoch } = lookUp(
        found,
        timestamp,
        isolation,
      );
      const answer = { partitionIndex, errorCode: 0, timestamp: time, offset };
      return version >= 4 ? { ...answer, leaderEpoch } : answer;
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      if (error.error === "OFFSET_NOT_AVAILABLE") {
        return refused(
          version >= 5 ? error.code : ERRORS.LEADER_NOT_AVAILABLE,
        );
      }
      found.readFailed(error);
      return refused(error.code);
    }
  }

  function handle(
    request: ListOffsetsRequest,
    { apiVersion: version }: RequestContext,
  ): ListOffsetsResponse {
    const isolation = request.replicaId >= 0
      ? "log_end"
      : request.isolationLevel === 1
      ? "read_committed"
      : "read_uncommitted";
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((asked) =>
          answer(name, asked, { version, isolation })
        ),
      })),
    };
  }

  return handles(LIST_OFFSETS, handle, (request, errorCode) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode,
      })),
    })),
  }));
}
