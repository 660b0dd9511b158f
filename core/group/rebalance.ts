/**
 * A rebalance from its first join to the last sync: preparing, waiting,
 * completing, and what the passing of time does to a group. Owns these steps;
 * who asked for them and what is answered at once stands with each API.
 *
 * @module
 */
import type { Draft } from "./draft.ts";
import { expiryOf, syncRefusal } from "./draft.ts";
import {
  type Group,
  type InitialDelay,
  type Member,
  metadataOf,
  NO_BYTES,
  selectProtocol,
} from "./group.ts";
import type { GroupConfig, JoinReply } from "./inputs.ts";

/** Starts a rebalance, or ends the running one when this was the last join. */
export function rebalanceOrComplete(draft: Draft, config: GroupConfig): void {
  if (draft.group.state === "PreparingRebalance") completeIfAllJoined(draft);
  else prepareRebalance(draft, config);
}

/** Everybody has to join again. */
export function prepareRebalance(draft: Draft, config: GroupConfig): void {
  const { group } = draft;
  if (group.state === "CompletingRebalance") {
    for (const member of [...group.members.values()]) {
      const { sync, sessionTimeoutMs } = member;
      if (sync !== undefined) {
        draft.answer(sync, syncRefusal("REBALANCE_IN_PROGRESS"));
      }
      draft.change(member, {
        assignment: NO_BYTES,
        sync: undefined,
        deadlineMs: sync === undefined
          ? member.deadlineMs
          : draft.times.monoMs + sessionTimeoutMs,
      });
    }
  }
  group.unsynced.clear();
  const isInitial = group.state === "Empty";
  draft.become("PreparingRebalance");
  if (isInitial) {
    const delayMs = config.initialRebalanceDelayMs;
    const remainingMs = Math.max(0, rebalanceTimeoutMs(group) - delayMs);
    awaitMore(draft, { delayMs, remainingMs, hasNewMember: false });
    return;
  }
  group.initialDelay = null;
  group.phaseDeadlineMs = draft.times.monoMs + rebalanceTimeoutMs(group);
  completeIfAllJoined(draft);
}

/** The joining ends when everyone known has joined. */
export function completeIfAllJoined(draft: Draft): void {
  const { group } = draft;
  if (group.state !== "PreparingRebalance") return;
  // An empty group's first rebalance waits for its delay in any case.
  if (group.initialDelay !== null) return;
  if (group.pending.size > 0) return;
  for (const { join } of group.members.values()) if (join === undefined) return;
  completeJoin(draft);
}

function rebalanceTimeoutMs(group: Group): number {
  let max = 0;
  for (const member of group.members.values()) {
    max = Math.max(max, member.rebalanceTimeoutMs);
  }
  return max;
}

function awaitMore(draft: Draft, initialDelay: InitialDelay): void {
  draft.group.initialDelay = initialDelay;
  draft.group.phaseDeadlineMs = draft.times.monoMs + initialDelay.delayMs;
}

/** The joining is over: laggards go, the next generation begins. */
function completeJoin(draft: Draft): void {
  const { group } = draft;
  for (const member of [...group.members.values()]) {
    if (member.join === undefined && member.groupInstanceId === null) {
      draft.remove(member);
    }
  }
  if (group.members.size > 0 && !electJoinedLeader(draft)) {
    // Only silent static members are left: their sessions decide.
    group.phaseDeadlineMs = draft.times.monoMs + rebalanceTimeoutMs(group);
    return;
  }
  group.initialDelay = null;
  group.generation += 1;
  if (group.members.size === 0) {
    group.protocol = null;
    group.leader = null;
    group.phaseDeadlineMs = Infinity;
    draft.become("Empty");
    draft.persist();
    return;
  }
  group.protocol = selectProtocol(group);
  draft.become("CompletingRebalance");
  group.phaseDeadlineMs = draft.times.monoMs + rebalanceTimeoutMs(group);
  answerJoins(draft);
}

function electJoinedLeader(draft: Draft): boolean {
  const { group } = draft;
  const leader = group.leader === null
    ? undefined
    : group.members.get(group.leader);
  if (leader?.join !== undefined) return true;
  for (const { memberId, join } of group.members.values()) {
    if (join === undefined) continue;
    group.leader = memberId;
    return true;
  }
  return false;
}

function answerJoins(draft: Draft): void {
  const { group, times } = draft;
  for (const member of [...group.members.values()]) {
    group.unsynced.add(member.memberId);
    if (member.join !== undefined) {
      draft.answer(member.join, joinReply(group, member));
      draft.change(member, {
        join: undefined,
        isNew: false,
        deadlineMs: times.monoMs + member.sessionTimeoutMs,
      });
    }
  }
}

/** The answer to a member's join; only the leader is told of the others. */
export function joinReply(group: Group, member: Member): JoinReply {
  return {
    error: "NONE",
    memberId: member.memberId,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocol,
    leader: group.leader ?? "",
    skipAssignment: false,
    members: group.leader === member.memberId ? memberList(group) : [],
  };
}

/** All members with what they say in the chosen protocol. */
export function memberList(group: Group): JoinReply["members"] {
  return [...group.members.values()].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataOf(member, group.protocol),
  }));
}

/** After members went: the others rebalance, or need not wait any more. */
export function afterRemoval(draft: Draft, config: GroupConfig): void {
  const { state } = draft.group;
  if (state === "Stable" || state === "CompletingRebalance") {
    prepareRebalance(draft, config);
  } else completeIfAllJoined(draft);
}

/** Does everything that is due by now. */
export function passTime(draft: Draft, config: GroupConfig): void {
  const { group, times } = draft;
  group.timerAtMs = Infinity;
  expireMembers(draft, config);
  if (group.phaseDeadlineMs > times.monoMs) return;
  if (group.state === "PreparingRebalance") {
    const { initialDelay } = group;
    if (initialDelay?.hasNewMember && initialDelay.remainingMs > 0) {
      const { delayMs, remainingMs } = initialDelay;
      awaitMore(draft, {
        delayMs: Math.min(config.initialRebalanceDelayMs, remainingMs),
        remainingMs: Math.max(0, remainingMs - delayMs),
        hasNewMember: false,
      });
    } else completeJoin(draft);
    return;
  }
  group.phaseDeadlineMs = Infinity;
  if (group.unsynced.size === 0) return;
  for (const memberId of [...group.unsynced]) {
    const member = group.members.get(memberId);
    if (member !== undefined) draft.remove(member);
  }
  prepareRebalance(draft, config);
}

function expireMembers(draft: Draft, config: GroupConfig): void {
  const { group, times } = draft;
  let hasRemoved = false;
  for (const [memberId, deadlineMs] of [...group.pending]) {
    if (deadlineMs > times.monoMs) continue;
    group.pending.delete(memberId);
    completeIfAllJoined(draft);
  }
  for (const member of [...group.members.values()]) {
    if (expiryOf(member) > times.monoMs) continue;
    draft.refuse(member, "UNKNOWN_MEMBER_ID");
    draft.remove(member);
    hasRemoved = true;
  }
  if (hasRemoved) afterRemoval(draft, config);
}
