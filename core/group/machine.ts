/**
 * The group coordinator of one `__consumer_offsets` partition as a machine:
 * which API decides by which rules, and what a record does to the state. Owns
 * the groups and their offsets; no promise, clock or log in here.
 *
 * @module
 */
import type {
  DecideContext,
  Decision,
  Machine,
} from "../coordinator/machine.ts";
import { type ErrorName, KafkaError } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";
import type { BatchView } from "../record/batch.ts";
import { markerOf, markerRecord, type TxnMarker } from "../record/control.ts";
import { decodeRecords } from "../record/record.ts";
import {
  type ConsumerGroup,
  type ConsumerGroupState,
  stateOf,
} from "./consumer_group.ts";
import { ConsumerGroups } from "./consumer_groups.ts";
import {
  consumerCommitProblem,
  consumerFetchProblem,
  topicsOfMembers,
} from "./consumer_offsets.ts";
import type { ConsumerGroupRecord } from "./consumer_records.ts";
import { Draft, joinRefusal, syncRefusal } from "./draft.ts";
import {
  emptyGroup,
  type Group,
  type GroupState,
  type Member,
  metadataOf,
  NO_BYTES,
} from "./group.ts";
import type {
  CommitInput,
  CommittedOffset,
  DeleteInput,
  DeleteOffsetsInput,
  DescribeInput,
  FetchOffsetsInput,
  GroupChange,
  GroupConfig,
  GroupEffect,
  GroupInput,
  GroupReply,
  HeartbeatInput,
  JoinInput,
  LeaveInput,
  ListInput,
  ListReply,
  PendingOffset,
  TransactionEnded,
} from "./inputs.ts";
import { join, joinProblem } from "./join.ts";
import { heartbeatError, leave } from "./liveness.ts";
import {
  allTombstones,
  commitProblem,
  commitRecords,
  committedOffset,
  commitTimeUnless,
  expiredTombstones,
  expiryStart,
  fetchOffsets,
  type GroupOffsets,
  offsetTombstone,
  topicsInUse,
} from "./offsets.ts";
import { PendingOffsets } from "./pending_offsets.ts";
import { passTime } from "./rebalance.ts";
import {
  decodeGroupRecord,
  encodeGroupRecord,
  type GroupMetadataValue,
  type GroupRecord,
  type OffsetCommitKey,
} from "./records.ts";
import { sync } from "./sync.ts";
import type { GroupTopics } from "./topics.ts";

/** How many groups are in each state, by the protocol that they speak. */
export interface GroupCounts {
  readonly classic: Map<GroupState, number>;
  readonly consumer: Map<ConsumerGroupState, number>;
}

type GroupDecision = Decision<GroupChange, GroupReply, GroupEffect>;

interface Context extends DecideContext {
  readonly monoMs: number;
}

/**
 * Groups and offsets of one coordinator partition.
 *
 * Invariants:
 * 1. `decide` changes nothing; `apply` alone does.
 * 2. A group with offsets exists; one without members, offsets or a use may
 *    be forgotten at any expiry.
 * 3. What was replayed from the log equals what was live, but for parked
 *    requests, deadlines and protocols that were not chosen.
 */
export class GroupMachine
  implements Machine<GroupInput, GroupChange, GroupReply, GroupEffect> {
  readonly #config: GroupConfig;
  readonly #groups = new Map<string, Group>();
  readonly #consumers: ConsumerGroups;
  readonly #offsets = new Map<string, GroupOffsets>();
  readonly #pending = new PendingOffsets();
  readonly #topics: GroupTopics;

  constructor(config: GroupConfig, topics: GroupTopics) {
    this.#config = config;
    this.#topics = topics;
    this.#consumers = new ConsumerGroups(config, topics);
  }

  /** The group as it is now, for tests and tools. */
  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  /** Adds the groups by state to `counts`. */
  countStates({ classic, consumer }: GroupCounts): void {
    for (const { state } of this.#groups.values()) {
      classic.set(state, (classic.get(state) ?? 0) + 1);
    }
    for (const group of this.#consumers.values()) {
      const state = stateOf(group);
      consumer.set(state, (consumer.get(state) ?? 0) + 1);
    }
  }

  /** The consumer group as it is now, for tests and tools. */
  consumerGroup(groupId: string): ConsumerGroup | undefined {
    return this.#consumers.get(groupId);
  }

  /** The offset as it is now, for tests and tools. */
  offset(
    groupId: string,
    { topic, partition }: TopicPartition,
  ): CommittedOffset | undefined {
    return this.#offsets.get(groupId)?.get(topic)?.get(partition);
  }

  decide(
    { request, monoMs }: GroupInput,
    { nowMs, nextOffset }: DecideContext,
  ): GroupDecision {
    const context = { nowMs, nextOffset, monoMs };
    switch (request.type) {
      case "JoinGroup":
        return this.#join(request, context);
      case "SyncGroup": {
        const consumers = this.#consumers.get(request.groupId);
        if (consumers !== undefined) {
          return this.#consumers.sync(consumers, request, context);
        }
        const draft = this.#draft(request.groupId, context);
        if (draft === undefined) return only(syncRefusal("UNKNOWN_MEMBER_ID"));
        return draft.finish(sync(draft, request));
      }
      case "Heartbeat":
        return this.#heartbeat(request, context);
      case "LeaveGroup":
        return this.#leave(request, context);
      case "ConsumerGroupHeartbeat":
        return this.#consumers.heartbeat(request, {
          classic: this.#groups.get(request.groupId),
          times: context,
        });
      case "DescribeConsumerGroup": {
        const { groupId } = request;
        return only(
          this.#consumers.describe(groupId, this.#groups.has(groupId)),
        );
      }
      case "OffsetCommit":
        return this.#commit(request, context);
      case "OffsetFetch":
        return only(this.#fetch(request));
      case "ListGroups":
        return only(this.#list(request));
      case "DescribeGroup":
        return only(this.#describe(request));
      case "DeleteGroup":
        return this.#delete(request, context);
      case "DeleteOffsets":
        return this.#deleteOffsets(request);
      case "TopicsDeleted":
        return this.#forgetTopics(request.topics);
      case "EndTransaction":
        return endTransaction(request.marker);
      case "Timer": {
        const consumers = this.#consumers.get(request.groupId);
        if (consumers !== undefined) {
          return this.#consumers.passTime(consumers, context);
        }
        const draft = this.#draft(request.groupId, context);
        if (draft === undefined) return only(null);
        passTime(draft, this.#config);
        return draft.finish(null);
      }
      case "Loaded":
        return this.#welcomeLoaded(context);
      case "ExpireOffsets":
        return this.#expire(context);
    }
  }

  apply(record: GroupChange): void {
    switch (record.type) {
      case "OffsetCommit": {
        const { key, value } = record;
        if (value === null) this.#deleteOffset(key);
        else {
          this.#pending.outdate(key);
          this.#keepOffset(key, committedOffset(value));
        }
        break;
      }
      case "PendingOffset": {
        const { key, value } = record.record;
        const committed = committedOffset(value!);
        this.#pending.add(record.producerId, key, committed);
        this.#ensureGroup(key.group, committed.commitTimestampMs);
        break;
      }
      case "TransactionEnded":
        for (const { key, committed } of this.#pending.end(record)) {
          this.#keepOffset(key, committed);
        }
        break;
      case "GroupMetadata": {
        const { key, value } = record;
        if (value === null) this.#groups.delete(key.group);
        else {
          this.#groups.set(key.group, groupOf(key.group, value));
          this.#consumers.forget(key.group);
        }
        break;
      }
      case "GroupChanged":
        this.#groups.set(record.group.groupId, record.group);
        break;
      case "MemberHeard": {
        const { groupId, memberId, deadlineMs } = record;
        const member = this.#groups.get(groupId)?.members.get(memberId);
        if (member !== undefined) member.deadlineMs = deadlineMs;
        else this.#consumers.keep(record);
        break;
      }
      case "MemberAwaited":
      case "ConsumerGroupLooked":
      case "RegexSearched":
        this.#consumers.keep(record);
        break;
      default:
        this.#applyConsumer(record);
    }
  }

  /** A group has one kind; its offsets may outlive it. */
  #applyConsumer(record: ConsumerGroupRecord): void {
    const { groupId } = record.key;
    this.#consumers.apply(record);
    if (this.#consumers.get(groupId) !== undefined) {
      this.#groups.delete(groupId);
    } else if (this.#offsets.has(groupId) || this.#pending.hasGroup(groupId)) {
      this.#ensureGroup(groupId, -1);
    }
  }

  #draft(groupId: string, context: Context): Draft | undefined {
    const group = this.#groups.get(groupId);
    return group && new Draft(group, context);
  }

  #join(request: JoinInput, context: Context): GroupDecision {
    const problem = joinProblem(request, this.#config);
    if (problem !== undefined) return only(problem);
    const { groupId, memberId } = request;
    const group = this.#groups.get(groupId);
    const consumers = this.#consumers.get(groupId);
    if (consumers !== undefined && consumers.members.size > 0) {
      return this.#consumers.join(consumers, request, context);
    }
    if (group === undefined && memberId !== "") {
      return only(joinRefusal("UNKNOWN_MEMBER_ID", memberId));
    }
    const draft = new Draft(
      group ?? emptyGroup(groupId, context.nowMs),
      context,
    );
    const reply = join(draft, request, this.#config);
    if (reply?.error === "INCONSISTENT_GROUP_PROTOCOL") return only(reply);
    const decision = draft.finish(reply);
    if (consumers === undefined) return decision;
    const records = [
      ...this.#removal(consumers, context),
      ...decision.records,
    ];
    return { ...decision, records };
  }

  /** Tombstones of an empty consumer group. */
  #removal(group: ConsumerGroup, context: Context): GroupChange[] {
    const draft = this.#consumers.draft(group, context);
    draft.removeGroup();
    return draft.finish(null).records;
  }

  #heartbeat(request: HeartbeatInput, context: Context): GroupDecision {
    const consumers = this.#consumers.get(request.groupId);
    if (consumers !== undefined) {
      return this.#consumers.heartbeatOfClassic(consumers, request, context);
    }
    const group = this.#groups.get(request.groupId);
    if (group === undefined) return only({ error: "UNKNOWN_MEMBER_ID" });
    const error = heartbeatError(group, request);
    if (error !== "NONE" && error !== "REBALANCE_IN_PROGRESS") {
      return only({ error });
    }
    return {
      records: [heard(group, request.memberId, context)],
      reply: { error },
      effects: [],
    };
  }

  #leave(request: LeaveInput, context: Context): GroupDecision {
    const consumers = this.#consumers.get(request.groupId);
    if (consumers !== undefined) {
      return this.#consumers.leave(consumers, request, context);
    }
    const draft = this.#draft(request.groupId, context);
    if (draft === undefined) {
      const error = "UNKNOWN_MEMBER_ID" as const;
      const members = request.members.map((each) => ({ ...each, error }));
      return only({ error: "NONE", members });
    }
    return draft.finish(leave(draft, request, this.#config));
  }

  #commit(request: CommitInput, context: Context): GroupDecision {
    const { groupId, memberId, offsets, transaction } = request;
    const group = this.#groups.get(groupId);
    const consumers = this.#consumers.get(groupId);
    const problem = consumers === undefined
      ? commitProblem(group, request)
      : consumerCommitProblem(consumers, { request, topics: this.#topics });
    if (problem !== undefined) {
      return only({ errors: offsets.map(() => problem) });
    }
    const { records, errors } = commitRecords(request, {
      ...this.#config,
      nowMs: context.nowMs,
    });
    if (transaction !== undefined && records.length > 0) {
      const { producerId } = transaction;
      return {
        records: records.map((record) => ({
          type: "PendingOffset",
          producerId,
          record,
        })),
        reply: { errors },
        effects: [],
        ownBatch: { ...transaction, isTransactional: true },
      };
    }
    const changes: GroupChange[] = records;
    if (transaction === undefined && group?.members.has(memberId)) {
      changes.push(heard(group, memberId, context));
    }
    return { records: changes, reply: { errors }, effects: [] };
  }

  #fetch(request: FetchOffsetsInput) {
    const { groupId } = request;
    const consumers = this.#consumers.get(groupId);
    const problem = consumers && consumerFetchProblem(consumers, request);
    if (problem !== undefined) {
      throw new KafkaError(
        problem,
        `Cannot read offsets of group "${groupId}": ${problem}`,
      );
    }
    return fetchOffsets(this.#offsets.get(groupId), request, this.#pending);
  }

  #list({ states, types }: ListInput): ListReply {
    const isWanted = (wanted: readonly string[], actual: string) =>
      wanted.length === 0 ||
      wanted.some((each) => each.toLowerCase() === actual.toLowerCase());
    const classics = [...this.#groups.values()]
      .map(({ groupId, protocolType, state }) => ({
        groupId,
        groupType: "classic" as const,
        protocolType: protocolType ?? "",
        state,
      }));
    return {
      groups: [...classics, ...this.#consumers.list()].filter((each) =>
        isWanted(states, each.state) && isWanted(types, each.groupType)
      ),
    };
  }

  #describe({ groupId }: DescribeInput) {
    const group = this.#groups.get(groupId);
    const isOther = this.#consumers.get(groupId) !== undefined;
    if (group === undefined) return { group, isOther };
    const isStable = group.state === "Stable";
    return {
      isOther,
      group: {
        state: group.state,
        protocolType: group.protocolType ?? "",
        protocolData: isStable ? group.protocol ?? "" : "",
        members: [...group.members.values()].map((member) => ({
          memberId: member.memberId,
          groupInstanceId: member.groupInstanceId,
          clientId: member.clientId,
          clientHost: member.clientHost,
          metadata: isStable ? metadataOf(member, group.protocol) : NO_BYTES,
          assignment: isStable ? member.assignment : NO_BYTES,
        })),
      },
    };
  }

  #delete({ groupId }: DeleteInput, context: Context): GroupDecision {
    const consumers = this.#consumers.get(groupId);
    if (consumers !== undefined) {
      if (consumers.members.size > 0) return only({ error: "NON_EMPTY_GROUP" });
      const records = [
        ...this.#tombstones(groupId),
        ...this.#removal(consumers, context),
      ];
      return { records, reply: { error: "NONE" }, effects: [] };
    }
    const group = this.#groups.get(groupId);
    if (group === undefined) return only({ error: "GROUP_ID_NOT_FOUND" });
    if (group.state !== "Empty") return only({ error: "NON_EMPTY_GROUP" });
    const records: GroupChange[] = [
      ...this.#tombstones(groupId),
      groupTombstone(groupId),
    ];
    return { records, reply: { error: "NONE" }, effects: [] };
  }

  #tombstones(groupId: string): GroupRecord[] {
    const offsets = this.#offsets.get(groupId);
    return allTombstones(groupId, offsets, this.#pending);
  }

  #deleteOffsets({ groupId, offsets }: DeleteOffsetsInput): GroupDecision {
    const group = this.#groups.get(groupId);
    const consumers = this.#consumers.get(groupId);
    const refused = (error: ErrorName) => only({ error, subscribed: [] });
    if (group === undefined && consumers === undefined) {
      return refused("GROUP_ID_NOT_FOUND");
    }
    const isReadable = group === undefined || group.protocolType === "consumer";
    if (group !== undefined && group.state !== "Empty" && !isReadable) {
      return refused("NON_EMPTY_GROUP");
    }
    const topics = offsets.map(({ topic }) => topic);
    const subscribed = consumers === undefined
      ? topicsInUse(group!, topics)
      : topics.filter((topic) => topicsOfMembers(consumers).has(topic));
    const records = offsets.filter((each) =>
      !subscribed.includes(each.topic) &&
      (this.offset(groupId, each) !== undefined ||
        this.#pending.has(groupId, each))
    ).map((each) => offsetTombstone(groupId, each));
    return { records, reply: { error: "NONE", subscribed }, effects: [] };
  }

  #forgetTopics(topics: readonly string[]): GroupDecision {
    const records: GroupChange[] = [];
    for (const [groupId, offsets] of this.#offsets) {
      for (const topic of topics) {
        for (const partition of offsets.get(topic)?.keys() ?? []) {
          records.push(offsetTombstone(groupId, { topic, partition }));
        }
      }
    }
    for (const groupId of this.#pending.groupIds) {
      for (const at of this.#pending.partitionsOf(groupId)) {
        const isDone = this.offset(groupId, at) !== undefined;
        if (isDone || !topics.includes(at.topic)) continue;
        records.push(offsetTombstone(groupId, at));
      }
    }
    return { records, reply: null, effects: [] };
  }

  /** As in Kafka, everyone gets a whole session after a restart. */
  #welcomeLoaded(context: Context): GroupDecision {
    const records: GroupChange[] = [];
    const effects: GroupEffect[] = [];
    for (const group of this.#groups.values()) {
      if (group.members.size === 0) continue;
      const draft = new Draft(group, context);
      for (const member of group.members.values()) {
        const deadlineMs = context.monoMs + member.sessionTimeoutMs;
        draft.change(member, { deadlineMs });
      }
      const decision = draft.finish(null);
      records.push(...decision.records);
      effects.push(...decision.effects);
    }
    for (const decision of this.#consumers.welcomeLoaded(context)) {
      records.push(...decision.records);
      effects.push(...decision.effects);
    }
    return { records, reply: null, effects };
  }

  #expire(context: Context): GroupDecision {
    const { nowMs } = context;
    const { offsetsRetentionMs: retentionMs } = this.#config;
    const records: GroupChange[] = [];
    const pending = this.#pending;
    const isBare = (groupId: string, expired: number) =>
      expired === countOf(this.#offsets.get(groupId) ?? new Map()) &&
      !pending.hasGroup(groupId);
    for (const group of this.#consumers.values()) {
      const offsets = this.#offsets.get(group.groupId) ?? new Map();
      const expired = expiredTombstones(
        {
          groupId: group.groupId,
          sinceOf: commitTimeUnless(topicsOfMembers(group)),
          pending,
        },
        offsets,
        { nowMs, retentionMs },
      );
      records.push(...expired);
      if (group.members.size === 0 && isBare(group.groupId, expired.length)) {
        records.push(...this.#removal(group, context));
      }
    }
    for (const group of this.#groups.values()) {
      const offsets = this.#offsets.get(group.groupId) ?? new Map();
      const expired = expiredTombstones(
        { groupId: group.groupId, sinceOf: expiryStart(group), pending },
        offsets,
        { nowMs, retentionMs },
      );
      records.push(...expired);
      if (
        group.state === "Empty" && group.pending.size === 0 &&
        isBare(group.groupId, expired.length)
      ) records.push(groupTombstone(group.groupId));
    }
    return { records, reply: null, effects: [] };
  }

  #deleteOffset(key: OffsetCommitKey): void {
    const { group, topic, partition } = key;
    this.#pending.forget(key);
    const topics = this.#offsets.get(group);
    const partitions = topics?.get(topic);
    partitions?.delete(partition);
    if (partitions?.size === 0) topics!.delete(topic);
    if (topics?.size === 0) this.#offsets.delete(group);
  }

  #keepOffset(
    { group, topic, partition }: OffsetCommitKey,
    committed: CommittedOffset,
  ): void {
    let topics = this.#offsets.get(group);
    if (topics === undefined) this.#offsets.set(group, topics = new Map());
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, partitions = new Map());
    partitions.set(partition, committed);
    this.#ensureGroup(group, committed.commitTimestampMs);
  }

  /** Offsets without members are a group, too. */
  #ensureGroup(groupId: string, sinceMs: number): void {
    const isThere = this.#groups.has(groupId) ||
      this.#consumers.get(groupId) !== undefined;
    if (!isThere) this.#groups.set(groupId, emptyGroup(groupId, sinceMs));
  }
}

/** The changes that a batch of the log stands for, oldest first. */
export function* changesIn(
  view: BatchView,
): Generator<GroupRecord | PendingOffset | TransactionEnded> {
  const { producerId } = view;
  const marker = markerOf(view);
  if (marker !== undefined) {
    yield {
      type: "TransactionEnded",
      producerId,
      committed: marker.type === "COMMIT",
      coordinatorEpoch: marker.coordinatorEpoch,
    };
  }
  if (view.isControl) return;
  for (const stored of decodeRecords(view)) {
    const record = decodeGroupRecord(stored);
    if (record.type === "Unknown") continue;
    const isPending = view.isTransactional &&
      record.type === "OffsetCommit" && record.value !== null;
    yield isPending ? { type: "PendingOffset", producerId, record } : record;
  }
}

/** The log refuses it when a newer epoch is known. */
function endTransaction(marker: TxnMarker): GroupDecision {
  const { producerId, committed, coordinatorEpoch } = marker;
  return {
    records: [{
      type: "TransactionEnded",
      producerId,
      committed,
      coordinatorEpoch,
    }],
    reply: null,
    effects: [],
    ownBatch: {
      producerId,
      producerEpoch: marker.producerEpoch,
      isTransactional: true,
      isControl: true,
      transactionVersion: marker.transactionVersion,
    },
  };
}

/** The bytes of what is written down; undefined for what is not. */
export function storedOf(
  change: GroupChange,
): ReturnType<typeof encodeGroupRecord> | undefined {
  switch (change.type) {
    case "PendingOffset":
      return encodeGroupRecord(change.record);
    case "TransactionEnded":
      return markerRecord(change);
    case "GroupChanged":
    case "MemberHeard":
    case "MemberAwaited":
    case "ConsumerGroupLooked":
    case "RegexSearched":
      return undefined;
    default:
      return encodeGroupRecord(change);
  }
}

function only(reply: GroupReply): GroupDecision {
  return { records: [], reply, effects: [] };
}

/** A later deadline needs no timer: the one that is set looks again. */
function heard(group: Group, memberId: string, { monoMs }: Context) {
  const { sessionTimeoutMs } = group.members.get(memberId)!;
  const deadlineMs = monoMs + sessionTimeoutMs;
  const { groupId } = group;
  return { type: "MemberHeard", groupId, memberId, deadlineMs } as const;
}

function groupTombstone(group: string): GroupRecord {
  return { type: "GroupMetadata", key: { group }, value: null };
}

function countOf(offsets: GroupOffsets): number {
  let count = 0;
  for (const partitions of offsets.values()) count += partitions.size;
  return count;
}

function groupOf(groupId: string, value: GroupMetadataValue): Group {
  const members = new Map(value.members.map((each): [string, Member] => [
    each.memberId,
    {
      memberId: each.memberId,
      groupInstanceId: each.groupInstanceId,
      clientId: each.clientId,
      clientHost: each.clientHost,
      sessionTimeoutMs: each.sessionTimeout,
      rebalanceTimeoutMs: each.rebalanceTimeout === -1
        ? each.sessionTimeout
        : each.rebalanceTimeout,
      protocols: [{
        name: value.protocol ?? "",
        metadata: each.subscription.slice(),
      }],
      assignment: each.assignment.slice(),
      join: undefined,
      sync: undefined,
      isNew: false,
      deadlineMs: Infinity,
    },
  ]));
  const statics = [...members.values()].flatMap((
    { groupInstanceId, memberId },
  ) =>
    groupInstanceId === null
      ? []
      : [[groupInstanceId, memberId] as [string, string]]
  );
  return {
    ...emptyGroup(groupId, value.currentStateTimestamp),
    state: members.size === 0 ? "Empty" : "Stable",
    generation: value.generation,
    protocolType: value.protocolType === "" ? null : value.protocolType,
    protocol: value.protocol,
    leader: value.leader,
    members,
    statics: new Map(statics),
  };
}
