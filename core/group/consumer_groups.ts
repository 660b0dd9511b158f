/**
 * The consumer groups (KIP-848) of one coordinator partition: which request
 * decides by which rules, and which group a record belongs to. Owns the
 * groups; their offsets and classic groups are the machine's.
 *
 * @module
 */
import type { Decision } from "../coordinator/machine.ts";
import { KafkaError } from "../errors.ts";
import { type ConsumerContext, ConsumerDraft } from "./consumer_draft.ts";
import {
  ConsumerGroup,
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
  removeMembers,
  welcomeLoaded,
} from "./consumer_heartbeat.ts";
import type { ConsumerGroupRecord } from "./consumer_records.ts";
import type { Times } from "./draft.ts";
import type { Group } from "./group.ts";
import type {
  ConsumerDescribeReply,
  ConsumerGroupLooked,
  ConsumerHeartbeatInput,
  ConsumerHeartbeatReply,
  GroupChange,
  GroupConfig,
  GroupEffect,
  ListReply,
  MemberAwaited,
  MemberHeard,
} from "./inputs.ts";
import { preferredAssignor } from "./targets.ts";
import type { GroupTopics } from "./topics.ts";

type Decided<Reply> = Decision<GroupChange, Reply, GroupEffect>;

/** What is not written down of a consumer group. */
type InMemory = MemberHeard | MemberAwaited | ConsumerGroupLooked;

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
    const group = this.#groups.get(change.groupId);
    if (group === undefined) return;
    switch (change.type) {
      case "MemberHeard":
        if (!group.members.has(change.memberId)) return;
        group.sessions.set(change.memberId, change.deadlineMs);
        return;
      case "MemberAwaited":
        if (change.deadlineMs === Infinity) {
          group.awaited.delete(change.memberId);
        } else group.awaited.set(change.memberId, change.deadlineMs);
        return;
      case "ConsumerGroupLooked":
        group.timerAtMs = change.timerAtMs;
        group.topicsVersion = change.topicsVersion;
        return;
    }
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
    const draft = this.#draftFor(request, { classic, times });
    if (isGoodbye(request)) return draft.finish(leave(draft, request));
    checkRoom(draft, request.memberId);
    return draft.finish(heartbeat(draft, request));
  }

  #draftFor(
    request: ConsumerHeartbeatInput,
    { classic, times }: {
      readonly classic: Group | undefined;
      readonly times: Times;
    },
  ): ConsumerDraft {
    const { groupId } = request;
    const group = this.#groups.get(groupId);
    if (group !== undefined) return this.draft(group, times);
    if (request.memberEpoch !== 0) {
      throw new KafkaError(
        "GROUP_ID_NOT_FOUND",
        classic === undefined
          ? `Consumer group ${groupId} not found.`
          : `Group ${groupId} is not a consumer group.`,
      );
    }
    const draft = this.draft(new ConsumerGroup(groupId), times);
    if (classic === undefined) return draft;
    if (classic.state !== "Empty") {
      throw new KafkaError(
        "GROUP_ID_NOT_FOUND",
        `Group ${groupId} is not a consumer group.`,
      );
    }
    draft.add({ type: "GroupMetadata", key: { group: groupId }, value: null });
    return draft;
  }

  /** Lets time pass for one group. */
  passTime(group: ConsumerGroup, times: Times): Decided<null> {
    const draft = this.draft(group, times);
    const overdue = overdueMembers(draft);
    if (overdue.length > 0) removeMembers(draft, overdue);
    draft.timerRang();
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
