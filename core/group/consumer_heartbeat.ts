/**
 * Decides ConsumerGroupHeartbeat (KIP-848): who joins, who stays and under
 * which epoch, who leaves, and what the passing of time does. Owns these
 * rules; how partitions are divided and handed over stands elsewhere.
 *
 * @module
 */
import { KafkaError } from "../errors.ts";
import { invariant } from "../invariant.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import {
  type ConsumerMember,
  LEAVE_EPOCH,
  LEFT_STATIC_EPOCH,
  newMember,
  NO_PARTITIONS,
  partitionLists,
  samePartitions,
} from "./consumer_group.ts";
import type {
  ConsumerGroupConfig,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatReply,
} from "./inputs.ts";
import { isSubset, reconciled, type ReportedPartitions } from "./reconcile.ts";
import { compiled, refreshRegexes } from "./regexes.ts";
import { computeTargets } from "./targets.ts";
import { subscribedTopics, topicsHash, wantedTopics } from "./topics.ts";

/** Throws for a request that is wrong whatever the group looks like. */
export function checkHeartbeat(
  request: ConsumerHeartbeatInput,
  { assignors }: ConsumerGroupConfig,
): void {
  const problem = shapeProblem(request);
  if (problem !== undefined) throw new KafkaError("INVALID_REQUEST", problem);
  const { serverAssignor } = request;
  if (serverAssignor !== null && !assignors.includes(serverAssignor)) {
    throw new KafkaError(
      "UNSUPPORTED_ASSIGNOR",
      `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${
        assignors.join(", ")
      }.`,
    );
  }
}

function shapeProblem(request: ConsumerHeartbeatInput): string | undefined {
  const { memberEpoch, topicPartitions } = request;
  if (request.groupId === "") return "GroupId can't be empty.";
  if (request.memberId === "") return "MemberId can't be empty.";
  if (request.instanceId === "") return "InstanceId can't be empty.";
  if (request.rackId === "") return "RackId can't be empty.";
  if (memberEpoch < LEFT_STATIC_EPOCH) {
    return `MemberEpoch is ${memberEpoch}, but must be greater than or equal to -2.`;
  }
  if (memberEpoch === LEFT_STATIC_EPOCH && request.instanceId === null) {
    return "InstanceId can't be null.";
  }
  if (memberEpoch !== 0) return undefined;
  if (request.rebalanceTimeoutMs === -1) {
    return "RebalanceTimeoutMs must be provided in first request.";
  }
  if (topicPartitions === null || topicPartitions.length > 0) {
    return "TopicPartitions must be empty when (re-)joining.";
  }
  return request.subscribedTopicNames === null &&
      request.subscribedTopicRegex === null
    ? "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    : undefined;
}

/** Throws when the group has no room for one more. */
export function checkRoom(
  draft: ConsumerDraft,
  { memberId, instanceId }: {
    readonly memberId: string;
    readonly instanceId: string | null;
  },
): void {
  const { members, context } = draft;
  const { groupSizeMax } = context.config;
  const isKnown = members.has(memberId) ||
    instanceId !== null && draft.staticMember(instanceId) !== undefined;
  if (isKnown || members.size < groupSizeMax) return;
  throw new KafkaError(
    "GROUP_MAX_SIZE_REACHED",
    `The consumer group has reached its maximum capacity of ${groupSizeMax} members.`,
  );
}

/** A member joins, or says that it is there. */
export function heartbeat(
  draft: ConsumerDraft,
  request: ConsumerHeartbeatInput,
): ConsumerHeartbeatReply {
  const { groupId } = draft;
  const { config } = draft.context;
  const { memberId, memberEpoch } = request;
  const before = request.instanceId === null
    ? dynamicMember(draft, request)
    : staticMember(draft, request);
  const updated = updatedMember(before, request);
  if (updated.regex !== null && updated.regex !== before.regex) {
    compiled(updated.regex);
  }
  const member = advance(draft, {
    before,
    updated,
    reported: request.topicPartitions,
  });
  draft.heard(memberId, config.sessionTimeoutMs(groupId));
  const isWhole = memberEpoch === 0 || isWholeRequest(request);
  const hasChanged = !samePartitions(before.assigned, member.assigned);
  return {
    memberId,
    memberEpoch: member.epoch,
    heartbeatIntervalMs: config.heartbeatIntervalMs(groupId),
    assignment: isWhole || hasChanged ? partitionLists(member.assigned) : null,
  };
}

/** All fields set: the member wants to be told everything again. */
function isWholeRequest(request: ConsumerHeartbeatInput): boolean {
  return request.rebalanceTimeoutMs !== -1 &&
    request.topicPartitions !== null &&
    (request.subscribedTopicNames !== null ||
      request.subscribedTopicRegex !== null);
}

function dynamicMember(
  { members, groupId }: ConsumerDraft,
  request: ConsumerHeartbeatInput,
): ConsumerMember {
  const { memberId, memberEpoch } = request;
  const member = members.get(memberId);
  if (member === undefined) {
    if (memberEpoch === 0) return newMember(memberId);
    throw unknownMember(groupId, memberId);
  }
  checkEpoch(member, request);
  return member;
}

function staticMember(
  draft: ConsumerDraft,
  request: ConsumerHeartbeatInput,
): ConsumerMember {
  const { memberId, memberEpoch } = request;
  const instanceId = request.instanceId!;
  const current = draft.staticMember(instanceId);
  if (memberEpoch !== 0) {
    checkStatic(current, { memberId, instanceId });
    checkEpoch(current, request);
    return current;
  }
  if (current === undefined) {
    return draft.members.get(memberId) ?? newMember(memberId);
  }
  if (current.epoch !== LEFT_STATIC_EPOCH && current.classic === null) {
    throw new KafkaError(
      "UNRELEASED_INSTANCE_ID",
      `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by ${current.memberId} member.`,
    );
  }
  return replaceStatic(draft, current, memberId);
}

/** Who returns gets what was kept for the instance id. */
export function replaceStatic(
  draft: ConsumerDraft,
  current: ConsumerMember,
  memberId: string,
): ConsumerMember {
  const target = draft.targets.get(current.memberId) ?? NO_PARTITIONS;
  const member = { ...current, memberId, epoch: 0, previousEpoch: 0 };
  draft.remove(current.memberId);
  draft.setMember(member);
  draft.setTarget(memberId, target);
  draft.setAssignment(member);
  return member;
}

/** Throws unless `member` is known and goes by this id now. */
export function checkStatic(
  member: ConsumerMember | undefined,
  { memberId, instanceId }: {
    readonly memberId: string;
    readonly instanceId: string;
  },
): asserts member is ConsumerMember {
  if (member === undefined) {
    throw new KafkaError(
      "UNKNOWN_MEMBER_ID",
      `Instance id ${instanceId} is unknown.`,
    );
  }
  if (member.memberId === memberId) return;
  throw new KafkaError(
    "FENCED_INSTANCE_ID",
    `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.memberId}.`,
  );
}

function checkEpoch(
  member: ConsumerMember,
  { memberEpoch, topicPartitions }: ConsumerHeartbeatInput,
): void {
  const { epoch, previousEpoch, assigned } = member;
  if (memberEpoch === 0 || memberEpoch === epoch) return;
  // The answer that told of the newer epoch may have been lost.
  const isRepeated = memberEpoch === previousEpoch && memberEpoch < epoch &&
    isSubset(topicPartitions, assigned);
  if (isRepeated) return;
  const size = memberEpoch > epoch ? "greater" : "smaller";
  throw new KafkaError(
    "FENCED_MEMBER_EPOCH",
    `The consumer group member has a ${size} member epoch (${memberEpoch}) than the one known by the group coordinator (${epoch}). The member must abandon all its partitions and rejoin.`,
  );
}

/** The refusal of who is no member. */
export function unknownMember(groupId: string, memberId: string): KafkaError {
  return new KafkaError(
    "UNKNOWN_MEMBER_ID",
    `Member ${memberId} is not a member of group ${groupId}.`,
  );
}

function updatedMember(
  before: ConsumerMember,
  request: ConsumerHeartbeatInput,
): ConsumerMember {
  const { rebalanceTimeoutMs, subscribedTopicNames: names } = request;
  return {
    ...before,
    instanceId: request.instanceId ?? before.instanceId,
    rackId: request.rackId ?? before.rackId,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1
      ? before.rebalanceTimeoutMs
      : rebalanceTimeoutMs,
    serverAssignor: request.serverAssignor ?? before.serverAssignor,
    topics: names === null ? before.topics : [...new Set(names)].sort(),
    regex: regexOf(request.subscribedTopicRegex, before.regex),
    clientId: request.clientId,
    clientHost: request.clientHost,
    classic: null,
  };
}

/** An empty expression takes the subscription by it back. */
function regexOf(said: string | null, before: string | null): string | null {
  if (said === null) return before;
  return said === "" ? null : said;
}

/** The member, its group's epoch and target, and its own next step. */
export function advance(
  draft: ConsumerDraft,
  { before, updated, reported }: {
    readonly before: ConsumerMember;
    readonly updated: ConsumerMember;
    readonly reported: ReportedPartitions | null;
  },
): ConsumerMember {
  const { memberId } = updated;
  const isKnown = draft.members.has(memberId);
  if (!isKnown || !saysTheSame(before, updated)) draft.setMember(updated);
  const hasSubscriptionChanged = !isKnown ||
    !sameTopics(before.topics, updated.topics) ||
    before.regex !== updated.regex;
  refreshEpoch(draft, { hasChanged: hasSubscriptionChanged });
  if (draft.epoch > draft.assignmentEpoch) computeTargets(draft);
  const member = reconciled(updated, {
    target: draft.targets.get(memberId) ?? NO_PARTITIONS,
    targetEpoch: draft.assignmentEpoch,
    reported,
    subscribed: new Set(
      subscribedTopics(
        wantedTopics(updated, draft.regexes),
        draft.context.topics,
      ).map(({ id }) => id),
    ),
    hasSubscriptionChanged,
    ownerOf: (topicId, index) => draft.base.ownerOf(topicId, index),
  });
  if (member !== updated) {
    draft.setAssignment(member);
    const isRevoking = member.state === "UnrevokedPartitions" &&
      member.classic === null;
    draft.awaitMember(
      memberId,
      isRevoking ? member.rebalanceTimeoutMs : undefined,
    );
  }
  return member;
}

/** A new subscription or other topics make a new epoch. */
export function refreshEpoch(
  draft: ConsumerDraft,
  { hasChanged, mayContinue = false }: {
    readonly hasChanged: boolean;
    /** Whether it is the turn of a search that is under way. */
    readonly mayContinue?: boolean;
  },
): void {
  const { topics } = draft.context;
  if (!hasChanged && draft.topicsVersion === topics.version) return;
  const isCurrent = refreshRegexes(draft, mayContinue);
  const hash = groupHash(draft);
  if (hasChanged || hash !== draft.base.metadataHash) draft.bumpEpoch(hash);
  if (isCurrent) draft.topicsVersion = topics.version;
}

/** The hash of all topics that members want. */
export function groupHash(draft: ConsumerDraft): bigint {
  const names = new Set<string>();
  for (const member of draft.members.values()) {
    for (const name of wantedTopics(member, draft.regexes)) names.add(name);
  }
  return topicsHash(names, draft.context.topics);
}

function saysTheSame(a: ConsumerMember, b: ConsumerMember): boolean {
  return a.instanceId === b.instanceId && a.rackId === b.rackId &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs &&
    a.serverAssignor === b.serverAssignor && sameTopics(a.topics, b.topics) &&
    a.regex === b.regex && a.clientId === b.clientId &&
    a.clientHost === b.clientHost && a.classic === b.classic;
}

function sameTopics(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

/** A member leaves, for good or until it returns. */
export function leave(
  draft: ConsumerDraft,
  { memberId, memberEpoch, instanceId }: ConsumerHeartbeatInput,
): ConsumerHeartbeatReply {
  const member = instanceId === null
    ? draft.members.get(memberId)
    : draft.staticMember(instanceId);
  if (instanceId !== null) checkStatic(member, { memberId, instanceId });
  else if (member === undefined) throw unknownMember(draft.groupId, memberId);
  invariant(member !== undefined, "an unknown member was refused");
  if (memberEpoch === LEFT_STATIC_EPOCH) {
    draft.setAssignment({
      ...member,
      epoch: LEFT_STATIC_EPOCH,
      pendingRevocation: NO_PARTITIONS,
    });
    draft.awaitMember(memberId, undefined);
  } else removeMembers(draft, [memberId]);
  return { memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
}

/** Takes members out; what they had is divided anew. */
export function removeMembers(
  draft: ConsumerDraft,
  memberIds: readonly string[],
): void {
  for (const memberId of memberIds) draft.remove(memberId);
  refreshRegexes(draft);
  draft.bumpEpoch(groupHash(draft));
  // Nobody is there for whom it would be computed.
  if (draft.members.size === 0) draft.targetsAreCurrent(0);
}

/** Members whose session is over, or who did not give back in time. */
export function overdueMembers(draft: ConsumerDraft): string[] {
  const { base, context } = draft;
  return [...draft.members.keys()].filter((memberId) =>
    (base.sessions.get(memberId) ?? Infinity) <= context.monoMs ||
    (base.awaited.get(memberId) ?? Infinity) <= context.monoMs
  );
}

/** As in Kafka, everyone gets a whole session after a restart. */
export function welcomeLoaded(draft: ConsumerDraft): void {
  const { groupId } = draft;
  const sessionTimeoutMs = draft.context.config.sessionTimeoutMs(groupId);
  for (const member of draft.members.values()) {
    const { memberId, classic, state, rebalanceTimeoutMs } = member;
    draft.heard(memberId, classic?.sessionTimeoutMs ?? sessionTimeoutMs);
    if (state === "UnrevokedPartitions" && classic === null) {
      draft.awaitMember(memberId, rebalanceTimeoutMs);
    }
  }
}

/** Whether the request says goodbye. */
export function isGoodbye({ memberEpoch }: ConsumerHeartbeatInput): boolean {
  return memberEpoch === LEAVE_EPOCH || memberEpoch === LEFT_STATIC_EPOCH;
}
