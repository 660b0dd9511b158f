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
import type { ErrorName } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";
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
  GroupChange,
  GroupConfig,
  GroupEffect,
  GroupInput,
  GroupReply,
  HeartbeatInput,
  JoinInput,
  LeaveInput,
  ListInput,
} from "./inputs.ts";
import { join, joinProblem } from "./join.ts";
import { heartbeatError, leave } from "./liveness.ts";
import {
  allTombstones,
  commitProblem,
  commitRecords,
  committedOffset,
  expiredTombstones,
  fetchOffsets,
  type GroupOffsets,
  offsetTombstone,
  topicsInUse,
} from "./offsets.ts";
import { passTime } from "./rebalance.ts";
import type {
  GroupMetadataValue,
  GroupRecord,
  OffsetCommitRecord,
} from "./records.ts";
import { sync } from "./sync.ts";

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
  readonly #offsets = new Map<string, GroupOffsets>();

  constructor(config: GroupConfig) {
    this.#config = config;
  }

  /** The group as it is now, for tests and tools. */
  group(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  /** Adds the groups by state to `counts`. */
  countStates(counts: Map<GroupState, number>): void {
    for (const { state } of this.#groups.values()) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
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
        const draft = this.#draft(request.groupId, context);
        if (draft === undefined) return only(syncRefusal("UNKNOWN_MEMBER_ID"));
        return draft.finish(sync(draft, request));
      }
      case "Heartbeat":
        return this.#heartbeat(request, context);
      case "LeaveGroup":
        return this.#leave(request, context);
      case "OffsetCommit":
        return this.#commit(request, context);
      case "OffsetFetch":
        return only(
          fetchOffsets(this.#offsets.get(request.groupId), request),
        );
      case "ListGroups":
        return only(this.#list(request));
      case "DescribeGroup":
        return only(this.#describe(request));
      case "DeleteGroup":
        return this.#delete(request);
      case "DeleteOffsets":
        return this.#deleteOffsets(request);
      case "TopicsDeleted":
        return this.#forgetTopics(request.topics);
      case "Timer": {
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
      case "OffsetCommit":
        this.#applyOffset(record);
        break;
      case "GroupMetadata": {
        const { key, value } = record;
        if (value === null) this.#groups.delete(key.group);
        else this.#groups.set(key.group, groupOf(key.group, value));
        break;
      }
      case "GroupChanged":
        this.#groups.set(record.group.groupId, record.group);
        break;
      case "MemberHeard": {
        const { groupId, memberId, deadlineMs } = record;
        const member = this.#groups.get(groupId)?.members.get(memberId);
        if (member !== undefined) member.deadlineMs = deadlineMs;
        break;
      }
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
    if (group === undefined && memberId !== "") {
      return only(joinRefusal("UNKNOWN_MEMBER_ID", memberId));
    }
    const draft = new Draft(
      group ?? emptyGroup(groupId, context.nowMs),
      context,
    );
    const reply = join(draft, request, this.#config);
    if (reply?.error === "INCONSISTENT_GROUP_PROTOCOL") return only(reply);
    return draft.finish(reply);
  }

  #heartbeat(request: HeartbeatInput, context: Context): GroupDecision {
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
    const draft = this.#draft(request.groupId, context);
    if (draft === undefined) {
      const error = "UNKNOWN_MEMBER_ID" as const;
      const members = request.members.map((each) => ({ ...each, error }));
      return only({ error: "NONE", members });
    }
    return draft.finish(leave(draft, request, this.#config));
  }

  #commit(request: CommitInput, context: Context): GroupDecision {
    const { groupId, memberId, offsets } = request;
    const group = this.#groups.get(groupId);
    const problem = commitProblem(group, request);
    if (problem !== undefined) {
      return only({ errors: offsets.map(() => problem) });
    }
    const { records, errors } = commitRecords(request, {
      ...this.#config,
      nowMs: context.nowMs,
    });
    const changes: GroupChange[] = records;
    if (group?.members.has(memberId)) {
      changes.push(heard(group, memberId, context));
    }
    return { records: changes, reply: { errors }, effects: [] };
  }

  #list({ states }: ListInput) {
    const wanted = new Set(states.map((state) => state.toLowerCase()));
    return {
      groups: [...this.#groups.values()]
        .filter(({ state }) =>
          wanted.size === 0 || wanted.has(state.toLowerCase())
        )
        .map(({ groupId, protocolType, state }) => ({
          groupId,
          protocolType: protocolType ?? "",
          state,
        })),
    };
  }

  #describe({ groupId }: DescribeInput) {
    const group = this.#groups.get(groupId);
    if (group === undefined) return { group };
    const isStable = group.state === "Stable";
    return {
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

  #delete({ groupId }: DeleteInput): GroupDecision {
    const group = this.#groups.get(groupId);
    if (group === undefined) return only({ error: "GROUP_ID_NOT_FOUND" });
    if (group.state !== "Empty") return only({ error: "NON_EMPTY_GROUP" });
    const records: GroupChange[] = [
      ...allTombstones(groupId, this.#offsets.get(groupId)),
      groupTombstone(groupId),
    ];
    return { records, reply: { error: "NONE" }, effects: [] };
  }

  #deleteOffsets({ groupId, offsets }: DeleteOffsetsInput): GroupDecision {
    const group = this.#groups.get(groupId);
    const refused = (error: ErrorName) => only({ error, subscribed: [] });
    if (group === undefined) return refused("GROUP_ID_NOT_FOUND");
    const isReadable = group.protocolType === "consumer";
    if (group.state !== "Empty" && !isReadable) {
      return refused("NON_EMPTY_GROUP");
    }
    const subscribed = topicsInUse(group, offsets.map(({ topic }) => topic));
    const records = offsets.filter((each) =>
      !subscribed.includes(each.topic) &&
      this.offset(groupId, each) !== undefined
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
    return { records, reply: null, effects };
  }

  #expire({ nowMs }: Context): GroupDecision {
    const { offsetsRetentionMs: retentionMs } = this.#config;
    const records: GroupChange[] = [];
    for (const group of this.#groups.values()) {
      const offsets = this.#offsets.get(group.groupId) ?? new Map();
      const expired = expiredTombstones(group, offsets, { nowMs, retentionMs });
      records.push(...expired);
      if (
        group.state === "Empty" && group.pending.size === 0 &&
        expired.length === countOf(offsets)
      ) records.push(groupTombstone(group.groupId));
    }
    return { records, reply: null, effects: [] };
  }

  #applyOffset({ key, value }: OffsetCommitRecord): void {
    const { group, topic, partition } = key;
    let topics = this.#offsets.get(group);
    if (value === null) {
      const partitions = topics?.get(topic);
      partitions?.delete(partition);
      if (partitions?.size === 0) topics!.delete(topic);
      if (topics?.size === 0) this.#offsets.delete(group);
      return;
    }
    if (topics === undefined) this.#offsets.set(group, topics = new Map());
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, partitions = new Map());
    partitions.set(partition, committedOffset(value));
    if (!this.#groups.has(group)) {
      this.#groups.set(group, emptyGroup(group, value.commitTimestamp));
    }
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
