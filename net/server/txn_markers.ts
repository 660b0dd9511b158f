/**
 * Markers that end transactions in the partitions led here: what WriteTxnMarkers
 * and the coordinator of this broker call. Owns the waiting until a marker is
 * committed; it must never decide how a transaction ends.
 *
 * @module
 */
import { ZERO_UUID } from "../../core/bytes/uuid.ts";
import { type ErrorName, KafkaError } from "../../core/errors.ts";
import type { TxnMarker } from "../../core/record/control.ts";
import { OFFSETS_TOPIC } from "./coordinator_topic.ts";
import type { Groups } from "./groups.ts";
import { ERROR_OF_END, type HostedPartition } from "./hosted_partition.ts";
import { findLeader, type Services } from "./services.ts";

export type { TxnMarker };

/** A partition by its topic's name. */
export interface TopicPartitionRef {
  readonly topic: string;
  readonly partition: number;
}

type Needs = Pick<
  Services,
  "partitions" | "image" | "nodeId" | "env" | "groups"
>;

/**
 * Appends a marker to each partition led here; resolves when each is committed
 * or refused, with the errors in the order of the partitions.
 */
export function writeTxnMarkers(
  services: Needs,
  marker: TxnMarker,
  partitions: readonly TopicPartitionRef[],
): Promise<ErrorName[]> {
  return Promise.all(partitions.map(({ topic: name, partition }) => {
    const topic = { name, topicId: ZERO_UUID };
    const found = findLeader(services, topic, { index: partition });
    if (typeof found === "string") return found;
    if (name === OFFSETS_TOPIC) {
      return endOffsets(services.groups, marker, found);
    }
    return appendTo(found, marker, services.env.clock.wallMs());
  }));
}

/** Pending offsets of the transaction count from then on, or never. */
async function endOffsets(
  groups: Groups,
  marker: TxnMarker,
  hosted: HostedPartition,
): Promise<ErrorName> {
  try {
    await groups.endTransaction(hosted, marker);
    return "NONE";
  } catch (error) {
    return appendError(error);
  }
}

function appendTo(
  hosted: HostedPartition,
  marker: TxnMarker,
  nowMs: number,
): Promise<ErrorName> | ErrorName {
  let offset: number;
  try {
    offset = hosted.appendMarker(marker, nowMs);
  } catch (error) {
    return appendError(error);
  }
  const { promise, resolve } = Promise.withResolvers<ErrorName>();
  hosted.awaitProduced({
    offset,
    needsCommit: true,
    onEnd: (end) => resolve(ERROR_OF_END[end]),
    // The coordinator goes on asking anyway: there is nothing to give up for.
    onParked: () => {},
  });
  return promise;
}

function appendError(error: unknown): ErrorName {
  if (error instanceof KafkaError) return error.error;
  if (error instanceof Error && error.name === "DiskError") {
    return "KAFKA_STORAGE_ERROR";
  }
  throw error;
}
