/**
 * An image as the records that make it. Owns their order: what a record refers
 * to comes before it.
 *
 * @module
 */
import type { BrokerImage, MetadataImage, TopicImage } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";

/** Records that make an image equal to `image` when applied to an empty one. */
export function* snapshotRecords(
  image: MetadataImage,
): Generator<MetadataRecord> {
  // metadata.version first: it says how to read the rest.
  const features = [...image.features].sort(([a], [b]) =>
    Number(b === "metadata.version") - Number(a === "metadata.version")
  );
  for (const [name, featureLevel] of features) {
    yield metadataRecord("FeatureLevel", { name, featureLevel });
  }
  for (const broker of image.brokers.values()) yield registration(broker);
  for (const controller of image.controllers.values()) {
    yield metadataRecord("RegisterController", controller);
  }
  for (const topic of image.topics.values()) yield* topicRecords(topic);
  for (const { type, name: resourceName, configs } of image.configResources()) {
    for (const [name, value] of configs) {
      yield metadataRecord("Config", {
        resourceType: type,
        resourceName,
        name,
        value,
      });
    }
  }
  for (const [name, credentials] of image.scramCredentials) {
    for (const [mechanism, credential] of credentials) {
      yield metadataRecord("UserScramCredential", {
        name,
        mechanism,
        ...credential,
      });
    }
  }
  for (const { entity, values } of image.quotas.values()) {
    for (const [key, value] of values) {
      yield metadataRecord("ClientQuota", { entity, key, value });
    }
  }
  for (const token of image.delegationTokens.values()) {
    yield metadataRecord("DelegationToken", token);
  }
  for (const entry of image.acls.values()) {
    yield metadataRecord("AccessControlEntry", entry);
  }
  if (image.nextProducerId > 0) {
    yield metadataRecord("ProducerIds", {
      brokerId: -1,
      nextProducerId: image.nextProducerId,
    });
  }
}

function registration(broker: BrokerImage): MetadataRecord {
  return metadataRecord("RegisterBroker", {
    brokerId: broker.id,
    brokerEpoch: broker.epoch,
    incarnationId: broker.incarnationId,
    endPoints: broker.endPoints,
    features: broker.features,
    rack: broker.rack,
    fenced: broker.isFenced,
    inControlledShutdown: broker.isInControlledShutdown,
    logDirs: broker.logDirs,
    cordonedLogDirs: broker.cordonedLogDirs.length > 0
      ? broker.cordonedLogDirs
      : null,
  });
}

function* topicRecords(topic: TopicImage): Generator<MetadataRecord> {
  yield metadataRecord("Topic", { name: topic.name, topicId: topic.id });
  for (const [partitionId, partition] of topic.partitions.entries()) {
    yield metadataRecord("Partition", {
      partitionId,
      topicId: topic.id,
      replicas: partition.replicas,
      isr: partition.isr,
      removingReplicas: partition.removingReplicas,
      addingReplicas: partition.addingReplicas,
      leader: partition.leader,
      leaderRecoveryState: partition.leaderRecoveryState,
      leaderEpoch: partition.leaderEpoch,
      partitionEpoch: partition.partitionEpoch,
      directories: partition.directories,
      eligibleLeaderReplicas: nullIfEmpty(partition.eligibleLeaderReplicas),
      lastKnownElr: nullIfEmpty(partition.lastKnownElr),
    });
  }
}

/** Absent fields cost no byte, and most partitions have none. */
function nullIfEmpty(ids: readonly number[]): readonly number[] | null {
  return ids.length > 0 ? ids : null;
}
