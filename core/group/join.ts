/**
 * Decides JoinGroup: new members, returning ones, static ones (KIP-345), the
 * member id that has to be asked for first (KIP-394).
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import { type Draft, findMember, joinRefusal } from "./draft.ts";
import {
  type Group,
  type Member,
  NO_BYTES,
  saysTheSame,
  selectProtocol,
  supportsProtocols,
} from "./group.ts";
import type { GroupConfig, JoinInput, JoinReply } from "./inputs.ts";
import {
  joinReply,
  memberList,
  prepareRebalance,
  rebalanceOrComplete,
} from "./rebalance.ts";

/** How long a new member may wait for its first rebalance to end. */
const NEW_MEMBER_TIMEOUT_MS = 5 * 60 * 1000;

/** What is wrong with the request whatever the group looks like. */
export function joinProblem(
  { groupId, sessionTimeoutMs, memberId }: JoinInput,
  config: GroupConfig,
): JoinReply | undefined {
  if (groupId === "") return joinRefusal("INVALID_GROUP_ID", memberId);
  const { sessionTimeoutMinMs, sessionTimeoutMaxMs } = config;
  return sessionTimeoutMs < sessionTimeoutMinMs ||
      sessionTimeoutMs > sessionTimeoutMaxMs
    ? joinRefusal("INVALID_SESSION_TIMEOUT", memberId)
    : undefined;
}

/** Null: parked. */
export function join(
  draft: Draft,
  request: JoinInput,
  config: GroupConfig,
): JoinReply | null {
  const { group } = draft;
  const { memberId } = request;
  if (!hasRoom(group, memberId, config)) {
    const member = group.members.get(memberId);
    if (member !== undefined) draft.remove(member);
    group.pending.delete(memberId);
    return joinRefusal("GROUP_MAX_SIZE_REACHED", "");
  }
  if (!supportsProtocols(group, request)) {
    return joinRefusal("INCONSISTENT_GROUP_PROTOCOL", memberId);
  }
  return memberId === ""
    ? joinAnew(draft, request, config)
    : joinAgain(draft, request, config);
}

function hasRoom(
  group: Group,
  memberId: string,
  { groupSizeMax }: GroupConfig,
): boolean {
  const max = Math.min(groupSizeMax, LIMITS.groupMembersMax);
  if (group.state === "Empty") return true;
  if (group.state !== "PreparingRebalance") {
    return group.members.has(memberId) || group.members.size < max;
  }
  if (group.members.get(memberId)?.join !== undefined) return true;
  if (group.members.size < max) return true;
  let joined = 0;
  for (const { join } of group.members.values()) {
    if (join !== undefined) joined++;
  }
  return joined < max;
}

function joinAnew(
  draft: Draft,
  request: JoinInput,
  config: GroupConfig,
): JoinReply | null {
  const { group, times } = draft;
  const { groupInstanceId, clientId, newMemberSuffix } = request;
  const memberId = `${groupInstanceId ?? clientId}-${newMemberSuffix}`;
  if (groupInstanceId !== null) {
    const oldId = group.statics.get(groupInstanceId);
    return oldId === undefined
      ? add(draft, { ...request, memberId }, config)
      : replaceStatic(draft, { ...request, memberId }, {
        old: group.members.get(oldId)!,
        config,
      });
  }
  if (!request.requiresKnownMemberId) {
    return add(draft, { ...request, memberId }, config);
  }
  if (group.pending.size + group.members.size >= LIMITS.groupMembersMax) {
    return joinRefusal("GROUP_MAX_SIZE_REACHED", "");
  }
  group.pending.set(memberId, times.monoMs + request.sessionTimeoutMs);
  return joinRefusal("MEMBER_ID_REQUIRED", memberId);
}

/** Never parks a join without a rebalance that will end it. */
function add(draft: Draft, request: JoinInput, config: GroupConfig): null {
  const { group, times } = draft;
  const { memberId, groupInstanceId } = request;
  if (group.initialDelay !== null) {
    group.initialDelay = { ...group.initialDelay, hasNewMember: true };
  }
  if (group.members.size === 0) group.protocolType = request.protocolType;
  group.leader ??= memberId;
  if (groupInstanceId !== null) group.statics.set(groupInstanceId, memberId);
  group.pending.delete(memberId);
  group.members.set(memberId, {
    ...saidBy(request),
    memberId,
    groupInstanceId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    assignment: NO_BYTES,
    join: request.token,
    sync: undefined,
    isNew: true,
    deadlineMs: times.monoMs + NEW_MEMBER_TIMEOUT_MS,
  });
  rebalanceOrComplete(draft, config);
  return null;
}

function saidBy(
  request: JoinInput,
): Pick<Member, "rebalanceTimeoutMs" | "sessionTimeoutMs" | "protocols"> {
  const { rebalanceTimeoutMs, sessionTimeoutMs, protocols } = request;
  return { rebalanceTimeoutMs, sessionTimeoutMs, protocols };
}

/** A static member is back under a new member id; the old one is fenced. */
function replaceStatic(
  draft: Draft,
  request: JoinInput,
  { old, config }: { readonly old: Member; readonly config: GroupConfig },
): JoinReply | null {
  const { group, times } = draft;
  const oldLeader = group.leader;
  draft.refuse(old, "FENCED_INSTANCE_ID");
  const member: Member = {
    ...old,
    ...saidBy(request),
    memberId: request.memberId,
    clientId: request.clientId,
    clientHost: request.clientHost,
    join: request.token,
    sync: undefined,
    deadlineMs: times.monoMs + request.sessionTimeoutMs,
  };
  replaceInPlace(group.members, old.memberId, member);
  group.statics.set(old.groupInstanceId!, member.memberId);
  if (group.unsynced.delete(old.memberId)) {
    group.unsynced.add(member.memberId);
  }
  if (oldLeader === old.memberId) group.leader = member.memberId;
  const keepsProtocol = group.protocol === selectProtocol(group);
  if (group.state !== "Stable" || !keepsProtocol) {
    rebalanceOrComplete(draft, config);
    return null;
  }
  draft.change(member, { join: undefined });
  draft.persist();
  const isLeader = group.leader === member.memberId;
  const reply = { ...joinReply(group, member), members: [] };
  if (request.canSkipAssignment) {
    // KIP-814: the leader learns the members but need not assign again.
    return isLeader
      ? { ...reply, members: memberList(group), skipAssignment: true }
      : reply;
  }
  // Told of the old leader, an old client doesn't take itself for it.
  return { ...reply, leader: oldLeader ?? "" };
}

function replaceInPlace(
  members: Map<string, Member>,
  oldId: string,
  member: Member,
): void {
  const all = [...members.values()];
  members.clear();
  for (const each of all) {
    const kept = each.memberId === oldId ? member : each;
    members.set(kept.memberId, kept);
  }
}

function joinAgain(
  draft: Draft,
  request: JoinInput,
  config: GroupConfig,
): JoinReply | null {
  const { group, times } = draft;
  const { memberId } = request;
  if (group.pending.has(memberId) && request.groupInstanceId === null) {
    return add(draft, request, config);
  }
  const found = findMember(group, request);
  if (typeof found === "string") return joinRefusal(found, memberId);
  if (group.state === "Empty") {
    return joinRefusal("UNKNOWN_MEMBER_ID", memberId);
  }
  const isUnchanged = saysTheSame(found, request.protocols);
  const isFollower = group.leader !== memberId;
  if (
    isUnchanged && (group.state === "CompletingRebalance" ||
      group.state === "Stable" && isFollower)
  ) {
    const deadlineMs = times.monoMs + found.sessionTimeoutMs;
    return joinReply(group, draft.change(found, { deadlineMs }));
  }
  // A join that was parked before came over a connection that is gone.
  if (found.join !== undefined) {
    draft.answer(found.join, joinRefusal("REBALANCE_IN_PROGRESS", memberId));
  }
  draft.change(found, { ...saidBy(request), join: request.token });
  if (group.state === "PreparingRebalance") rebalanceOrComplete(draft, config);
  else prepareRebalance(draft, config);
  return null;
}
