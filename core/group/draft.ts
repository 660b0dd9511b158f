/**
 * A decision on one group in the making: a copy of the group that the steps
 * of the decision change, the records and the effects so far. Owns the copy;
 * the state of the coordinator is never touched.
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";
import { type Group, type Member, metadataOf, NO_BYTES } from "./group.ts";
import type {
  GroupChange,
  GroupEffect,
  JoinReply,
  MemberReference,
  SyncReply,
} from "./inputs.ts";
import { groupMetadataValue } from "./records.ts";

/** The times of a decision. */
export interface Times {
  /** Wall time. */
  readonly nowMs: number;
  /** Monotonic time. */
  readonly monoMs: number;
}

type MutableGroup =
  & { -readonly [K in keyof Group]: Group[K] }
  & {
    readonly members: Map<string, Member>;
    readonly pending: Map<string, number>;
    readonly statics: Map<string, string>;
    readonly unsynced: Set<string>;
  };

/**
 * One group while it is decided on.
 *
 * Invariants:
 * 1. What the group was made from stays as it is.
 * 2. A member is changed by replacing it.
 */
export class Draft {
  readonly group: MutableGroup;
  readonly times: Times;
  readonly #records: GroupChange[] = [];
  readonly #effects: GroupEffect[] = [];

  constructor(group: Group, times: Times) {
    this.times = times;
    this.group = {
      ...group,
      members: new Map(group.members),
      pending: new Map(group.pending),
      statics: new Map(group.statics),
      unsynced: new Set(group.unsynced),
    };
  }

  /** Replaces fields of a member and returns the new one. */
  change(member: Member, fields: Partial<Member>): Member {
    const changed = { ...member, ...fields };
    this.group.members.set(member.memberId, changed);
    return changed;
  }

  /** Takes a member out; the first of those left leads when it led. */
  remove(member: Member): void {
    const { group } = this;
    group.members.delete(member.memberId);
    group.unsynced.delete(member.memberId);
    const { groupInstanceId } = member;
    if (
      groupInstanceId !== null &&
      group.statics.get(groupInstanceId) === member.memberId
    ) {
      group.statics.delete(groupInstanceId);
    }
    if (group.leader === member.memberId) {
      group.leader = group.members.keys().next().value ?? null;
    }
  }

  /** Answers what the member has parked with an error. */
  refuse(member: Member, error: ErrorName): void {
    if (member.join !== undefined) {
      this.answer(member.join, joinRefusal(error, member.memberId));
    }
    if (member.sync !== undefined) this.answer(member.sync, syncRefusal(error));
  }

  /** Answers a parked request. */
  answer(token: number, reply: JoinReply | SyncReply): void {
    this.#effects.push({ type: "Reply", token, reply });
  }

  /** The state changes now. */
  become(state: Group["state"]): void {
    this.group.state = state;
    this.group.stateSinceMs = this.times.nowMs;
  }

  /** Writes the group down as it is now. */
  persist(): void {
    const { group } = this;
    const members = [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: metadataOf(member, group.protocol),
      assignment: member.assignment,
    }));
    this.#records.push({
      type: "GroupMetadata",
      key: { group: group.groupId },
      value: groupMetadataValue({
        protocolType: group.protocolType ?? "",
        generation: group.generation,
        protocol: group.protocol,
        leader: group.leader,
        currentStateTimestamp: group.stateSinceMs,
        members,
      }),
    });
  }

  /** The decision, with the timer moved when something is due earlier. */
  finish<Reply>(reply: Reply): {
    records: GroupChange[];
    reply: Reply;
    effects: GroupEffect[];
  } {
    const { group } = this;
    const dueMs = nextDeadline(group);
    if (dueMs < group.timerAtMs) {
      group.timerAtMs = dueMs;
      this.#effects.push({
        type: "SetTimer",
        groupId: group.groupId,
        atMs: dueMs,
      });
    }
    const changed: GroupChange = { type: "GroupChanged", group };
    return {
      records: [...this.#records, changed],
      reply,
      effects: this.#effects,
    };
  }
}

/** When a member counts as gone; never while its request is parked. */
export function expiryOf(member: Member): number {
  const isParked = member.join !== undefined || member.sync !== undefined;
  return isParked && !member.isNew ? Infinity : member.deadlineMs;
}

function nextDeadline(group: Group): number {
  let dueMs = group.phaseDeadlineMs;
  for (const deadlineMs of group.pending.values()) {
    dueMs = Math.min(dueMs, deadlineMs);
  }
  for (const member of group.members.values()) {
    dueMs = Math.min(dueMs, expiryOf(member));
  }
  return dueMs;
}

/** A refused JoinGroup. */
export function joinRefusal(error: ErrorName, memberId: string): JoinReply {
  return {
    error,
    memberId,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: "",
    skipAssignment: false,
    members: [],
  };
}

/** A refused SyncGroup. */
export function syncRefusal(error: ErrorName): SyncReply {
  return {
    error,
    protocolType: null,
    protocolName: null,
    assignment: NO_BYTES,
  };
}

/** The member that is meant, or why it isn't one. */
export function findMember(
  group: Group,
  { memberId, groupInstanceId }: MemberReference,
): Member | ErrorName {
  if (groupInstanceId !== null) {
    const current = group.statics.get(groupInstanceId);
    if (current === undefined) return "UNKNOWN_MEMBER_ID";
    if (current !== memberId) return "FENCED_INSTANCE_ID";
  }
  return group.members.get(memberId) ?? "UNKNOWN_MEMBER_ID";
}
