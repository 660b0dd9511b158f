/**
 * What the group coordinator takes in and gives out: inputs, replies, records
 * and effects. Types only, independent of the wire's versions.
 *
 * @module
 */
import type { ErrorName } from "../errors.ts";
import type { TopicPartition } from "../ids.ts";
import type { TxnMarker } from "../record/control.ts";
import type { ConsumerMember, RegexSearch } from "./consumer_group.ts";
import type { Group, MemberProtocol } from "./group.ts";
import type { ReportedPartitions } from "./reconcile.ts";
import type { GroupRecord, OffsetCommitRecord } from "./records.ts";

/** Bounds and times that an operator sets. */
export interface GroupConfig {
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  readonly initialRebalanceDelayMs: number;
  readonly groupSizeMax: number;
  readonly offsetMetadataBytesMax: number;
  readonly offsetsRetentionMs: number;
  readonly consumer: ConsumerGroupConfig;
}

/** Bounds and times of consumer groups (KIP-848). */
export interface ConsumerGroupConfig {
  readonly groupSizeMax: number;
  /** Names of the assignors that members may ask for; the first is default. */
  readonly assignors: readonly string[];
  /** Which groups may change their kind while they have members. */
  readonly migrationPolicy:
    | "bidirectional"
    | "upgrade"
    | "downgrade"
    | "disabled";
  /** How long new topics may wait for those who subscribe by expression. */
  readonly regexRefreshIntervalMs: number;
  sessionTimeoutMs(groupId: string): number;
  heartbeatIntervalMs(groupId: string): number;
}

/** Who asks, as a member. */
export interface MemberReference {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
}

/** A member enters or comes back. */
export interface JoinInput extends MemberReference {
  readonly type: "JoinGroup";
  readonly groupId: string;
  /** Names the request when its reply comes later. */
  readonly token: number;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** Random text for the id of a new member. */
  readonly newMemberSuffix: string;
  /** From version 4 on: a dynamic member must ask for its id first. */
  readonly requiresKnownMemberId: boolean;
  /** From version 9 on. */
  readonly canSkipAssignment: boolean;
}

/** A member hands in, or asks for, assignments. */
export interface SyncInput extends MemberReference {
  readonly type: "SyncGroup";
  readonly groupId: string;
  readonly token: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly {
    readonly memberId: string;
    readonly assignment: Uint8Array;
  }[];
}

/** A member is alive. */
export interface HeartbeatInput extends MemberReference {
  readonly type: "Heartbeat";
  readonly groupId: string;
  readonly generationId: number;
}

/** Members go. */
export interface LeaveInput {
  readonly type: "LeaveGroup";
  readonly groupId: string;
  readonly members: readonly MemberReference[];
}

/** A member of a consumer group joins, stays, or leaves (KIP-848). */
export interface ConsumerHeartbeatInput {
  readonly type: "ConsumerGroupHeartbeat";
  readonly groupId: string;
  readonly memberId: string;
  /** 0: it joins; −1: it leaves; −2: it leaves and may return. */
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** −1: as before. */
  readonly rebalanceTimeoutMs: number;
  /** Null here and below: as before. */
  readonly subscribedTopicNames: readonly string[] | null;
  readonly subscribedTopicRegex: string | null;
  readonly serverAssignor: string | null;
  readonly topicPartitions: ReportedPartitions | null;
  readonly clientId: string;
  readonly clientHost: string;
}

/** What a consumer group looks like. */
export interface ConsumerDescribeInput {
  readonly type: "DescribeConsumerGroup";
  readonly groupId: string;
}

/** One partition's offset to be stored. */
export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** Whose transaction decides about offsets. */
export interface OffsetTransaction {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** What the log asks for. */
  readonly guard: object | undefined;
}

/** Offsets to be stored, at once or once a transaction commits. */
export interface CommitInput extends MemberReference {
  readonly type: "OffsetCommit";
  readonly groupId: string;
  readonly generationId: number;
  /** Whether the client knows the errors that came with member epochs. */
  readonly knowsEpochs: boolean;
  readonly transaction?: OffsetTransaction;
  /** How long to keep them (versions 2 to 4); absent: the broker's time. */
  readonly retentionMs?: number;
  readonly offsets: readonly OffsetToCommit[];
}

/** Stored offsets are asked for. */
export interface FetchOffsetsInput {
  readonly type: "OffsetFetch";
  readonly groupId: string;
  /** Null with a negative epoch: it isn't a member who asks. */
  readonly memberId: string | null;
  readonly memberEpoch: number;
  /** Whether an offset that a transaction may change is no answer (KIP-447). */
  readonly requireStable: boolean;
  /** Null: all of them. */
  readonly topics:
    | readonly {
      readonly topic: string;
      readonly partitions: readonly number[];
    }[]
    | null;
}

/** Which groups there are. */
export interface ListInput {
  readonly type: "ListGroups";
  /** Empty: all. Letter case doesn't matter. */
  readonly states: readonly string[];
  /** Empty: all. Letter case doesn't matter. */
  readonly types: readonly string[];
}

/** What a group looks like. */
export interface DescribeInput {
  readonly type: "DescribeGroup";
  readonly groupId: string;
}

/** A group without members is to be forgotten. */
export interface DeleteInput {
  readonly type: "DeleteGroup";
  readonly groupId: string;
}

/** Offsets of a group are to be forgotten (KIP-496). */
export interface DeleteOffsetsInput {
  readonly type: "DeleteOffsets";
  readonly groupId: string;
  readonly offsets: readonly TopicPartition[];
}

/** A topic is gone: its offsets go too. */
export interface TopicsDeletedInput {
  readonly type: "TopicsDeleted";
  readonly topics: readonly string[];
}

/** A transaction ends in this partition of `__consumer_offsets`. */
export interface EndTransactionInput {
  readonly type: "EndTransaction";
  readonly marker: TxnMarker;
}

/** The time that an effect asked for has come. */
export interface TimerInput {
  readonly type: "Timer";
  readonly groupId: string;
}

/** The state was just loaded: members get a fresh session. */
export interface LoadedInput {
  readonly type: "Loaded";
}

/** Look for offsets that are too old. */
export interface ExpireInput {
  readonly type: "ExpireOffsets";
}

/** Everything that the coordinator decides on. */
export type GroupRequest =
  | JoinInput
  | SyncInput
  | HeartbeatInput
  | LeaveInput
  | ConsumerHeartbeatInput
  | ConsumerDescribeInput
  | CommitInput
  | FetchOffsetsInput
  | ListInput
  | DescribeInput
  | DeleteInput
  | DeleteOffsetsInput
  | TopicsDeletedInput
  | EndTransactionInput
  | TimerInput
  | LoadedInput
  | ExpireInput;

/** A request and the monotonic time at which it came. */
export interface GroupInput {
  readonly request: GroupRequest;
  readonly monoMs: number;
}

/** Answer to {@linkcode JoinInput}. */
export interface JoinReply {
  readonly error: ErrorName;
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Uint8Array;
  }[];
}

/** Answer to {@linkcode SyncInput}. */
export interface SyncReply {
  readonly error: ErrorName;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

/** Answer that is nothing but an error or none. */
export interface ErrorReply {
  readonly error: ErrorName;
}

/** Answer to {@linkcode LeaveInput}. */
export interface LeaveReply {
  readonly error: ErrorName;
  readonly members: readonly (MemberReference & ErrorReply)[];
}

/** Answer to {@linkcode DeleteOffsetsInput}. */
export interface DeleteOffsetsReply extends ErrorReply {
  /** Topics whose offsets stay, since members read them. */
  readonly subscribed: readonly string[];
}

/** Answer to {@linkcode CommitInput}: one error per offset, in order. */
export interface CommitReply {
  readonly errors: readonly ErrorName[];
}

/** A stored offset. */
export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** −1: by the broker's retention. */
  readonly expireTimestampMs: number;
}

/** Answer to {@linkcode FetchOffsetsInput}. */
export interface FetchOffsetsReply {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      /** Undefined: none, or none that is stable. */
      readonly committed: CommittedOffset | undefined;
      readonly isUnstable: boolean;
    }[];
  }[];
}

/** Answer to {@linkcode ListInput}. */
export interface ListReply {
  readonly groups: readonly {
    readonly groupId: string;
    readonly groupType: "classic" | "consumer";
    readonly protocolType: string;
    readonly state: string;
  }[];
}

/** Answer to {@linkcode ConsumerHeartbeatInput}. */
export interface ConsumerHeartbeatReply {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** All that the member may own now; null: as before. */
  readonly assignment: ReportedPartitions | null;
}

/** Answer to {@linkcode ConsumerDescribeInput}. */
export interface ConsumerDescribeReply {
  readonly state: string;
  readonly epoch: number;
  readonly assignmentEpoch: number;
  readonly assignor: string;
  readonly members: readonly {
    readonly member: ConsumerMember;
    readonly target: ReportedPartitions;
  }[];
}

/** Answer to {@linkcode DescribeInput}; no classic group: undefined. */
export interface DescribeReply {
  /** Whether a group of another kind has the name. */
  readonly isOther: boolean;
  readonly group: {
    readonly state: string;
    readonly protocolType: string;
    readonly protocolData: string;
    readonly members: readonly (MemberReference & {
      readonly clientId: string;
      readonly clientHost: string;
      readonly metadata: Uint8Array;
      readonly assignment: Uint8Array;
    })[];
  } | undefined;
}

/** The answer that belongs to each request; null: it comes as an effect. */
export interface GroupReplies {
  readonly JoinGroup: JoinReply | null;
  readonly SyncGroup: SyncReply | null;
  readonly Heartbeat: ErrorReply;
  readonly LeaveGroup: LeaveReply;
  readonly ConsumerGroupHeartbeat: ConsumerHeartbeatReply;
  readonly DescribeConsumerGroup: ConsumerDescribeReply;
  readonly OffsetCommit: CommitReply;
  readonly OffsetFetch: FetchOffsetsReply;
  readonly ListGroups: ListReply;
  readonly DescribeGroup: DescribeReply;
  readonly DeleteGroup: ErrorReply;
  readonly DeleteOffsets: DeleteOffsetsReply;
  readonly TopicsDeleted: null;
  readonly EndTransaction: null;
  readonly Timer: null;
  readonly Loaded: null;
  readonly ExpireOffsets: null;
}

/** Any answer. */
export type GroupReply = GroupReplies[keyof GroupReplies];

/** The group from now on; lives in memory only, as do parked requests. */
export interface GroupChanged {
  readonly type: "GroupChanged";
  readonly group: Group;
}

/** A member was heard of; lives in memory only. */
export interface MemberHeard {
  readonly type: "MemberHeard";
  readonly groupId: string;
  readonly memberId: string;
  readonly deadlineMs: number;
}

/** A member of a consumer group has something to do; in memory only. */
export interface MemberAwaited {
  readonly type: "MemberAwaited";
  readonly groupId: string;
  readonly memberId: string;
  /** Monotonic time; Infinity: it is done. */
  readonly deadlineMs: number;
}

/** A consumer group's timer and view of the topics; in memory only. */
export interface ConsumerGroupLooked {
  readonly type: "ConsumerGroupLooked";
  readonly groupId: string;
  readonly timerAtMs: number;
  readonly topicsVersion: number;
}

/** How far the topics of an expression are found; in memory only. */
export interface RegexSearched {
  readonly type: "RegexSearched";
  readonly groupId: string;
  readonly search: RegexSearch | null;
}

/** An offset that counts once its producer's transaction commits. */
export interface PendingOffset {
  readonly type: "PendingOffset";
  readonly producerId: number;
  readonly record: OffsetCommitRecord;
}

/** A producer's transaction is over: a control record. */
export interface TransactionEnded {
  readonly type: "TransactionEnded";
  readonly producerId: number;
  readonly committed: boolean;
  readonly coordinatorEpoch: number;
}

/** What {@linkcode GroupRecord}s cannot say is said by the others. */
export type GroupChange =
  | GroupRecord
  | PendingOffset
  | TransactionEnded
  | GroupChanged
  | MemberHeard
  | MemberAwaited
  | ConsumerGroupLooked
  | RegexSearched;

/** What is to be done once the records are committed. */
export type GroupEffect =
  | {
    readonly type: "Reply";
    readonly token: number;
    readonly reply: JoinReply | SyncReply;
  }
  /** Replaces the group's timer: a {@linkcode TimerInput} at `atMs`. */
  | {
    readonly type: "SetTimer";
    readonly groupId: string;
    readonly atMs: number;
  };
