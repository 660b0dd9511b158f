/**
 * What must hold of one partition in the metadata, and between two looks at it.
 * Judges by Kafka's rules (KIP-455, KIP-841, KIP-966) and knows nothing of the
 * code that decides; it must never touch a run.
 *
 * @module
 */
import type {
  MetadataImage,
  PartitionImage,
} from "../../core/metadata/image.ts";

/** What is wrong with `after`, when it was `before` at an earlier look. */
export function whyStrange(
  after: PartitionImage,
  { before, brokers }: {
    readonly before: PartitionImage | undefined;
    readonly brokers: MetadataImage["brokers"];
  },
): string | undefined {
  const { replicas, isr, leader, eligibleLeaderReplicas: elr } = after;
  if (!isAmong(isr, replicas)) return "who is in sync is no replica";
  if (leader !== -1 && !isr.includes(leader)) return "the leader isn't in sync";
  if (!isAmong(elr, replicas)) return "who is eligible is no replica";
  if (elr.some((id) => isr.includes(id))) return "who is in sync is eligible";
  if (isr.some((id) => brokers.get(id)?.isFenced !== false)) {
    return "who is fenced is in sync";
  }
  return before && whyStrangeAfter(before, after);
}

function whyStrangeAfter(
  before: PartitionImage,
  after: PartitionImage,
): string | undefined {
  const { leader, leaderEpoch, isr } = after;
  const changes = after.partitionEpoch - before.partitionEpoch;
  if (changes < 0) return "the partition epoch fell";
  if (leaderEpoch < before.leaderEpoch) return "the leader epoch fell";
  if (changes === 0) {
    const isSame = JSON.stringify(after) === JSON.stringify(before);
    return isSame ? undefined : "it changed within a partition epoch";
  }
  const isOther = leader !== before.leader;
  if (isOther && leaderEpoch === before.leaderEpoch) {
    return "another leads in the same epoch";
  }
  // Of more than one change it can't be told what came first.
  if (changes > 1) return undefined;
  const { addingReplicas: adding, removingReplicas: removing } = before;
  // Another move that takes its place may have nobody left to add.
  const isReplaced = after.removingReplicas.length > 0;
  const isDone = adding.length > 0 && after.addingReplicas.length === 0 &&
    !isReplaced && isAmong(adding, after.replicas) &&
    !removing.some((id) => after.replicas.includes(id));
  if (isDone && !isAmong(adding, isr)) {
    return "a move ended before who came was in sync";
  }
  const couldLead = [...before.isr, ...before.eligibleLeaderReplicas];
  const isUnclean = after.leaderRecoveryState === 1;
  return isOther && leader !== -1 && !isUnclean &&
      adding.length + removing.length === 0 && !couldLead.includes(leader)
    ? "who leads was neither in sync nor eligible"
    : undefined;
}

function isAmong(ids: readonly number[], all: readonly number[]): boolean {
  return ids.every((id) => all.includes(id));
}
