/**
 * A member's next step towards its target (KIP-848): give back first, then
 * move to the target's epoch, take what is free, wait for the rest. Owns the
 * step; pure.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { KafkaError } from "../errors.ts";
import { withOwned } from "./consumer_draft.ts";
import {
  type ConsumerMember,
  NO_PARTITIONS,
  type OwnedPartitions,
  samePartitions,
  type TargetPartitions,
} from "./consumer_group.ts";

/** Partitions as a member reports them. */
export type ReportedPartitions = readonly {
  readonly topicId: Uuid;
  readonly partitions: readonly number[];
}[];

/** What a member's next step depends on. */
export interface Step {
  readonly target: TargetPartitions;
  readonly targetEpoch: number;
  /** What the member says it owns; null: it didn't say. */
  readonly reported: ReportedPartitions | null;
  /** Topics that the member subscribes to and that exist. */
  readonly subscribed: ReadonlySet<Uuid>;
  readonly hasSubscriptionChanged: boolean;
  ownerOf(topicId: Uuid, partition: number): string | undefined;
}

/** The member after its next step; the same when there is none to take. */
export function reconciled(member: ConsumerMember, step: Step): ConsumerMember {
  const next = nextOf(member, step);
  return isSame(member, next) ? member : next;
}

function nextOf(member: ConsumerMember, step: Step): ConsumerMember {
  switch (member.state) {
    case "Stable":
      if (member.epoch !== step.targetEpoch) return towardsTarget(member, step);
      return step.hasSubscriptionChanged ? unsubscribed(member, step) : member;
    case "UnrevokedPartitions":
      if (!owns(step.reported, member.pendingRevocation)) {
        return towardsTarget(member, step);
      }
      return step.hasSubscriptionChanged ? unsubscribed(member, step) : member;
    case "UnreleasedPartitions":
      return towardsTarget(member, step);
    case "Unknown":
      if (step.reported === null || step.reported.length > 0) {
        throw new KafkaError(
          "FENCED_MEMBER_EPOCH",
          "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
        );
      }
      return towardsTarget(member, step);
  }
}

/** Whether the member may still own some of `partitions`. */
function owns(
  reported: ReportedPartitions | null,
  partitions: OwnedPartitions,
): boolean {
  if (reported === null) return true;
  return reported.some(({ topicId, partitions: indexes }) => {
    const owned = partitions.get(topicId);
    return owned !== undefined && indexes.some((index) => owned.has(index));
  });
}

/** Whether all that is reported is in `assigned`. */
export function isSubset(
  reported: ReportedPartitions | null,
  assigned: OwnedPartitions,
): boolean {
  if (reported === null) return false;
  return reported.every(({ topicId, partitions }) => {
    const owned = assigned.get(topicId);
    return partitions.every((index) => owned?.has(index) ?? false);
  });
}

function towardsTarget(member: ConsumerMember, step: Step): ConsumerMember {
  const { memberId } = member;
  const kept = new Map<Uuid, ReadonlyMap<number, number>>();
  const revoked = new Map<Uuid, ReadonlyMap<number, number>>();
  const free: [Uuid, number][] = [];
  let isWaiting = false;
  for (const [topicId, epochs] of member.assigned) {
    const wanted = step.subscribed.has(topicId)
      ? step.target.get(topicId)
      : undefined;
    const stays = [...epochs].filter(([index]) => wanted?.has(index));
    const goes = [...epochs].filter(([index]) => !wanted?.has(index));
    if (stays.length > 0) kept.set(topicId, new Map(stays));
    if (goes.length > 0) revoked.set(topicId, new Map(goes));
  }
  if (revoked.size > 0 && owns(step.reported, revoked)) {
    return {
      ...member,
      state: "UnrevokedPartitions",
      previousEpoch: member.epoch,
      assigned: kept,
      pendingRevocation: revoked,
    };
  }
  for (const [topicId, wanted] of step.target) {
    if (!step.subscribed.has(topicId)) continue;
    const owned = kept.get(topicId);
    for (const index of wanted) {
      if (owned?.has(index)) continue;
      const owner = step.ownerOf(topicId, index);
      if (owner === undefined || owner === memberId) {
        free.push([topicId, index]);
      } else isWaiting = true;
    }
  }
  return {
    ...member,
    state: isWaiting ? "UnreleasedPartitions" : "Stable",
    previousEpoch: member.epoch,
    epoch: step.targetEpoch,
    assigned: withOwned(kept, { added: free, epoch: step.targetEpoch }),
    pendingRevocation: NO_PARTITIONS,
  };
}

/** Topics that the member wants no more go at once, without a new target. */
function unsubscribed(member: ConsumerMember, step: Step): ConsumerMember {
  const { subscribed } = step;
  const isWanted = ([topicId]: readonly [Uuid, unknown]) =>
    subscribed.has(topicId);
  const assigned = new Map([...member.assigned].filter(isWanted));
  if (assigned.size === member.assigned.size) return member;
  const pendingRevocation = new Map(member.pendingRevocation);
  for (const [topicId, epochs] of member.assigned) {
    if (subscribed.has(topicId)) continue;
    const before = pendingRevocation.get(topicId) ?? [];
    pendingRevocation.set(topicId, new Map([...before, ...epochs]));
  }
  const next = { ...member, previousEpoch: member.epoch, assigned };
  return owns(step.reported, pendingRevocation)
    ? { ...next, state: "UnrevokedPartitions", pendingRevocation }
    : next;
}

function isSame(a: ConsumerMember, b: ConsumerMember): boolean {
  return a === b ||
    a.state === b.state && a.epoch === b.epoch &&
      a.previousEpoch === b.previousEpoch &&
      samePartitions(a.assigned, b.assigned) &&
      samePartitions(a.pendingRevocation, b.pendingRevocation);
}
