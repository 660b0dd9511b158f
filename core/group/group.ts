/**
 * A classic group and its members, as plain values. Owns what they are and
 * the questions that can be asked of them; changes nothing.
 *
 * | from                | what happens                          | to                  |
 * | ------------------- | ------------------------------------- | ------------------- |
 * | Empty               | a member joins                        | PreparingRebalance  |
 * | PreparingRebalance  | all joined, or the time is up         | CompletingRebalance |
 * | PreparingRebalance  | the last member goes                  | Empty               |
 * | CompletingRebalance | the leader's assignment comes         | Stable              |
 * | CompletingRebalance | a member joins, leaves, or never syncs | PreparingRebalance |
 * | Stable              | a member joins anew, changes, or goes | PreparingRebalance  |
 * | Empty               | deleted, or its last offset expired   | (Dead: forgotten)   |
 *
 * @module
 */

/** States of a group that exists. */
export type GroupState =
  | "Empty"
  | "PreparingRebalance"
  | "CompletingRebalance"
  | "Stable";

/** One way of assigning that a member speaks, with what it says in it. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** A member. Replaced, never changed, but for its deadline. */
export interface Member {
  readonly memberId: string;
  /** Set for static members (KIP-345). */
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** Most wanted first. */
  readonly protocols: readonly MemberProtocol[];
  readonly assignment: Uint8Array;
  /** The parked JoinGroup, if any. */
  readonly join: number | undefined;
  /** The parked SyncGroup, if any. */
  readonly sync: number | undefined;
  /** Whether it has not been through a rebalance yet. */
  readonly isNew: boolean;
  /** Monotonic time at which it counts as gone. */
  deadlineMs: number;
}

/** The wait of an empty group's first rebalance for more members. */
export interface InitialDelay {
  readonly delayMs: number;
  readonly remainingMs: number;
  readonly hasNewMember: boolean;
}

/**
 * A classic group. Replaced, never changed.
 *
 * Invariants:
 * 1. `leader` is a member, or null when there is none.
 * 2. `generation` only grows while the group exists.
 * 3. Joins are parked in PreparingRebalance only, syncs in
 *    CompletingRebalance only.
 * 4. `statics` and the members' instance ids are the same set.
 */
export interface Group {
  readonly groupId: string;
  readonly state: GroupState;
  /** Wall time since when it is in its state. */
  readonly stateSinceMs: number;
  readonly generation: number;
  /** Null for simple groups: offsets without members. */
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string | null;
  readonly members: ReadonlyMap<string, Member>;
  /** Member ids handed out and not used yet (KIP-394), with their deadline. */
  readonly pending: ReadonlyMap<string, number>;
  /** Member id by instance id. */
  readonly statics: ReadonlyMap<string, string>;
  /** Members that were told to sync and have not. */
  readonly unsynced: ReadonlySet<string>;
  readonly initialDelay: InitialDelay | null;
  /** Monotonic time at which the joining, or the syncing, must be over. */
  readonly phaseDeadlineMs: number;
  /** Monotonic time that the group's timer is set to; Infinity: none. */
  readonly timerAtMs: number;
}

/** A group that nobody joined yet. */
export function emptyGroup(groupId: string, nowMs: number): Group {
  return {
    groupId,
    state: "Empty",
    stateSinceMs: nowMs,
    generation: 0,
    protocolType: null,
    protocol: null,
    leader: null,
    members: new Map(),
    pending: new Map(),
    statics: new Map(),
    unsynced: new Set(),
    initialDelay: null,
    phaseDeadlineMs: Infinity,
    timerAtMs: Infinity,
  };
}

/** What `member` says in `protocol`; empty when it doesn't speak it. */
export function metadataOf(
  member: Member,
  protocol: string | null,
): Uint8Array {
  return member.protocols.find(({ name }) => name === protocol)?.metadata ??
    NO_BYTES;
}

/** No bytes at all. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Whether a member of these protocols fits into the group. */
export function supportsProtocols(
  group: Group,
  { protocolType, protocols }: {
    readonly protocolType: string;
    readonly protocols: readonly MemberProtocol[];
  },
): boolean {
  if (group.state === "Empty") {
    return protocolType !== "" && protocols.length > 0;
  }
  if (group.members.size === 0) return protocols.length > 0;
  if (group.protocolType !== protocolType) return false;
  return protocols.some(({ name }) => isSpokenByAll(group, name));
}

function isSpokenByAll(group: Pick<Group, "members">, name: string): boolean {
  for (const { protocols } of group.members.values()) {
    if (!protocols.some((protocol) => protocol.name === name)) return false;
  }
  return true;
}

/** The common protocol with most votes; the first voted for wins a tie. */
export function selectProtocol(group: Pick<Group, "members">): string | null {
  const votes = new Map<string, number>();
  const common = new Map<string, boolean>();
  for (const { protocols } of group.members.values()) {
    for (const { name } of protocols) {
      let isCommon = common.get(name);
      if (isCommon === undefined) {
        common.set(name, isCommon = isSpokenByAll(group, name));
      }
      if (!isCommon) continue;
      votes.set(name, (votes.get(name) ?? 0) + 1);
      break;
    }
  }
  let best: string | null = null;
  for (const [name, count] of votes) {
    if (best === null || count > votes.get(best)!) best = name;
  }
  return best;
}

/** Whether a rejoining member says just what it said before. */
export function saysTheSame(
  member: Member,
  protocols: readonly MemberProtocol[],
): boolean {
  return member.protocols.length === protocols.length &&
    member.protocols.every(({ name, metadata }, i) =>
      name === protocols[i]!.name &&
      sameBytes(metadata, protocols[i]!.metadata)
    );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
