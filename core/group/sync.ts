/**
 * Decides SyncGroup: the leader's assignment is written down, everyone gets
 * their part of it.
 *
 * @module
 */
import { type Draft, findMember, syncRefusal } from "./draft.ts";
import { type Member, NO_BYTES } from "./group.ts";
import type { SyncInput, SyncReply } from "./inputs.ts";

/** Null: parked until the leader's comes. */
export function sync(draft: Draft, request: SyncInput): SyncReply | null {
  const { group, times } = draft;
  const found = findMember(group, request);
  if (typeof found === "string") return syncRefusal(found);
  if (request.generationId !== group.generation) {
    return syncRefusal("ILLEGAL_GENERATION");
  }
  if (
    isOther(request.protocolType, group.protocolType) ||
    isOther(request.protocolName, group.protocol)
  ) return syncRefusal("INCONSISTENT_GROUP_PROTOCOL");
  switch (group.state) {
    case "Empty":
      return syncRefusal("UNKNOWN_MEMBER_ID");
    case "PreparingRebalance":
      return syncRefusal("REBALANCE_IN_PROGRESS");
    case "CompletingRebalance": {
      park(draft, found, request.token);
      if (group.leader === found.memberId) assign(draft, request);
      return null;
    }
    case "Stable": {
      settle(draft, found.memberId);
      const deadlineMs = times.monoMs + found.sessionTimeoutMs;
      return replyTo(draft, draft.change(found, { deadlineMs }));
    }
  }
}

function isOther(said: string | null, actual: string | null): boolean {
  return said !== null && said !== actual;
}

function park(draft: Draft, member: Member, token: number): void {
  if (member.sync !== undefined) {
    draft.answer(member.sync, syncRefusal("REBALANCE_IN_PROGRESS"));
  }
  draft.change(member, { sync: token });
  settle(draft, member.memberId);
}

/** One member less to wait for. */
function settle(draft: Draft, memberId: string): void {
  const { group } = draft;
  group.unsynced.delete(memberId);
  if (group.unsynced.size === 0) group.phaseDeadlineMs = Infinity;
}

function assign(draft: Draft, { assignments }: SyncInput): void {
  const { group, times } = draft;
  const byMember = new Map(
    assignments.map(({ memberId, assignment }) => [memberId, assignment]),
  );
  draft.become("Stable");
  for (const member of [...group.members.values()]) {
    const { sync, memberId } = member;
    // A copy: the request's buffer is used again.
    const assignment = byMember.get(memberId)?.slice() ?? NO_BYTES;
    const isWaiting = sync !== undefined;
    const changed = draft.change(member, {
      assignment,
      sync: undefined,
      deadlineMs: isWaiting
        ? times.monoMs + member.sessionTimeoutMs
        : member.deadlineMs,
    });
    if (isWaiting) draft.answer(sync, replyTo(draft, changed));
  }
  draft.persist();
}

function replyTo({ group }: Draft, { assignment }: Member): SyncReply {
  return {
    error: "NONE",
    protocolType: group.protocolType,
    protocolName: group.protocol,
    assignment,
  };
}
