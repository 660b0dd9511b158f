/**
 * What creating topics and widening them share: checked replica lists and the
 * records of new partitions. Decides only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { KafkaError } from "../errors.ts";
import type { ControllerState } from "./controller.ts";
import { defaultDirectory, isCordoned } from "./directories.ts";
import type { MetadataImage } from "./image.ts";
import { placeReplicas } from "./placement.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";

/** Replica lists that a client gave, or that placement chooses. */
export function chooseReplicas(
  { image, random }: ControllerState,
  wanted: { readonly partitions: number; readonly replicationFactor: number },
): number[][] {
  const brokers = [...image.brokers.values()];
  // One that has left is as any other that is away: it may come back.
  const usable = brokers.filter((broker) =>
    (broker.isFenced || !broker.isInControlledShutdown) && !isCordoned(broker)
  );
  if (wanted.replicationFactor > usable.length) {
    throw new KafkaError(
      "INVALID_REPLICATION_FACTOR",
      `Replication factor ${wanted.replicationFactor} is larger than the ` +
        `${usable.length} available broker(s)`,
    );
  }
  if (usable.every((broker) => broker.isFenced)) {
    throw new KafkaError(
      "INVALID_REPLICATION_FACTOR",
      "No broker is available: all are fenced",
    );
  }
  return placeReplicas(usable, { ...wanted, u32: () => random.u32() });
}

/** Throws `INVALID_REPLICA_ASSIGNMENT` unless all lists are sound and alike. */
export function checkAssignments(
  { image }: ControllerState,
  assignments: readonly (readonly number[])[],
  replicationFactor: number,
): void {
  for (const [index, brokerIds] of assignments.entries()) {
    const problem = brokerIds.length === 0
      ? "is empty"
      : new Set(brokerIds).size < brokerIds.length
      ? "names a broker twice"
      : brokerIds.length !== replicationFactor
      ? `has ${brokerIds.length} replica(s), not ${replicationFactor}`
      : unusableBroker(brokerIds, image);
    if (problem !== undefined) {
      throw new KafkaError(
        "INVALID_REPLICA_ASSIGNMENT",
        `Replica list ${index} [${brokerIds}] ${problem}`,
      );
    }
  }
}

function unusableBroker(
  brokerIds: readonly number[],
  image: MetadataImage,
): string | undefined {
  for (const id of brokerIds) {
    const broker = image.broker(id);
    if (broker === undefined) return `names unknown broker ${id}`;
    if (isCordoned(broker)) {
      return `names broker ${id}, whose log directories are all cordoned`;
    }
  }
  return undefined;
}

/** The record of a new partition: all active replicas are in sync. */
export function newPartition(
  { image }: ControllerState,
  { topicId, partitionId, replicas }: {
    readonly topicId: Uuid;
    readonly partitionId: number;
    readonly replicas: readonly number[];
  },
): MetadataRecord {
  const isr = replicas.filter((id) => canLead(image, id));
  if (isr.length === 0) {
    throw new KafkaError(
      "INVALID_REPLICA_ASSIGNMENT",
      `All brokers of partition ${partitionId} are fenced or leave: [${replicas}]`,
    );
  }
  return metadataRecord("Partition", {
    partitionId,
    topicId,
    replicas,
    isr,
    leader: isr[0]!,
    leaderEpoch: 0,
    partitionEpoch: 0,
    directories: replicas.map((id) => defaultDirectory(image, id)),
  });
}

/** Whether a broker may lead and be in sync: it serves and means to stay. */
export function canLead(image: MetadataImage, id: number): boolean {
  const broker = image.broker(id);
  return broker !== undefined && !broker.isFenced &&
    !broker.isInControlledShutdown;
}
