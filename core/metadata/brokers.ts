/**
 * Decisions about the cluster itself: its first records, its brokers coming,
 * going and leading, producer ids. Decides only; nothing here keeps state.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import type {
  BrokerRegistration,
  ControllerDecision,
  ControllerState,
} from "./controller.ts";
import {
  INITIAL_GROUP_VERSION,
  INITIAL_METADATA_VERSION,
  INITIAL_TRANSACTION_VERSION,
  supportedFeatures,
} from "./features.ts";
import type { BrokerImage, MetadataImage } from "./image.ts";
import { type MetadataRecord, metadataRecord } from "./records.ts";
import { electable } from "./replicas.ts";

/** Ids in one block. */
const PRODUCER_ID_BLOCK = 1000;

/** The first records of a new cluster; none when there are some. */
export function bootstrap({ image }: ControllerState): ControllerDecision {
  const reply = { type: "bootstrap" } as const;
  if (image.features.has("metadata.version")) return { records: [], reply };
  const records = [
    metadataRecord("BeginTransaction", { name: "Bootstrap records" }),
    metadataRecord("FeatureLevel", {
      name: "metadata.version",
      featureLevel: INITIAL_METADATA_VERSION,
    }),
    metadataRecord("FeatureLevel", {
      name: "group.version",
      featureLevel: INITIAL_GROUP_VERSION,
    }),
    metadataRecord("FeatureLevel", {
      name: "transaction.version",
      featureLevel: INITIAL_TRANSACTION_VERSION,
    }),
    metadataRecord("EndTransaction", {}),
  ];
  return { records, reply };
}

/** A broker came up: fenced at first, its old incarnation leads nothing. */
export function registerBroker(
  broker: BrokerRegistration,
  { image, nextOffset }: ControllerState,
): ControllerDecision {
  const before = image.broker(broker.brokerId);
  const isSame = before?.incarnationId === broker.incarnationId;
  const records: MetadataRecord[] = [];
  if (before !== undefined && !isSame) {
    records.push(...withoutLeader(image, broker.brokerId));
  }
  // The same incarnation keeps its epoch; another gets the next write offset.
  const brokerEpoch = isSame ? before.epoch : nextOffset;
  records.push(metadataRecord("RegisterBroker", {
    brokerId: broker.brokerId,
    incarnationId: broker.incarnationId,
    brokerEpoch,
    endPoints: broker.endPoints,
    features: supportedFeatures(),
    rack: broker.rack,
    fenced: isSame ? before.isFenced : true,
    inControlledShutdown: isSame && before.isInControlledShutdown,
    logDirs: broker.logDirs,
  }));
  return { records, reply: { type: "registerBroker", brokerEpoch } };
}

/** A broker asks to lead, to rest, or to go. */
export function changeBroker(
  { brokerId, brokerEpoch, change }: {
    readonly brokerId: number;
    readonly brokerEpoch: number;
    readonly change: "unfence" | "fence" | "shutdown";
  },
  { image }: ControllerState,
): ControllerDecision {
  const broker = requireBroker(image, brokerId, brokerEpoch);
  const reply = { type: "changeBroker" } as const;
  const wantsFence = change !== "unfence";
  const isShutdown = change === "shutdown";
  const isDone = broker.isFenced === wantsFence &&
    (!isShutdown || broker.isInControlledShutdown);
  if (isDone) return { records: [], reply };
  const record = metadataRecord("BrokerRegistrationChange", {
    brokerId,
    brokerEpoch,
    fenced: broker.isFenced === wantsFence ? 0 : wantsFence ? 1 : -1,
    inControlledShutdown: isShutdown && !broker.isInControlledShutdown ? 1 : 0,
  });
  const elections = wantsFence
    ? withoutLeader(image, brokerId)
    : withLeader(image, brokerId);
  return { records: [...elections, record], reply };
}

/** Gives `brokerId` the next block of producer ids. */
export function allocateProducerIds(
  { brokerId, brokerEpoch }: {
    readonly brokerId: number;
    readonly brokerEpoch: number;
  },
  { image }: ControllerState,
): ControllerDecision {
  requireBroker(image, brokerId, brokerEpoch);
  const firstProducerId = image.nextProducerId;
  const record = metadataRecord("ProducerIds", {
    brokerId,
    brokerEpoch,
    nextProducerId: firstProducerId + PRODUCER_ID_BLOCK,
  });
  return {
    records: [record],
    reply: {
      type: "allocateProducerIds",
      firstProducerId,
      length: PRODUCER_ID_BLOCK,
    },
  };
}

function requireBroker(
  image: MetadataImage,
  id: number,
  epoch: number,
): BrokerImage {
  const broker = image.broker(id);
  if (broker === undefined) {
    throw new KafkaError(
      "BROKER_ID_NOT_REGISTERED",
      `Broker ${id} is not registered: register it first`,
    );
  }
  if (broker.epoch !== epoch) {
    throw new KafkaError(
      "STALE_BROKER_EPOCH",
      `Broker ${id} is in epoch ${broker.epoch}, not ${epoch}`,
    );
  }
  return broker;
}

/** Takes what `id` leads away from it; the last ISR member stays in the ISR. */
function* withoutLeader(
  image: MetadataImage,
  id: number,
): Generator<MetadataRecord> {
  for (const topic of image.topics.values()) {
    for (const [partitionId, partition] of topic.partitions.entries()) {
      if (!partition.isr.includes(id)) continue;
      const rest = partition.isr.filter((other) => other !== id);
      const isr = rest.length > 0 ? rest : null;
      if (partition.leader !== id && isr === null) continue;
      const leader = partition.leader === id
        ? electable(image, partition.replicas, rest)
        : -2;
      yield metadataRecord("PartitionChange", {
        partitionId,
        topicId: topic.id,
        isr,
        leader,
      });
    }
  }
}

/**
 * Elects `id` where nobody leads and it is in the ISR, or the ISR is empty and
 * it is eligible; others aren't eligible any more, they may lack what is next.
 */
function* withLeader(
  image: MetadataImage,
  id: number,
): Generator<MetadataRecord> {
  for (const topic of image.topics.values()) {
    for (const [partitionId, partition] of topic.partitions.entries()) {
      const { leader, replicas, isr, eligibleLeaderReplicas } = partition;
      const isEligible = isr.length === 0 && replicas.includes(id) &&
        eligibleLeaderReplicas.includes(id);
      if (leader !== -1 || !(isr.includes(id) || isEligible)) continue;
      yield metadataRecord("PartitionChange", {
        partitionId,
        topicId: topic.id,
        leader: id,
        ...isEligible
          ? { isr: [id], eligibleLeaderReplicas: [], lastKnownElr: [] }
          : {},
      });
    }
  }
}
