/**
 * The decision about an ISR that a partition's leader proposes (KIP-497):
 * checked in Kafka's order, since what the leader does next depends on which
 * check fails first. Decides only.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { ErrorName } from "../errors.ts";
import { requireBroker } from "./brokers.ts";
import { allowsUncleanLeaders } from "./cluster_settings.ts";
import type { ControllerDecision, ControllerState } from "./controller.ts";
import {
  type MetadataImage,
  partitionAfter,
  type PartitionImage,
  type TopicImage,
} from "./image.ts";
import { partitionChange, RECOVERING, without } from "./partition_change.ts";
import type { MetadataRecord } from "./records.ts";
import { canLead } from "./replicas.ts";

/** The ISR that the leader of a partition would like. */
export interface ProposedIsr {
  readonly partitionIndex: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly leaderRecoveryState: number;
  readonly newIsrWithEpochs: readonly {
    readonly brokerId: number;
    /** −1: not told. */
    readonly brokerEpoch: number;
  }[];
}

/** What a leader proposes for all its partitions. */
export interface IsrProposal {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly topics: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly ProposedIsr[];
  }[];
}

/** What came of one proposal; with an error the state is absent. */
export interface AlteredPartition {
  readonly partitionIndex: number;
  readonly error: ErrorName;
  readonly partition: PartitionImage | undefined;
}

/** What came of the proposals for one topic. */
export interface AlteredTopic {
  readonly topicId: Uuid;
  readonly partitions: readonly AlteredPartition[];
}

/** Changes ISRs, partition by partition. */
export function alterPartition(
  { brokerId, brokerEpoch, topics }: IsrProposal,
  state: ControllerState,
): ControllerDecision {
  requireBroker(state.image, brokerId, brokerEpoch);
  const records: MetadataRecord[] = [];
  const altered = topics.map(({ topicId, partitions }): AlteredTopic => {
    const topic = state.image.topicById(topicId);
    return {
      topicId,
      partitions: partitions.map((proposed) => {
        const { partitionIndex } = proposed;
        const error = problemOf(topic, proposed, {
          brokerId,
          image: state.image,
        });
        if (topic === undefined || error !== "NONE") {
          return { partitionIndex, error, partition: undefined };
        }
        const { record, ...answer } = accepted(topic, proposed, state);
        if (record !== undefined) records.push(record);
        return { partitionIndex, ...answer };
      }),
    };
  });
  return { records, reply: { type: "alterPartition", topics: altered } };
}

function accepted(
  topic: TopicImage,
  proposed: ProposedIsr,
  state: ControllerState,
): {
  readonly record: MetadataRecord | undefined;
  readonly error: ErrorName;
  readonly partition: PartitionImage | undefined;
} {
  const { partitionIndex: index, leaderRecoveryState } = proposed;
  const before = topic.partitions[index]!;
  const isr = proposed.newIsrWithEpochs.map(({ brokerId }) => brokerId);
  const record = partitionChange({ topic, index }, {
    state,
    target: { isr, leaderRecoveryState },
    election: allowsUncleanLeaders(state, topic.name) ? "unclean" : "any",
  });
  if (record === undefined) return { record, error: "NONE", partition: before };
  const partition = partitionAfter(before, record.value);
  // The change finished a move and the leader with it, or the leader leaves.
  if (partition.leader !== before.leader) {
    return { record, error: "NEW_LEADER_ELECTED", partition: undefined };
  }
  return { record, error: "NONE", partition };
}

function problemOf(
  topic: TopicImage | undefined,
  proposed: ProposedIsr,
  { brokerId, image }: {
    readonly brokerId: number;
    readonly image: MetadataImage;
  },
): ErrorName {
  if (topic === undefined) return "UNKNOWN_TOPIC_ID";
  const partition = topic.partitions[proposed.partitionIndex];
  if (partition === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
  const { leader, leaderEpoch, partitionEpoch, replicas } = partition;
  // The leader knows more than we do: another controller must have told it.
  const isAhead = proposed.leaderEpoch > leaderEpoch ||
    proposed.partitionEpoch > partitionEpoch;
  if (isAhead) return "NOT_CONTROLLER";
  if (proposed.leaderEpoch < leaderEpoch) return "FENCED_LEADER_EPOCH";
  if (brokerId !== leader) return "INVALID_REQUEST";
  if (proposed.partitionEpoch < partitionEpoch) return "INVALID_UPDATE_VERSION";
  const isr = proposed.newIsrWithEpochs.map((member) => member.brokerId);
  const isSound = without(isr, replicas).length === 0 &&
    new Set(isr).size === isr.length && isr.includes(leader);
  if (!isSound || !mayRecover(partition, proposed)) return "INVALID_REQUEST";
  const isEligible = proposed.newIsrWithEpochs.every((member) =>
    canLead(image, member.brokerId) &&
    (member.brokerEpoch === -1 ||
      member.brokerEpoch === image.broker(member.brokerId)?.epoch)
  );
  return isEligible ? "NONE" : "INELIGIBLE_REPLICA";
}

/** Who recovers does so alone, and never goes back to it. */
function mayRecover(
  partition: PartitionImage,
  { leaderRecoveryState, newIsrWithEpochs }: ProposedIsr,
): boolean {
  if (leaderRecoveryState !== RECOVERING) return true;
  return newIsrWithEpochs.length === 1 &&
    partition.leaderRecoveryState === RECOVERING;
}
