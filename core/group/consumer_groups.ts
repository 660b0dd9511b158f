/**
 * The consumer groups (KIP-848) of one coordinator partition: which request
 * decides by which rules, and which group a record belongs to. Owns the
 * groups; their offsets and classic groups are the machine's.
 *
 * @module
 */
import type { Decision } from "../coordinator/machine.ts";
import { KafkaError } from "../errors.ts";
import {
  heartbeatAsClassic,
  joinAsClassic,
  leaveAsClassic,
  syncAsClassic,
} from "./classic_members.ts";
import { type ConsumerContext, ConsumerDraft } from "./consumer_draft.ts";
import {
  ConsumerGroup,
  type InMemory,
  NO_PARTITIONS,
  partitionLists,
  stateOf,
} from "./consumer_group.ts";
import {
  checkHeartbeat,
  checkRoom,
  heartbeat,
  isGoodbye,
  leave,
  overdueMembers,
  refreshEpoch,
  removeMembers,
  welcomeLoaded,
} from "./consumer_heartbeat.ts";
import type { ConsumerGroupRecord } from "./consumer_records.ts";
import type { Times } from "./draft.ts";
import type { Group } from "./group.ts";
import type {
  ConsumerDescribeReply,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatReply,
  ErrorReply,
  GroupChange,
  GroupConfig,
  GroupEffect,
  HeartbeatInput,
  JoinInput,
  JoinReply,
  LeaveInput,
  LeaveReply,
  ListReply,
  SyncInput,
  SyncReply,
} from "./inputs.ts";
import { downgrade, mayDowngrade, upgrade } from "./migration.ts";
import { preferredAssignor } from "./targets.ts";
import type { GroupTopics } from "./topics.ts";

type Decided<Reply> = Decision<GroupChange, Reply, GroupEffect>;

/**
 * Consumer groups by id.
 *
 * Invariants:
 * 1. Only `apply` and `keep` change a group.
 */
export class ConsumerGroups {
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #config: GroupConfig;
  readonly #topics: GroupTopics;

  constructor(config: GroupConfig, topics: GroupTopics) {
    this.#config = config;
    this.#topics = topics;
  }

  /** The group, if it is a consumer group. */
  get(groupId: string): ConsumerGroup | undefined {
    return this.#groups.get(groupId);
  }

  values(): Iterable<ConsumerGroup> {
    return this.#groups.values();
  }

  /** The group while it is decided on. */
  draft(group: ConsumerGroup, times: Times): ConsumerDraft {
    const { nowMs, monoMs } = times;
    const context: ConsumerContext = {
      nowMs,
      monoMs,
      topics: this.#topics,
      config: this.#config.consumer,
    };
    return new ConsumerDraft(group, context);
  }

  /** Changes the group by a record; the first makes it. */
  apply(record: ConsumerGroupRecord): void {
    const { groupId } = record.key;
    if (record.type === "ConsumerGroupMetadata" && record.value === null) {
      this.#groups.delete(groupId);
      return;
    }
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      // Compaction may leave tombstones of what is gone.
      if (record.value === null) return;
      this.#groups.set(groupId, group = new ConsumerGroup(groupId));
    }
    group.apply(record);
  }

  /** Another kind of group took the name. */
  forget(groupId: string): void {
    this.#groups.delete(groupId);
  }

  /** Keeps what lives in memory only. */
  keep(change: InMemory): void {
    this.#groups.get(change.groupId)?.keep(change);
  }

  /** Decides ConsumerGroupHeartbeat; `classic` is the classic group of that name. */
  heartbeat(
    request: ConsumerHeartbeatInput,
    { classic, times }: {
      readonly classic: Group | undefined;
      readonly times: Times;
    },
  ): Decided<ConsumerHeartbeatReply> {
    checkHeartbeat(request, this.#config.consumer);
    const { groupId } = request;
    const group = this.#groups.get(groupId);
    if (group !== undefined) {
      const draft = this.draft(group, times);
      if (isGoodbye(request)) {
        return this.#finish(draft, leave(draft, request));
      }
      return joined(draft, request);
    }
    if (request.memberEpoch !== 0) {
      throw new KafkaError(
        "GROUP_ID_NOT_FOUND",
        classic === undefined
          ? `Consumer group ${groupId} not found.`
          : `Group ${groupId} is not a consumer group.`,
      );
    }
    if (classic !== undefined && classic.state !== "Empty") {
      return this.#upgraded(request, { classic, times });
    }
    const draft = this.draft(new ConsumerGroup(groupId), times);
    if (classic !== undefined) {
      const key = { group: groupId };
      draft.add({ type: "GroupMetadata", key, value: null });
    }
    return joined(draft, request);
  }

  /** The classic group becomes a consumer group, which the member then joins. */
  #upgraded(
    request: ConsumerHeartbeatInput,
    { classic, times }: { readonly classic: Group; readonly times: Times },
  ): Decided<ConsumerHeartbeatReply> {
    const group = new ConsumerGroup(request.groupId);
    const first = this.draft(group, times);
    upgrade(first, classic);
    const upgraded = first.finish(null);
    for (const change of upgraded.records) {
      switch (change.type) {
        case "OffsetCommit":
        case "PendingOffset":
        case "TransactionEnded":
        case "GroupMetadata":
        case "GroupChanged":
          break;
        case "MemberHeard":
        case "MemberAwaited":
        case "ConsumerGroupLooked":
        case "RegexSearched":
          group.keep(change);
          break;
        default:
          group.apply(change);
      }
    }
    const decision = joined(this.draft(group, times), request);
    return {
      ...decision,
      records: [...upgraded.records, ...decision.records],
      effects: [...upgraded.effects, ...decision.effects],
    };
  }

  /** Decides JoinGroup of a member of the classic protocol. */
  join(
    group: ConsumerGroup,
    request: JoinInput,
    times: Times,
  ): Decided<JoinReply> {
    const draft = this.draft(group, times);
    return this.#finish(draft, joinAsClassic(draft, request));
  }

  /** Decides SyncGroup of a member of the classic protocol. */
  sync(
    group: ConsumerGroup,
    request: SyncInput,
    times: Times,
  ): Decided<SyncReply> {
    const draft = this.draft(group, times);
    return draft.finish(syncAsClassic(draft, request));
  }

  /** Decides Heartbeat of a member of the classic protocol. */
  heartbeatOfClassic(
    group: ConsumerGroup,
    request: HeartbeatInput,
    times: Times,
  ): Decided<ErrorReply> {
    const draft = this.draft(group, times);
    return draft.finish(heartbeatAsClassic(draft, request));
  }

  /** Decides LeaveGroup of members of the classic protocol. */
  leave(
    group: ConsumerGroup,
    request: LeaveInput,
    times: Times,
  ): Decided<LeaveReply> {
    const draft = this.draft(group, times);
    return this.#finish(draft, leaveAsClassic(draft, request));
  }

  /** After members went: the group may have become a classic one. */
  #finish<Reply>(draft: ConsumerDraft, reply: Reply): Decided<Reply> {
    const config = this.#config;
    return mayDowngrade(draft, config)
      ? downgrade(draft, { config, reply })
      : draft.finish(reply);
  }

  /** Lets time pass for one group. */
  passTime(group: ConsumerGroup, times: Times): Decided<null> {
    const draft = this.draft(group, times);
    const overdue = overdueMembers(draft);
    if (overdue.length > 0) removeMembers(draft, overdue);
    draft.timerRang();
    if (overdue.length > 0) return this.#finish(draft, null);
    if (draft.search !== null) {
      refreshEpoch(draft, { hasChanged: false, mayContinue: true });
    }
    return draft.finish(null);
  }

  /** The state was just read: everyone gets a whole session. */
  welcomeLoaded(times: Times): Decided<null>[] {
    return [...this.#groups.values()].filter(({ members }) => members.size > 0)
      .map((group) => {
        const draft = this.draft(group, times);
        welcomeLoaded(draft);
        return draft.finish(null);
      });
  }

  /** What the group looks like; throws when there is none. */
  describe(groupId: string, isClassic: boolean): ConsumerDescribeReply {
    const group = this.#groups.get(groupId);
    if (group === undefined) {
      throw new KafkaError(
        "GROUP_ID_NOT_FOUND",
        `Group ${groupId} ${
          isClassic ? "is not a consumer group" : "not found"
        }.`,
      );
    }
    const { assignors } = this.#config.consumer;
    return {
      state: stateOf(group),
      epoch: group.epoch,
      assignmentEpoch: group.assignmentEpoch,
      assignor: preferredAssignor(group, assignors),
      members: [...group.members.values()].map((member) => ({
        member,
        target: partitionLists(
          group.targets.get(member.memberId) ?? NO_PARTITIONS,
        ),
      })),
    };
  }

  /** The groups, as ListGroups shows them. */
  list(): ListReply["groups"][number][] {
    return [...this.#groups.values()].map((group) => ({
      groupId: group.groupId,
      groupType: "consumer",
      protocolType: "consumer",
      state: stateOf(group),
    }));
  }
}

function joined(
  draft: ConsumerDraft,
  request: ConsumerHeartbeatInput,
): Decided<ConsumerHeartbeatReply> {
  checkRoom(draft, request);
  return draft.finish(heartbeat(draft, request));
}
