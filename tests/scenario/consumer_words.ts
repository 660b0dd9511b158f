/**
 * The words of consumer groups (KIP-848) in scenarios: what a member says,
 * what it is answered, and how the group looks. Owns the wording, and topics
 * that exist in a scenario only.
 *
 * @module
 */
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../../core/assign/protocol.ts";
import { DecodeError } from "../../core/bytes/reader.ts";
import {
  type ConsumerGroup,
  partitionLists,
  stateOf,
} from "../../core/group/consumer_group.ts";
import type {
  ConsumerHeartbeatInput,
  ConsumerHeartbeatReply,
} from "../../core/group/inputs.ts";
import type { ReportedPartitions } from "../../core/group/reconcile.ts";
import type { GroupTopic, GroupTopics } from "../../core/group/topics.ts";

/** Topics of a scenario; their ids tell their names. */
export class ScenarioTopics implements GroupTopics {
  version = 0;
  readonly #topics = new Map<string, GroupTopic>();

  topic(name: string): GroupTopic | undefined {
    return this.#topics.get(name);
  }

  topicById(id: string): GroupTopic | undefined {
    return this.#topics.get(nameOf(id));
  }

  names(): Iterable<string> {
    return this.#topics.keys();
  }

  /** Makes the topic, or gives it more partitions; 0: deletes it. */
  set(name: string, partitions: number): void {
    this.version += 1;
    const id = topicId(name);
    if (partitions === 0) this.#topics.delete(name);
    else {this.#topics.set(name, {
        name,
        id,
        partitions: { length: partitions },
      });}
  }
}

/** The id of the topic called `name`: up to 20 letters. */
export function topicId(name: string): string {
  return `${name.padEnd(21, "-")}A`;
}

function nameOf(id: string): string {
  return id.slice(0, -1).replace(/-+$/, "");
}

/** Partitions in words: `t:0/1,u:2`. */
function partitionText(lists: ReportedPartitions): string {
  return lists.map(({ topicId: id, partitions }) =>
    `${nameOf(id)}:${partitions.join("/")}`
  ).sort().join(",");
}

function reportedOf(text: string | undefined): ReportedPartitions | null {
  if (text === undefined) return null;
  return text.split(",").filter((each) => each !== "").map((each) => {
    const [name = "", indexes = ""] = each.split(":");
    return {
      topicId: topicId(name),
      partitions: indexes.split("/").map(Number),
    };
  });
}

/** `beat a epoch=0 topics=t owns=t:0/1 instance=i`: what a member says. */
export function heartbeatOf(
  memberId: string,
  args: ReadonlyMap<string, string>,
): ConsumerHeartbeatInput {
  const memberEpoch = Number(args.get("epoch") ?? 0);
  const isJoin = memberEpoch === 0;
  const topics = args.get("topics") ??
    (isJoin && !args.has("regex") ? "t" : undefined);
  return {
    type: "ConsumerGroupHeartbeat",
    groupId: args.get("group") ?? "g",
    memberId,
    memberEpoch,
    instanceId: args.get("instance") ?? null,
    rackId: args.get("rack") ?? null,
    rebalanceTimeoutMs: Number(args.get("rebalance") ?? (isJoin ? 30_000 : -1)),
    subscribedTopicNames: topics === undefined
      ? null
      : topics.split(",").filter((each) => each !== ""),
    subscribedTopicRegex: args.get("regex") ?? null,
    serverAssignor: args.get("assignor") ?? null,
    topicPartitions: reportedOf(args.get("owns") ?? (isJoin ? "" : undefined)),
    clientId: "c",
    clientHost: "/h",
  };
}

/** The answer to a heartbeat as one line. */
export function heartbeatLine(
  { memberEpoch, assignment }: ConsumerHeartbeatReply,
): string {
  return `epoch=${memberEpoch}` +
    (assignment === null ? "" : ` assignment=[${partitionText(assignment)}]`);
}

/** The group, a line for itself and one for each member. */
export function consumerGroupLines(group: ConsumerGroup): string[] {
  const { epoch, assignmentEpoch, regexes } = group;
  const lines = [
    `${stateOf(group)} epoch=${epoch} assignment epoch=${assignmentEpoch}`,
  ];
  for (const [regex, { topics }] of regexes) {
    lines.push(`  /${regex}/ = ${topics.join(",")}`);
  }
  for (const member of group.members.values()) {
    const { memberId, instanceId, state, classic } = member;
    const revoking = partitionText(partitionLists(member.pendingRevocation));
    const target = group.targets.get(memberId) ?? new Map();
    lines.push(
      `  ${memberId}` + (instanceId === null ? "" : ` (${instanceId})`) +
        (classic === null ? "" : " classic") +
        ` epoch=${member.epoch} ${state}` +
        ` has=[${partitionText(partitionLists(member.assigned))}]` +
        (revoking === "" ? "" : ` revoking=[${revoking}]`) +
        ` target=[${partitionText(partitionLists(target))}]`,
    );
  }
  return lines;
}

/** `t,u`, owning `t:0/1`: what a classic member says in the consumer protocol. */
export function subscriptionOf(topics: string, owns: string): Uint8Array {
  return encodeSubscription({
    topics: topics.split(","),
    ownedPartitions: (reportedOf(owns) ?? []).map((
      { topicId, partitions },
    ) => ({
      topic: nameOf(topicId),
      partitions,
    })),
  });
}

/** `a-1=t:0/1;b-2=t:2`: what a classic leader hands out. */
export function assignmentsOf(
  text: string,
): { memberId: string; assignment: Uint8Array }[] {
  return text.split(";").map((each) => {
    const at = each.indexOf("=");
    const lists = reportedOf(each.slice(at + 1)) ?? [];
    return {
      memberId: each.slice(0, at),
      assignment: encodeAssignment({
        assignedPartitions: lists.map(({ topicId, partitions }) => ({
          topic: nameOf(topicId),
          partitions,
        })),
      }),
    };
  });
}

/** Bytes of the consumer protocol in words; any other as the text they are. */
export function protocolText(bytes: Uint8Array, isAssignment: boolean): string {
  const text = new TextDecoder().decode(bytes);
  try {
    if (!isAssignment) return decodeSubscription(bytes).topics.join("/");
    return decodeAssignment(bytes).assignedPartitions
      .map(({ topic, partitions }) => `${topic}:${partitions.join("/")}`)
      .join(",");
  } catch (error) {
    if (error instanceof DecodeError) return text;
    throw error;
  }
}
