/**
 * The target of a consumer group's epoch: which member is to have which
 * partitions in the end. Owns what the assignor is told and what of its answer
 * is written down.
 *
 * @module
 */
import type { AssignMember } from "../assign/assignor.ts";
import { SERVER_ASSIGNORS } from "../assign/server_assignors.ts";
import type { Uuid } from "../bytes/uuid.ts";
import type { TopicPartition } from "../ids.ts";
import { invariant } from "../invariant.ts";
import type { ConsumerDraft } from "./consumer_draft.ts";
import {
  type ConsumerMember,
  samePartitions,
  type TargetPartitions,
} from "./consumer_group.ts";
import { subscribedTopics, wantedTopics } from "./topics.ts";

/** The assignor that most members ask for; the first of `assignors` else. */
export function preferredAssignor(
  { members }: { readonly members: ReadonlyMap<string, ConsumerMember> },
  assignors: readonly string[],
): string {
  const votes = new Map<string, number>();
  for (const { serverAssignor: name } of members.values()) {
    if (name !== null) votes.set(name, (votes.get(name) ?? 0) + 1);
  }
  let best: string | undefined;
  for (const [name, count] of votes) {
    if (!assignors.includes(name)) continue;
    if (best === undefined || count > votes.get(best)!) best = name;
  }
  return best ?? assignors[0]!;
}

/** Divides the partitions anew and writes down whose target changed. */
export function computeTargets(draft: ConsumerDraft): void {
  const { topics, config } = draft.context;
  const assignor = SERVER_ASSIGNORS.get(
    preferredAssignor(draft, config.assignors),
  );
  invariant(assignor !== undefined, "configured assignors exist");
  const counts = new Map<Uuid, number>();
  const members: AssignMember[] = [];
  for (const member of draft.members.values()) {
    const wanted = wantedTopics(member, draft.regexes);
    const subscribed = subscribedTopics(wanted, topics);
    for (const { id, partitions } of subscribed) {
      counts.set(id, partitions.length);
    }
    members.push({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      topics: subscribed.map(({ id }) => id),
      userData: null,
      ownedPartitions: listed(draft.targets.get(member.memberId)),
      generationId: -1,
    });
  }
  for (const [memberId, assigned] of assignor.assign(members, counts)) {
    const target = grouped(assigned);
    const before = draft.targets.get(memberId);
    if (before === undefined || !samePartitions(before, target)) {
      draft.setTarget(memberId, target);
    }
  }
  draft.targetsAreCurrent(draft.context.nowMs);
}

/** Assignors name topics by whatever text they are given: their ids here. */
function listed(target: TargetPartitions | undefined): TopicPartition[] {
  return [...target ?? []].flatMap(([topic, partitions]) =>
    Array.from(partitions, (partition) => ({ topic, partition }))
  );
}

function grouped(assigned: readonly TopicPartition[]): TargetPartitions {
  const target = new Map<Uuid, Set<number>>();
  for (const { topic, partition } of assigned) {
    const partitions = target.get(topic);
    if (partitions === undefined) target.set(topic, new Set([partition]));
    else partitions.add(partition);
  }
  return target;
}
