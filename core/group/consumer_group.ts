/**
 * A consumer group (KIP-848), its members and what is assigned to them, as
 * the records of `__consumer_offsets` tell. Owns what each record changes and
 * the questions that can be asked of a group; decides nothing.
 *
 * | from                 | what happens                              | to                   |
 * | -------------------- | ----------------------------------------- | -------------------- |
 * | (new), Stable        | a newer target takes partitions away      | UnrevokedPartitions  |
 * | UnrevokedPartitions  | the member owns them no more              | one of the two below |
 * | any but Unrevoked    | wanted partitions are still with others   | UnreleasedPartitions |
 * | any but Unrevoked    | it has all of the target                  | Stable               |
 *
 * @module
 */
import type { Uuid } from "../bytes/uuid.ts";
import type { Regex } from "../expression/regex.ts";
import type {
  ConsumerGroupRecord,
  ConsumerGroupValue,
} from "./consumer_records.ts";
import type { MemberProtocol } from "./group.ts";
import type {
  ConsumerGroupLooked,
  MemberAwaited,
  MemberHeard,
  RegexSearched,
} from "./inputs.ts";

/** What the group's epochs and members amount to. */
export type ConsumerGroupState =
  | "Empty"
  | "Assigning"
  | "Reconciling"
  | "Stable";

/** States of a member, as records number them. */
export const MEMBER_STATE = {
  Stable: 0,
  UnrevokedPartitions: 1,
  UnreleasedPartitions: 2,
  /** Of a coordinator that is newer than this one. */
  Unknown: 127,
} as const;

/** State of a member on its way to the group's target. */
export type MemberState = keyof typeof MEMBER_STATE;

/** A group's epoch before anyone joined, in which nobody has anything. */
const INITIAL_EPOCH = 1;
/** The epoch of a static member that has left and may return. */
export const LEFT_STATIC_EPOCH = -2;
/** The epoch with which a member says goodbye. */
export const LEAVE_EPOCH = -1;

/** Partitions of a member by topic, each with the epoch it was assigned in. */
export type OwnedPartitions = ReadonlyMap<Uuid, ReadonlyMap<number, number>>;
/** Partitions that a member is to have in the end. */
export type TargetPartitions = ReadonlyMap<Uuid, ReadonlySet<number>>;

/** No partitions, of a member or a target. */
export const NO_PARTITIONS: ReadonlyMap<
  Uuid,
  ReadonlyMap<number, number> & ReadonlySet<number>
> = new Map();

/** A member. Replaced, never changed. */
export interface ConsumerMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Sorted. */
  readonly topics: readonly string[];
  readonly regex: string | null;
  readonly rebalanceTimeoutMs: number;
  readonly serverAssignor: string | null;
  /** Set for members that speak the classic protocol. */
  readonly classic: {
    readonly sessionTimeoutMs: number;
    readonly protocols: readonly MemberProtocol[];
  } | null;
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly state: MemberState;
  readonly assigned: OwnedPartitions;
  readonly pendingRevocation: OwnedPartitions;
}

/** A regular expression and the topics that it stands for. */
export interface ResolvedRegex {
  readonly topics: readonly string[];
  /** Version of the metadata that it was resolved in. */
  readonly version: number;
  readonly timestampMs: number;
}

/** How far the topics of a regular expression are found. */
export interface RegexSearch {
  readonly regex: string;
  readonly expression: Regex;
  /** Version of the metadata that `names` are from. */
  readonly version: number;
  readonly names: readonly string[];
  /** Those before it were looked at; `topics` are the ones that match. */
  readonly at: number;
  readonly topics: readonly string[];
}

/** What is not written down of a consumer group. */
export type InMemory =
  | MemberHeard
  | MemberAwaited
  | ConsumerGroupLooked
  | RegexSearched;

/** A member of which nothing is known but its id. */
export function newMember(memberId: string): ConsumerMember {
  return {
    memberId,
    instanceId: null,
    rackId: null,
    clientId: "",
    clientHost: "",
    topics: [],
    regex: null,
    rebalanceTimeoutMs: -1,
    serverAssignor: null,
    classic: null,
    epoch: 0,
    previousEpoch: -1,
    state: "Stable",
    assigned: NO_PARTITIONS,
    pendingRevocation: NO_PARTITIONS,
  };
}

/**
 * A consumer group.
 *
 * Invariants:
 * 1. Every partition in `assigned` or `pendingRevocation` of a member is
 *    owned by it, and by no one else.
 * 2. `assignmentEpoch` ≤ `epoch`; a member's epoch ≤ `assignmentEpoch`.
 * 3. `statics` and the members' instance ids are the same set.
 * 4. Only records change anything but the times at the end.
 */
export class ConsumerGroup {
  readonly groupId: string;
  epoch = INITIAL_EPOCH;
  metadataHash = 0n;
  assignmentEpoch = INITIAL_EPOCH;
  readonly members = new Map<string, ConsumerMember>();
  readonly targets = new Map<string, TargetPartitions>();
  /** Member id by instance id. */
  readonly statics = new Map<string, string>();
  readonly regexes = new Map<string, ResolvedRegex>();
  readonly #owners = new Map<Uuid, Map<number, string>>();

  /** Monotonic time by which a member must be heard of. */
  readonly sessions = new Map<string, number>();
  /** Monotonic time by which a member must have done what it was told. */
  readonly awaited = new Map<string, number>();
  /** Monotonic time that the group's timer is set to; Infinity: none. */
  timerAtMs = Infinity;
  /** Version of the topics that were last looked at. */
  topicsVersion = -1;
  /** The expression whose topics are being found. */
  search: RegexSearch | null = null;

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  /** The member that has the partition, or is still to give it back. */
  ownerOf(topicId: Uuid, partition: number): string | undefined {
    return this.#owners.get(topicId)?.get(partition);
  }

  /** Changes the group by one of its records. */
  apply(record: ConsumerGroupRecord): void {
    switch (record.type) {
      case "ConsumerGroupMetadata":
        if (record.value === null) return;
        this.epoch = record.value.epoch;
        this.metadataHash = record.value.metadataHash;
        return;
      case "ConsumerGroupMemberMetadata":
        return this.#applyMember(record.key.memberId, record.value);
      case "ConsumerGroupTargetAssignmentMetadata":
        this.assignmentEpoch = record.value?.assignmentEpoch ??
          INITIAL_EPOCH;
        return;
      case "ConsumerGroupTargetAssignmentMember":
        return this.#applyTarget(record.key.memberId, record.value);
      case "ConsumerGroupCurrentMemberAssignment":
        return this.#applyCurrent(record.key.memberId, record.value);
      case "ConsumerGroupRegularExpression":
        return this.#applyRegex(record.key.regularExpression, record.value);
      case "ConsumerGroupPartitionMetadata":
        return;
    }
  }

  /** Keeps what lives in memory only. */
  keep(change: InMemory): void {
    switch (change.type) {
      case "MemberHeard":
        if (!this.members.has(change.memberId)) return;
        this.sessions.set(change.memberId, change.deadlineMs);
        return;
      case "MemberAwaited":
        if (change.deadlineMs === Infinity) {
          this.awaited.delete(change.memberId);
        } else this.awaited.set(change.memberId, change.deadlineMs);
        return;
      case "ConsumerGroupLooked":
        this.timerAtMs = change.timerAtMs;
        this.topicsVersion = change.topicsVersion;
        return;
      case "RegexSearched":
        this.search = change.search;
        return;
    }
  }

  #applyMember(
    memberId: string,
    value: ConsumerGroupValue<"ConsumerGroupMemberMetadata"> | null,
  ): void {
    const before = this.members.get(memberId);
    const instanceId = before?.instanceId ?? null;
    if (instanceId !== null && this.statics.get(instanceId) === memberId) {
      this.statics.delete(instanceId);
    }
    if (value === null) {
      if (before !== undefined) this.#release(before);
      this.members.delete(memberId);
      this.sessions.delete(memberId);
      this.awaited.delete(memberId);
      return;
    }
    const { classicMemberMetadata: classic } = value;
    // Records before 3.8 lack the field, whose default is not null.
    const isClassic = classic !== null && classic.supportedProtocols.length > 0;
    this.members.set(memberId, {
      ...before ?? newMember(memberId),
      instanceId: value.instanceId,
      rackId: value.rackId,
      clientId: value.clientId,
      clientHost: value.clientHost,
      topics: value.subscribedTopicNames,
      regex: value.subscribedTopicRegex,
      rebalanceTimeoutMs: value.rebalanceTimeoutMs,
      serverAssignor: value.serverAssignor,
      classic: isClassic
        ? {
          sessionTimeoutMs: classic.sessionTimeoutMs,
          // Copies: a log's buffer is used again.
          protocols: classic.supportedProtocols.map(({ name, metadata }) => ({
            name,
            metadata: metadata.slice(),
          })),
        }
        : null,
    });
    if (value.instanceId !== null) this.statics.set(value.instanceId, memberId);
  }

  #applyTarget(
    memberId: string,
    value: ConsumerGroupValue<"ConsumerGroupTargetAssignmentMember"> | null,
  ): void {
    if (value === null) this.targets.delete(memberId);
    else this.targets.set(memberId, targetOf(value.topicPartitions));
  }

  #applyCurrent(
    memberId: string,
    value: ConsumerGroupValue<"ConsumerGroupCurrentMemberAssignment"> | null,
  ): void {
    const before = this.members.get(memberId);
    if (before !== undefined) this.#release(before);
    // A tombstone of a member that is gone already brings nothing back.
    if (value === null && before === undefined) return;
    const member = {
      ...before ?? newMember(memberId),
      ...value === null ? withoutAssignment() : assignmentOf(value),
    };
    this.members.set(memberId, member);
    this.#claim(member);
  }

  #applyRegex(
    regex: string,
    value: ConsumerGroupValue<"ConsumerGroupRegularExpression"> | null,
  ): void {
    if (value === null) this.regexes.delete(regex);
    else {
      const { topics, version, timestamp: timestampMs } = value;
      this.regexes.set(regex, { topics, version, timestampMs });
    }
  }

  #claim({ memberId, assigned, pendingRevocation }: ConsumerMember): void {
    for (const partitions of [assigned, pendingRevocation]) {
      for (const [topicId, indexes] of partitions) {
        let owners = this.#owners.get(topicId);
        if (owners === undefined) {
          this.#owners.set(topicId, owners = new Map());
        }
        for (const index of indexes.keys()) owners.set(index, memberId);
      }
    }
  }

  #release({ memberId, assigned, pendingRevocation }: ConsumerMember): void {
    for (const partitions of [assigned, pendingRevocation]) {
      for (const [topicId, indexes] of partitions) {
        const owners = this.#owners.get(topicId);
        if (owners === undefined) continue;
        for (const index of indexes.keys()) {
          if (owners.get(index) === memberId) owners.delete(index);
        }
        if (owners.size === 0) this.#owners.delete(topicId);
      }
    }
  }
}

type StoredAssignment = ConsumerGroupValue<
  "ConsumerGroupCurrentMemberAssignment"
>;

function withoutAssignment() {
  const { epoch, previousEpoch, state, assigned, pendingRevocation } =
    newMember("");
  return { epoch, previousEpoch, state, assigned, pendingRevocation };
}

function assignmentOf(value: StoredAssignment) {
  const { memberEpoch: epoch, previousMemberEpoch: previousEpoch } = value;
  const state = Object.entries(MEMBER_STATE)
    .find(([, code]) => code === value.state)?.[0] ?? "Unknown";
  return {
    epoch,
    previousEpoch,
    state: state as MemberState,
    assigned: ownedOf(value.assignedPartitions, epoch),
    pendingRevocation: ownedOf(value.partitionsPendingRevocation, epoch),
  };
}

/** Records before 4.3 don't tell when a partition was assigned. */
function ownedOf(
  stored: StoredAssignment["assignedPartitions"],
  epoch: number,
): OwnedPartitions {
  return new Map(
    stored.map(({ topicId, partitions, assignmentEpochs }) => [
      topicId,
      new Map(partitions.map((index, i): [number, number] => [
        index,
        assignmentEpochs?.[i] ?? epoch,
      ])),
    ]),
  );
}

/** A target from lists of partitions. */
function targetOf(
  lists: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly number[];
  }[],
): TargetPartitions {
  return new Map(
    lists.map(({ topicId, partitions }) => [topicId, new Set(partitions)]),
  );
}

/** The lists of a target's, or of a member's, partitions, as the wire has them. */
export function partitionLists(
  partitions: ReadonlyMap<
    Uuid,
    { keys(): Iterable<number>; readonly size: number }
  >,
): { topicId: Uuid; partitions: number[] }[] {
  return Array.from(partitions, ([topicId, indexes]) => ({
    topicId,
    partitions: [...indexes.keys()].sort((a, b) => a - b),
  })).filter((list) => list.partitions.length > 0);
}

/** Whether both hold the same partitions, in the same epochs if they tell. */
export function samePartitions(
  a: OwnedPartitions | TargetPartitions,
  b: OwnedPartitions | TargetPartitions,
): boolean {
  if (a.size !== b.size) return false;
  for (const [topicId, indexes] of a) {
    const others = b.get(topicId);
    if (others === undefined || others.size !== indexes.size) return false;
    for (const index of indexes.keys()) if (!others.has(index)) return false;
  }
  return true;
}

/** What the epochs and members of `group` amount to. */
export function stateOf(
  group: Pick<ConsumerGroup, "epoch" | "assignmentEpoch" | "members">,
): ConsumerGroupState {
  if (group.members.size === 0) return "Empty";
  if (group.epoch > group.assignmentEpoch) return "Assigning";
  for (const member of group.members.values()) {
    const isThere = member.state === "Stable" &&
      member.epoch === group.assignmentEpoch;
    if (!isThere) return "Reconciling";
  }
  return "Stable";
}
