/**
 * Markers that end transactions: in the partitions led here, as WriteTxnMarkers
 * asks, and wherever the coordinator of this broker has them led. Owns the
 * waiting until a marker is committed; it must never decide how a transaction
 * ends, nor pass a marker on that another broker sent.
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

/**
 * Ends a transaction in each partition, here or at the broker that leads it;
 * resolves with the errors in the order of the partitions.
 */
export async function endTransaction(
  services: Needs & Pick<Services, "txnPeers">,
  marker: TxnMarker,
  partitions: readonly TopicPartitionRef[],
): Promise<ErrorName[]> {
  const { image, nodeId, txnPeers } = services;
  /** Places among `partitions`, by leader. */
  const places = new Map<number, number[]>();
  for (const [at, { topic, partition }] of partitions.entries()) {
    const leader = image.topic(topic)?.partitions[partition]?.leader ?? -1;
    const known = places.get(leader);
    if (known === undefined) places.set(leader, [at]);
    else known.push(at);
  }
  const errors: ErrorName[] = [];
  await Promise.all([...places].map(async ([leader, ats]) => {
    const those = ats.map((at) => partitions[at]!);
    const answers = leader === -1 || leader === nodeId
      ? await writeTxnMarkers(services, marker, those)
      : await txnPeers.end(leader, marker, those);
    for (const [i, at] of ats.entries()) errors[at] = answers[i]!;
  }));
  return errors;
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
