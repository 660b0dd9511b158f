/**
 * Offsets of consumer groups (KIP-848): who may commit and read them, in
 * which epoch, and what of them has expired. Owns the rules; members are read
 * only.
 *
 * @module
 */
import { type Uuid, ZERO_UUID } from "../bytes/uuid.ts";
import type { ErrorName } from "../errors.ts";
import type { ConsumerGroup, ConsumerMember } from "./consumer_group.ts";
import type { CommitInput, FetchOffsetsInput } from "./inputs.ts";
import { type GroupTopics, wantedTopics } from "./topics.ts";

/** Why nothing of the request can be committed; undefined: it can. */
export function consumerCommitProblem(
  group: ConsumerGroup,
  { request, topics }: {
    readonly request: CommitInput;
    readonly topics: GroupTopics;
  },
): ErrorName | undefined {
  const { generationId: epoch, memberId, transaction } = request;
  const isPlain = transaction === undefined;
  if (epoch < 0 && group.members.size === 0) return undefined;
  const isAnonymous = epoch === -1 && memberId === "" &&
    request.groupInstanceId === null;
  if (!isPlain && isAnonymous) return undefined;
  const member = group.members.get(memberId);
  if (member === undefined) return "UNKNOWN_MEMBER_ID";
  if (isPlain && member.classic === null && !request.knowsEpochs) {
    return "UNSUPPORTED_VERSION";
  }
  if (epoch === member.epoch) return undefined;
  // What was read in an older epoch counts while the partition is still the
  // member's since then (KIP-1251).
  const isCurrent = epoch < member.epoch &&
    request.offsets.every(({ topic, partition }) => {
      const since = assignmentEpoch(member, {
        topicId: topics.topic(topic)?.id ?? ZERO_UUID,
        partition,
      });
      return since !== undefined && epoch >= since;
    });
  if (isCurrent) return undefined;
  return request.knowsEpochs ? staleError(member) : "ILLEGAL_GENERATION";
}

/** Why the request's member can't read offsets; undefined: it can. */
export function consumerFetchProblem(
  group: ConsumerGroup,
  { memberId, memberEpoch }: FetchOffsetsInput,
): ErrorName | undefined {
  if (memberId === null && memberEpoch < 0) return undefined;
  const member = group.members.get(memberId ?? "");
  if (member === undefined) return "UNKNOWN_MEMBER_ID";
  return memberEpoch === member.epoch ? undefined : staleError(member);
}

function staleError({ classic }: ConsumerMember): ErrorName {
  return classic === null ? "STALE_MEMBER_EPOCH" : "ILLEGAL_GENERATION";
}

function assignmentEpoch(
  { assigned, pendingRevocation }: ConsumerMember,
  { topicId, partition }: {
    readonly topicId: Uuid;
    readonly partition: number;
  },
): number | undefined {
  return assigned.get(topicId)?.get(partition) ??
    pendingRevocation.get(topicId)?.get(partition);
}

/** Topics that some member reads. */
export function topicsOfMembers(
  { members, regexes }: ConsumerGroup,
): Set<string> {
  const names = new Set<string>();
  for (const member of members.values()) {
    for (const name of wantedTopics(member, regexes)) names.add(name);
  }
  return names;
}
