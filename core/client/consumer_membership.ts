/**
 * A member of a group whose partitions the broker divides (KIP-848), the
 * decisions alone: what the next heartbeat says, what its answer means, which
 * partitions to give up and which to take. It must never send, wait or call
 * back, and never take a partition before it has given up those that go.
 *
 * | state   | event                                    | next    |
 * | ------- | ---------------------------------------- | ------- |
 * | out     | `join()`                                 | joining |
 * | joining | answer                                   | member  |
 * | member  | answer                                   | member  |
 * | any     | fenced, unknown, refused for good, idle  | lost    |
 * | lost    | `abandoned()`                            | out     |
 * | any     | `leave()`                                | out     |
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { ErrorName } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";

/** Epochs with a meaning of their own. */
const JOIN_EPOCH = 0;
const LEAVE_EPOCH = -1;
/** A static member goes and will be back. */
const LEAVE_STATIC_EPOCH = -2;

/** Who the member is, for as long as it lives. */
export interface MemberIdentity {
  readonly groupId: string;
  /** Made by the member itself. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** How long it may take to give partitions up. */
  readonly rebalanceTimeoutMs: number;
  /** The assignor to use; null leaves it to the broker. */
  readonly serverAssignor: string | null;
}

/** What the member wants: topics by name, or by the broker's pattern. */
export interface Subscription {
  readonly topics: readonly string[];
  readonly pattern: string | null;
}

/** Partitions of one topic by its id. */
export interface TopicIdPartitions {
  readonly topicId: Uuid;
  readonly partitions: readonly number[];
}

/** What a heartbeat says; null and -1 stand for "as before". */
export interface Heartbeat {
  readonly groupId: string;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId?: string | null;
  readonly rebalanceTimeoutMs?: number;
  readonly subscribedTopicNames?: readonly string[];
  readonly subscribedTopicRegex?: string;
  readonly serverAssignor?: string | null;
  readonly topicPartitions?: readonly TopicIdPartitions[];
}

/** What an answer says. */
export interface HeartbeatAnswer {
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  readonly assignment: {
    readonly topicPartitions: readonly TopicIdPartitions[];
  } | null;
}

/** A partition that the member owns. */
export interface OwnedPartition extends TopicPartition {
  readonly topicId: Uuid;
}

/** One step towards the target. */
export interface Reconciliation {
  /** To give up first. */
  readonly revoked: readonly OwnedPartition[];
  /** To take then. */
  readonly added: readonly OwnedPartition[];
  /** What is owned afterwards. */
  readonly owned: readonly OwnedPartition[];
  /** Whether topics are assigned whose names aren't known yet. */
  readonly lacksNames: boolean;
}

/** What a refusal means. */
export type Verdict = "retry" | "lost" | "failed";

interface Told {
  readonly subscription?: Subscription;
  readonly owned?: readonly OwnedPartition[];
}

/** Where the member stands; see the table above. */
export type MemberState = "out" | "joining" | "member" | "lost";

/**
 * The membership.
 *
 * 1. `#owned` is what the holder really holds: it changes by `acknowledge()`
 *    and `abandoned()` alone.
 * 2. A heartbeat that failed is followed by a full one: nobody knows what of
 *    it arrived.
 */
export class ConsumerMembership {
  /** Pause between heartbeats, as the broker wants it. */
  heartbeatIntervalMs = 0;
  /** The epoch to commit with; -1 before the first join. */
  committedEpoch = -1;
  readonly #identity: MemberIdentity;
  #state: MemberState = "out";
  #epoch = JOIN_EPOCH;
  #subscription: Subscription = { topics: [], pattern: null };
  #owned: readonly OwnedPartition[] = [];
  #target: readonly TopicIdPartitions[] | undefined;
  #isFull = true;
  /** What the broker knows; compared by identity. */
  #told: Told = {};
  #telling: Told = {};

  constructor(identity: MemberIdentity) {
    this.#identity = identity;
  }

  /** Where it stands. */
  get state(): MemberState {
    return this.#state;
  }

  /** Whether heartbeats are to be sent. */
  get isIn(): boolean {
    return this.#state === "joining" || this.#state === "member";
  }

  /** Whether the broker shall hear something before the interval is over. */
  get isDue(): boolean {
    if (this.#state !== "member") return this.#state === "joining";
    return this.#told.subscription !== this.#subscription ||
      this.#told.owned !== this.#owned;
  }

  /** Sets what is wanted. */
  subscribe(next: Subscription): void {
    const { topics, pattern } = this.#subscription;
    const isSame = pattern === next.pattern &&
      topics.length === next.topics.length &&
      topics.every((topic, i) => topic === next.topics[i]);
    if (!isSame) this.#subscription = next;
  }

  /** Begins to join, from epoch 0 and with nothing. */
  join(): void {
    if (this.#state !== "out") return;
    this.#state = "joining";
    this.#epoch = JOIN_EPOCH;
    this.#isFull = true;
  }

  /** The next heartbeat. */
  heartbeat(): Heartbeat {
    const { groupId, memberId, instanceId, ...rest } = this.#identity;
    const { topics, pattern } = this.#subscription;
    const isNew = this.#told.subscription !== this.#subscription;
    const clearsPattern = pattern === null && isNew &&
      typeof this.#told.subscription?.pattern === "string";
    const tellsOwned = this.#isFull || this.#told.owned !== this.#owned;
    this.#telling = { subscription: this.#subscription, owned: this.#owned };
    return {
      groupId,
      memberId,
      memberEpoch: this.#epoch,
      instanceId,
      ...(this.#isFull ? rest : {}),
      ...(this.#isFull || isNew ? { subscribedTopicNames: topics } : {}),
      ...(pattern !== null && (this.#isFull || isNew)
        ? { subscribedTopicRegex: pattern }
        : clearsPattern
        ? { subscribedTopicRegex: "" }
        : {}),
      ...(tellsOwned ? { topicPartitions: byTopicId(this.#owned) } : {}),
    };
  }

  /** Takes in the answer to the last heartbeat. */
  answered(answer: HeartbeatAnswer): void {
    if (!this.isIn) return;
    this.#state = "member";
    this.#epoch = answer.memberEpoch;
    this.committedEpoch = answer.memberEpoch;
    this.heartbeatIntervalMs = Math.max(1, answer.heartbeatIntervalMs);
    this.#isFull = false;
    this.#told = this.#telling;
    if (answer.assignment) this.#target = answer.assignment.topicPartitions;
  }

  /** The last heartbeat had no answer, or this error for one. */
  refused(error: ErrorName, isTransient: boolean): Verdict {
    this.#isFull = true;
    if (!this.isIn || isTransient) return "retry";
    this.#state = "lost";
    return error === "FENCED_MEMBER_EPOCH" || error === "UNKNOWN_MEMBER_ID"
      ? "lost"
      : "failed";
  }

  /** What was held has been abandoned. */
  abandoned(): void {
    if (this.#state !== "lost") return;
    this.#state = "out";
    this.#forget();
  }

  /** The step to take now; undefined when there is none. */
  reconciliation(
    nameOf: (topicId: Uuid) => string | undefined,
  ): Reconciliation | undefined {
    if (this.#state !== "member" || !this.#target) return undefined;
    const held = new Map(this.#owned.map((own) => [keyOf(own), own]));
    const kept: OwnedPartition[] = [];
    const added: OwnedPartition[] = [];
    let lacksNames = false;
    for (const { topicId, partitions } of this.#target) {
      for (const partition of partitions) {
        const own = held.get(keyOf({ topicId, partition }));
        const topic = own ? own.topic : nameOf(topicId);
        if (own) kept.push(own);
        else if (topic === undefined) lacksNames = true;
        else added.push({ topicId, topic, partition });
      }
    }
    const stays = new Set(kept);
    const revoked = this.#owned.filter((own) => !stays.has(own));
    if (revoked.length + added.length === 0 && !lacksNames) {
      this.#target = undefined;
      return undefined;
    }
    return { revoked, added, owned: [...kept, ...added], lacksNames };
  }

  /** A step was taken: the next heartbeat tells the broker. */
  acknowledge({ owned }: Reconciliation): void {
    if (this.#state === "member") this.#owned = owned;
  }

  /** Ends membership; what to send, if the broker knows of it. */
  leave(): Heartbeat | undefined {
    const farewell = this.isIn ? this.#farewell() : undefined;
    this.#state = "out";
    this.#forget();
    return farewell;
  }

  /** Ends membership while partitions are held, which are lost; what to send. */
  retire(): Heartbeat {
    this.#state = "lost";
    return this.#farewell();
  }

  #farewell(): Heartbeat {
    const { groupId, memberId, instanceId } = this.#identity;
    const memberEpoch = instanceId === null ? LEAVE_EPOCH : LEAVE_STATIC_EPOCH;
    return { groupId, memberId, memberEpoch, instanceId };
  }

  #forget(): void {
    this.#owned = [];
    this.#target = undefined;
    this.#told = {};
  }
}

/**
 * A pattern of this language as one of the broker's (RE2), which has to match
 * whole names where `test()` is content with a part.
 */
export function brokerPattern({ source, flags }: RegExp): string {
  const kept = [...flags].filter((flag) => "ims".includes(flag)).join("");
  return `${kept === "" ? "" : `(?${kept})`}.*(?:${source}).*`;
}

function keyOf(
  { topicId, partition }: Pick<OwnedPartition, "topicId" | "partition">,
): string {
  return `${topicId}-${partition}`;
}

function byTopicId(owned: readonly OwnedPartition[]): TopicIdPartitions[] {
  return [...Map.groupBy(owned, ({ topicId }) => topicId)]
    .map(([topicId, group]) => ({
      topicId,
      partitions: group.map(({ partition }) => partition),
    }));
}
