/**
 * Members of the classic protocol in a consumer group (KIP-848): JoinGroup,
 * SyncGroup, Heartbeat and LeaveGroup in terms of epochs and targets. Owns the
 * translation; the group itself knows no generations.
 *
 * @module
 */
import { decodeSubscription, type Subscription } from "../assign/protocol.ts";
import { DecodeError } from "../bytes/reader.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import { type ConsumerMember, newMember } from "./consumer_group.ts";
import {
  advance,
  checkRoom,
  checkStatic,
  removeMembers,
  replaceStatic,
  unknownMember,
} from "./consumer_heartbeat.ts";
import { joinRefusal, syncRefusal } from "./draft.ts";
import type {
  ErrorReply,
  HeartbeatInput,
  JoinInput,
  JoinReply,
  LeaveInput,
  LeaveReply,
  MemberReference,
  SyncInput,
  SyncReply,
} from "./inputs.ts";
import { assignmentBytes } from "./migration.ts";

/** A member of the classic protocol as the group keeps it. */
type ClassicMember = ConsumerMember & {
  readonly classic: NonNullable<ConsumerMember["classic"]>;
};

/** JoinGroup: the member's next step, under its epoch as generation. */
export function joinAsClassic(
  draft: ConsumerDraft,
  request: JoinInput,
): JoinReply {
  const { groupInstanceId, sessionTimeoutMs, protocols } = request;
  const memberId = request.memberId === ""
    ? `${groupInstanceId ?? request.clientId}-${request.newMemberSuffix}`
    : request.memberId;
  try {
    checkRoom(draft, { memberId, instanceId: groupInstanceId });
    checkProtocols(draft, request);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return joinRefusal(error.error, request.memberId);
  }
  const mustAsk = request.memberId === "" && groupInstanceId === null &&
    request.requiresKnownMemberId;
  if (mustAsk) return joinRefusal("MEMBER_ID_REQUIRED", memberId);
  const said = subscriptionOf(request);
  if (said === undefined) {
    return joinRefusal("INCONSISTENT_GROUP_PROTOCOL", memberId);
  }
  const before = joining(draft, { memberId, groupInstanceId });
  const member = advance(draft, {
    before,
    updated: {
      ...before,
      instanceId: groupInstanceId ?? before.instanceId,
      rackId: said.rackId ?? before.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      topics: [...new Set(said.topics)].sort(),
      regex: null,
      clientId: request.clientId,
      clientHost: request.clientHost,
      classic: { sessionTimeoutMs, protocols },
    },
    reported: reportedBy(draft, said),
  });
  draft.heard(memberId, sessionTimeoutMs);
  // It has to ask for its assignment in time.
  draft.awaitMember(memberId, request.rebalanceTimeoutMs);
  return {
    ...joinRefusal("NONE", memberId),
    generationId: member.epoch,
    protocolType: "consumer",
    protocolName: protocols[0]!.name,
  };
}

function checkProtocols(
  { members, groupId, context }: ConsumerDraft,
  { protocolType, protocols }: JoinInput,
): void {
  const isDisabled = context.config.migrationPolicy === "disabled";
  const isConsumer = protocolType === "consumer" && protocols.length > 0;
  const classics = [...members.values()].filter(({ classic }) => classic);
  const isCommon = classics.length === 0 ||
    protocols.some(({ name }) =>
      classics.every(({ classic }) =>
        classic!.protocols.some((each) => each.name === name)
      )
    );
  if (!isDisabled && isConsumer && isCommon) return;
  throw new KafkaError(
    "INCONSISTENT_GROUP_PROTOCOL",
    `Cannot join consumer group "${groupId}" by the classic protocol`,
  );
}

function subscriptionOf({ protocols }: JoinInput): Subscription | undefined {
  try {
    return decodeSubscription(protocols[0]!.metadata);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function joining(
  draft: ConsumerDraft,
  { memberId, groupInstanceId }: MemberReference,
): ConsumerMember {
  const current = groupInstanceId === null
    ? undefined
    : draft.staticMember(groupInstanceId);
  if (current !== undefined && current.memberId !== memberId) {
    return replaceStatic(draft, current, memberId);
  }
  return draft.members.get(memberId) ?? newMember(memberId);
}

function reportedBy(
  { context }: ConsumerDraft,
  { ownedPartitions }: Subscription,
) {
  return ownedPartitions.flatMap(({ topic, partitions }) => {
    const topicId = context.topics.topic(topic)?.id;
    return topicId === undefined ? [] : [{ topicId, partitions }];
  });
}

/** SyncGroup: what the member owns in its epoch. */
export function syncAsClassic(
  draft: ConsumerDraft,
  request: SyncInput,
): SyncReply {
  const found = classicMember(draft, request);
  if (typeof found === "string") return syncRefusal(found);
  const { memberId, classic, rebalanceTimeoutMs } = found;
  const protocolName = classic.protocols[0]!.name;
  if (request.generationId !== found.epoch) {
    return syncRefusal("ILLEGAL_GENERATION");
  }
  const isOther = (request.protocolType ?? "consumer") !== "consumer" ||
    (request.protocolName ?? protocolName) !== protocolName;
  if (isOther) return syncRefusal("INCONSISTENT_GROUP_PROTOCOL");
  draft.heard(memberId, classic.sessionTimeoutMs);
  if (draft.epoch > found.epoch && found.state !== "UnrevokedPartitions") {
    if (!draft.isAwaited(memberId)) {
      draft.awaitMember(memberId, rebalanceTimeoutMs);
    }
    return syncRefusal("REBALANCE_IN_PROGRESS");
  }
  draft.awaitMember(memberId, undefined);
  return {
    error: "NONE",
    protocolType: "consumer",
    protocolName,
    assignment: assignmentBytes(found, draft.context.topics),
  };
}

/** Heartbeat: the member is alive, and learns whether it has to join again. */
export function heartbeatAsClassic(
  draft: ConsumerDraft,
  request: HeartbeatInput,
): ErrorReply {
  const found = classicMember(draft, request);
  if (typeof found === "string") return { error: found };
  const { memberId, classic, rebalanceTimeoutMs } = found;
  if (request.generationId !== found.epoch) {
    return { error: "ILLEGAL_GENERATION" };
  }
  draft.heard(memberId, classic.sessionTimeoutMs);
  if (!hasStepToTake(draft, found)) return { error: "NONE" };
  if (!draft.isAwaited(memberId)) {
    draft.awaitMember(memberId, rebalanceTimeoutMs);
  }
  return { error: "REBALANCE_IN_PROGRESS" };
}

function hasStepToTake(draft: ConsumerDraft, member: ConsumerMember): boolean {
  if (member.epoch < draft.epoch) return true;
  if (member.state !== "UnreleasedPartitions") return member.state !== "Stable";
  const { memberId, assigned } = member;
  const target = draft.targets.get(memberId) ?? [];
  return [...target].some(([topicId, wanted]) =>
    [...wanted].some((index) =>
      !assigned.get(topicId)?.has(index) &&
      (draft.base.ownerOf(topicId, index) ?? memberId) === memberId
    )
  );
}

/** LeaveGroup: takes out those who leave. */
export function leaveAsClassic(
  draft: ConsumerDraft,
  { members }: LeaveInput,
): LeaveReply {
  const leaving = new Set<string>();
  const replies = members.map((reference) => {
    const { groupInstanceId } = reference;
    // A tool names static members by their instance id alone.
    const memberId = reference.memberId === "" && groupInstanceId !== null
      ? draft.staticMember(groupInstanceId)?.memberId ?? ""
      : reference.memberId;
    const found = classicMember(draft, { memberId, groupInstanceId });
    if (typeof found === "string") return { ...reference, error: found };
    leaving.add(found.memberId);
    return { ...reference, error: "NONE" as const };
  });
  if (leaving.size > 0) removeMembers(draft, [...leaving]);
  return { error: "NONE", members: replies };
}

/** The member that is meant, or why it isn't one. */
function classicMember(
  draft: ConsumerDraft,
  { memberId, groupInstanceId }: MemberReference,
): ClassicMember | ErrorName {
  try {
    const member = groupInstanceId === null
      ? draft.members.get(memberId)
      : draft.staticMember(groupInstanceId);
    if (groupInstanceId !== null) {
      checkStatic(member, { memberId, instanceId: groupInstanceId });
    }
    if (member === undefined || member.classic === null) {
      throw unknownMember(draft.groupId, memberId);
    }
    return { ...member, classic: member.classic };
  } catch (error) {
    if (error instanceof KafkaError) return error.error;
    throw error;
  }
}
