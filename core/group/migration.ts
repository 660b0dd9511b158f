/**
 * A group changes its kind while it has members (KIP-848): a classic group of
 * consumers becomes a consumer group with the first member of the new
 * protocol, and a classic group again when the last of them goes. Owns when
 * that may be, and what becomes of members and partitions.
 *
 * @module
 */
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
} from "../assign/protocol.ts";
import { DecodeError, Reader } from "../bytes/reader.ts";
import type { Uuid } from "../bytes/uuid.ts";
import { KafkaError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import {
  type ConsumerMember,
  newMember,
  type OwnedPartitions,
} from "./consumer_group.ts";
import { groupHash } from "./consumer_heartbeat.ts";
import { Draft, joinRefusal, syncRefusal } from "./draft.ts";
import {
  emptyGroup,
  type Group,
  type Member,
  metadataOf,
  selectProtocol,
} from "./group.ts";
import type { GroupChange, GroupConfig, GroupEffect } from "./inputs.ts";
import { prepareRebalance } from "./rebalance.ts";
import type { GroupTopics } from "./topics.ts";

/** The classic group goes on as the consumer group of the draft. */
export function upgrade(draft: ConsumerDraft, classic: Group): void {
  checkUpgrade(draft, classic);
  const { groupId, context } = draft;
  const key = { group: groupId };
  draft.add({ type: "GroupMetadata", key, value: null });
  const epoch = Math.max(1, classic.generation);
  const members = consumersOf(classic, { epoch, topics: context.topics });
  for (const { join, sync, memberId } of classic.members.values()) {
    if (join !== undefined) {
      draft.answer(join, joinRefusal("REBALANCE_IN_PROGRESS", memberId));
    }
    if (sync !== undefined) {
      draft.answer(sync, syncRefusal("REBALANCE_IN_PROGRESS"));
    }
  }
  for (const member of members) draft.setMember(member);
  draft.epoch = epoch - 1;
  draft.bumpEpoch(groupHash(draft));
  for (const { memberId, assigned } of members) {
    draft.setTarget(memberId, targetOf(assigned));
  }
  draft.targetsAreCurrent(context.nowMs);
  for (const member of members) {
    draft.setAssignment(member);
    draft.heard(member.memberId, member.classic!.sessionTimeoutMs);
  }
}

function checkUpgrade({ context }: ConsumerDraft, classic: Group): void {
  const { migrationPolicy, groupSizeMax } = context.config;
  const isAllowed = migrationPolicy === "bidirectional" ||
    migrationPolicy === "upgrade";
  const why = !isAllowed
    ? "online upgrade is disabled"
    : classic.protocolType !== "consumer"
    ? "the group does not use the consumer embedded protocol"
    : classic.members.size > groupSizeMax
    ? "the group size exceeds the consumer group maximum size"
    : undefined;
  if (why !== undefined) throw cannotUpgrade(classic, why);
}

function cannotUpgrade({ groupId }: Group, why: string): KafkaError {
  return new KafkaError(
    "GROUP_ID_NOT_FOUND",
    `Cannot upgrade classic group ${groupId} to consumer group because ${why}.`,
  );
}

function consumersOf(
  classic: Group,
  { epoch, topics }: {
    readonly epoch: number;
    readonly topics: GroupTopics;
  },
): ConsumerMember[] {
  const protocol = classic.protocol ?? selectProtocol(classic);
  // A leader's mistake must not give a partition two owners.
  const claimed = new Set<string>();
  try {
    return [...classic.members.values()].map((member) => {
      const said = decodeSubscription(metadataOf(member, protocol));
      return {
        ...newMember(member.memberId),
        instanceId: member.groupInstanceId,
        rackId: said.rackId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        topics: [...new Set(said.topics)].sort(),
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        classic: {
          sessionTimeoutMs: member.sessionTimeoutMs,
          protocols: member.protocols,
        },
        epoch,
        previousEpoch: epoch,
        assigned: ownedBy(classic, member, { claimed, epoch, topics }),
      };
    });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw cannotUpgrade(classic, "the embedded consumer protocol is malformed");
  }
}

function ownedBy(
  classic: Group,
  { assignment }: Member,
  { claimed, epoch, topics }: {
    readonly claimed: Set<string>;
    readonly epoch: number;
    readonly topics: GroupTopics;
  },
): OwnedPartitions {
  const owned = new Map<Uuid, Map<number, number>>();
  if (assignment.length === 0) return owned;
  const { assignedPartitions, userData } = decodeAssignment(assignment);
  if (userData !== null && userData.length > 0) {
    throw cannotUpgrade(classic, "an unsupported custom assignor is in use");
  }
  for (const { topic, partitions } of assignedPartitions) {
    const id = topics.topic(topic)?.id;
    if (id === undefined) continue;
    const free = partitions.filter((index) => !claimed.has(`${id}:${index}`));
    for (const index of free) claimed.add(`${id}:${index}`);
    if (free.length > 0) owned.set(id, new Map(free.map((i) => [i, epoch])));
  }
  return owned;
}

function targetOf(owned: OwnedPartitions) {
  return new Map(
    Array.from(owned, ([id, epochs]) => [id, new Set(epochs.keys())]),
  );
}

/** Whether nobody is left who speaks the new protocol, and that may be. */
export function mayDowngrade(
  { members }: ConsumerDraft,
  { consumer, groupSizeMax }: GroupConfig,
): boolean {
  const { migrationPolicy } = consumer;
  const isAllowed = migrationPolicy === "bidirectional" ||
    migrationPolicy === "downgrade";
  if (!isAllowed || members.size === 0) return false;
  if (members.size > Math.min(groupSizeMax, LIMITS.groupMembersMax)) {
    return false;
  }
  for (const { classic } of members.values()) {
    if (classic === null) return false;
  }
  return true;
}

/** The consumer group goes on as a classic one, whose members join anew. */
export function downgrade<Reply>(
  draft: ConsumerDraft,
  { config, reply }: { readonly config: GroupConfig; readonly reply: Reply },
): { records: GroupChange[]; reply: Reply; effects: GroupEffect[] } {
  const group = classicOf(draft);
  draft.removeGroup();
  const ended = draft.finish(null);
  const classic = new Draft(group, draft.context);
  classic.persist();
  prepareRebalance(classic, config);
  const begun = classic.finish(reply);
  return {
    records: [...ended.records, ...begun.records],
    reply,
    effects: [...ended.effects, ...begun.effects],
  };
}

function classicOf({ members, groupId, epoch, context }: ConsumerDraft): Group {
  const classics = new Map<string, Member>();
  const statics = new Map<string, string>();
  for (const member of members.values()) {
    const { memberId, instanceId } = member;
    const { sessionTimeoutMs, protocols } = member.classic!;
    if (instanceId !== null) statics.set(instanceId, memberId);
    classics.set(memberId, {
      memberId,
      groupInstanceId: instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      sessionTimeoutMs,
      protocols,
      assignment: assignmentBytes(member, context.topics),
      join: undefined,
      sync: undefined,
      isNew: false,
      deadlineMs: context.monoMs + sessionTimeoutMs,
    });
  }
  return {
    ...emptyGroup(groupId, context.nowMs),
    state: "Stable",
    generation: epoch,
    protocolType: "consumer",
    protocol: selectProtocol({ members: classics }),
    leader: classics.keys().next().value ?? null,
    members: classics,
    statics,
  };
}

/** What a member of the classic protocol is told that it owns. */
export function assignmentBytes(
  { assigned, classic }: ConsumerMember,
  topics: GroupTopics,
): Uint8Array {
  const assignedPartitions = [...assigned].flatMap(([id, epochs]) => {
    const topic = topics.topicById(id)?.name;
    const partitions = [...epochs.keys()].sort((a, b) => a - b);
    return topic === undefined ? [] : [{ topic, partitions }];
  });
  // In the version that the member itself speaks.
  const [protocol] = classic!.protocols;
  const version = new Reader(protocol!.metadata).int16();
  return encodeAssignment({ assignedPartitions }, version);
}
