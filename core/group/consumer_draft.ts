/**
 * A decision on one consumer group in the making: the group as it will be,
 * the records that make it so, and the times that change with them. Owns the
 * overlay; the state of the coordinator is never touched.
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import { LIMITS } from "../limits.ts";
import type {
  ConsumerGroup,
  ConsumerMember,
  OwnedPartitions,
  RegexSearch,
  ResolvedRegex,
  TargetPartitions,
} from "./consumer_group.ts";
import { MEMBER_STATE, partitionLists } from "./consumer_group.ts";
import type { ConsumerGroupRecord } from "./consumer_records.ts";
import type { Times } from "./draft.ts";
import type {
  ConsumerGroupConfig,
  GroupChange,
  GroupEffect,
  JoinReply,
  SyncReply,
} from "./inputs.ts";
import type { GroupTopics } from "./topics.ts";

/** What decisions on consumer groups may know of the outside. */
export interface ConsumerContext extends Times {
  readonly topics: GroupTopics;
  readonly config: ConsumerGroupConfig;
}

/**
 * One consumer group while it is decided on.
 *
 * Invariants:
 * 1. What the group was made from stays as it is.
 * 2. Applying the records to it gives what the draft shows.
 */
export class ConsumerDraft {
  readonly base: ConsumerGroup;
  readonly context: ConsumerContext;
  epoch: number;
  assignmentEpoch: number;
  topicsVersion: number;
  /** The expression whose topics are being found: the timer goes on. */
  search: RegexSearch | null;
  readonly #records: GroupChange[] = [];
  readonly #effects: GroupEffect[] = [];
  #members: Map<string, ConsumerMember> | undefined;
  #targets: Map<string, TargetPartitions> | undefined;
  #regexes: Map<string, ResolvedRegex> | undefined;
  readonly #awaited = new Map<string, number>();
  #timerAtMs: number;
  #dueMs = Infinity;

  constructor(base: ConsumerGroup, context: ConsumerContext) {
    this.base = base;
    this.context = context;
    this.epoch = base.epoch;
    this.assignmentEpoch = base.assignmentEpoch;
    this.topicsVersion = base.topicsVersion;
    this.search = base.search;
    this.#timerAtMs = base.timerAtMs;
  }

  get groupId(): string {
    return this.base.groupId;
  }

  get members(): ReadonlyMap<string, ConsumerMember> {
    return this.#members ?? this.base.members;
  }

  get targets(): ReadonlyMap<string, TargetPartitions> {
    return this.#targets ?? this.base.targets;
  }

  get regexes(): ReadonlyMap<string, ResolvedRegex> {
    return this.#regexes ?? this.base.regexes;
  }

  /** The member with this instance id, also when it is away. */
  staticMember(instanceId: string): ConsumerMember | undefined {
    const memberId = this.base.statics.get(instanceId);
    return memberId === undefined ? undefined : this.members.get(memberId);
  }

  /** Takes up a record of another kind, e.g. of the group's other self. */
  add(record: GroupChange): void {
    this.#records.push(record);
  }

  /** Answers a request that the group's other self has parked. */
  answer(token: number, reply: JoinReply | SyncReply): void {
    this.#effects.push({ type: "Reply", token, reply });
  }

  /** What the member says of itself is written down. */
  setMember(member: ConsumerMember): void {
    const { groupId } = this;
    const { memberId, classic } = member;
    this.#editMembers().set(memberId, member);
    this.#write({
      type: "ConsumerGroupMemberMetadata",
      key: { groupId, memberId },
      value: {
        instanceId: member.instanceId,
        rackId: member.rackId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        subscribedTopicNames: [...member.topics],
        subscribedTopicRegex: member.regex,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        serverAssignor: member.serverAssignor,
        classicMemberMetadata: classic === null ? null : {
          sessionTimeoutMs: classic.sessionTimeoutMs,
          supportedProtocols: classic.protocols.map((each) => ({ ...each })),
        },
      },
    });
  }

  /** What the member has, and in which epoch, is written down. */
  setAssignment(member: ConsumerMember): void {
    const { groupId } = this;
    const { memberId } = member;
    this.#editMembers().set(memberId, member);
    this.#write({
      type: "ConsumerGroupCurrentMemberAssignment",
      key: { groupId, memberId },
      value: {
        memberEpoch: member.epoch,
        previousMemberEpoch: member.previousEpoch,
        state: MEMBER_STATE[member.state],
        assignedPartitions: ownedLists(member.assigned),
        partitionsPendingRevocation: ownedLists(member.pendingRevocation),
      },
    });
  }

  /** The partitions that a member is to have are written down. */
  setTarget(memberId: string, target: TargetPartitions): void {
    this.#targets ??= new Map(this.base.targets);
    this.#targets.set(memberId, target);
    this.#write({
      type: "ConsumerGroupTargetAssignmentMember",
      key: { groupId: this.groupId, memberId },
      value: { topicPartitions: partitionLists(target) },
    });
  }

  /** The targets are those of the group's epoch from `timestampMs` on. */
  targetsAreCurrent(timestampMs: number): void {
    this.assignmentEpoch = this.epoch;
    this.#write({
      type: "ConsumerGroupTargetAssignmentMetadata",
      key: { groupId: this.groupId },
      value: {
        assignmentEpoch: this.epoch,
        assignmentTimestamp: timestampMs,
      },
    });
  }

  /** The next epoch of the group begins. */
  bumpEpoch(metadataHash: bigint): void {
    this.epoch += 1;
    this.#write({
      type: "ConsumerGroupMetadata",
      key: { groupId: this.groupId },
      value: { epoch: this.epoch, metadataHash },
    });
  }

  /** What a regular expression stands for is written down; null: forgotten. */
  setRegex(regex: string, resolved: ResolvedRegex | null): void {
    this.#regexes ??= new Map(this.base.regexes);
    if (resolved === null) this.#regexes.delete(regex);
    else this.#regexes.set(regex, resolved);
    this.#write({
      type: "ConsumerGroupRegularExpression",
      key: { groupId: this.groupId, regularExpression: regex },
      value: resolved === null ? null : {
        topics: [...resolved.topics],
        version: resolved.version,
        timestamp: resolved.timestampMs,
      },
    });
  }

  /** Takes a member out, with all that was written down of it. */
  remove(memberId: string): void {
    const { groupId } = this;
    const key = { groupId, memberId };
    this.#editMembers().delete(memberId);
    this.#targets ??= new Map(this.base.targets);
    this.#targets.delete(memberId);
    const types = [
      "ConsumerGroupCurrentMemberAssignment",
      "ConsumerGroupTargetAssignmentMember",
      "ConsumerGroupMemberMetadata",
    ] as const;
    for (const type of types) this.#write({ type, key, value: null });
  }

  /** The group is gone, with all that was written down of it. */
  removeGroup(): void {
    for (const memberId of [...this.members.keys()]) this.remove(memberId);
    for (const regex of [...this.regexes.keys()]) this.setRegex(regex, null);
    const key = { groupId: this.groupId };
    this.#write({
      type: "ConsumerGroupTargetAssignmentMetadata",
      key,
      value: null,
    });
    this.#write({ type: "ConsumerGroupMetadata", key, value: null });
  }

  /** The member was heard of: its session begins anew. */
  heard(memberId: string, sessionTimeoutMs: number): void {
    const { groupId } = this;
    const deadlineMs = this.context.monoMs + sessionTimeoutMs;
    this.#dueMs = Math.min(this.#dueMs, deadlineMs);
    this.add({ type: "MemberHeard", groupId, memberId, deadlineMs });
  }

  /** By when the member must have done its part; undefined: nothing to do. */
  awaitMember(memberId: string, timeoutMs: number | undefined): void {
    if (timeoutMs === undefined && !this.isAwaited(memberId)) return;
    const { groupId } = this;
    const deadlineMs = timeoutMs === undefined
      ? Infinity
      : this.context.monoMs + timeoutMs;
    this.#awaited.set(memberId, deadlineMs);
    this.#dueMs = Math.min(this.#dueMs, deadlineMs);
    this.add({ type: "MemberAwaited", groupId, memberId, deadlineMs });
  }

  /** Whether the member has something to do in time. */
  isAwaited(memberId: string): boolean {
    const deadlineMs = this.#awaited.get(memberId) ??
      this.base.awaited.get(memberId) ?? Infinity;
    return deadlineMs < Infinity;
  }

  /** The timer rang: it is set anew by what is still due. */
  timerRang(): void {
    this.#timerAtMs = Infinity;
    for (const times of [this.base.sessions, this.base.awaited]) {
      for (const [memberId, deadlineMs] of times) {
        if (!this.members.has(memberId)) continue;
        this.#dueMs = Math.min(this.#dueMs, deadlineMs);
      }
    }
  }

  /** Records and timers; a later deadline needs none: the one set looks again. */
  finish<Reply>(reply: Reply): {
    records: GroupChange[];
    reply: Reply;
    effects: GroupEffect[];
  } {
    const { groupId, topicsVersion, search } = this;
    const effects = [...this.#effects];
    const searchAtMs = search === null
      ? Infinity
      : this.context.monoMs + LIMITS.groupRegexPauseMs;
    const timerAtMs = Math.min(this.#timerAtMs, this.#dueMs, searchAtMs);
    if (timerAtMs < this.#timerAtMs) {
      effects.push({ type: "SetTimer", groupId, atMs: timerAtMs });
    }
    if (
      timerAtMs !== this.base.timerAtMs ||
      topicsVersion !== this.base.topicsVersion
    ) {
      this.add({
        type: "ConsumerGroupLooked",
        groupId,
        timerAtMs,
        topicsVersion,
      });
    }
    if (search !== this.base.search) {
      this.add({ type: "RegexSearched", groupId, search });
    }
    return { records: this.#records, reply, effects };
  }

  #write(record: ConsumerGroupRecord): void {
    this.#records.push(record);
  }

  #editMembers(): Map<string, ConsumerMember> {
    return this.#members ??= new Map(this.base.members);
  }
}

function ownedLists(owned: OwnedPartitions) {
  return Array.from(owned, ([topicId, epochs]) => {
    const partitions = [...epochs.keys()].sort((a, b) => a - b);
    const assignmentEpochs = partitions.map((index) => epochs.get(index)!);
    return { topicId, partitions, assignmentEpochs };
  });
}

/** `owned`, and more, assigned in `epoch`. */
export function withOwned(
  owned: OwnedPartitions,
  { added, epoch }: {
    readonly added: readonly (readonly [topicId: Uuid, index: number])[];
    readonly epoch: number;
  },
): OwnedPartitions {
  if (added.length === 0) return owned;
  const result = new Map<Uuid, Map<number, number>>();
  for (const [topicId, epochs] of owned) result.set(topicId, new Map(epochs));
  for (const [topicId, index] of added) {
    let epochs = result.get(topicId);
    if (epochs === undefined) result.set(topicId, epochs = new Map());
    epochs.set(index, epoch);
  }
  return result;
}
