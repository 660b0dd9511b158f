/**
 * The public shapes of the admin client, written out by hand. Every call that
 * handles several items answers per item: `error` is set where one failed, so
 * that the others' answers are never lost.
 *
 * @module
 */
import type { KafkaError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/ids.ts";
import type { PartitionInfo } from "./types.ts";

/** The outcome for one named thing. */
export interface Outcome {
  /** Topic, group or resource name. */
  readonly name: string;
  /** Why it failed; absent when it did not. */
  readonly error?: KafkaError;
}

/** A topic to create. */
export interface NewTopic {
  /** Name. */
  readonly name: string;
  /** Partitions; the broker's `num.partitions` when absent. */
  readonly partitions?: number | undefined;
  /** Replicas of each; the broker's default when absent. */
  readonly replicationFactor?: number | undefined;
  /** Node ids by partition; instead of the two counts above. */
  readonly assignments?: readonly (readonly number[])[] | undefined;
  /** Topic configuration by Kafka's names. */
  readonly configs?: Readonly<Record<string, string>> | undefined;
}

/** A topic as created. */
export interface CreatedTopic extends Outcome {
  /** Topic id. */
  readonly topicId: string;
  /** Partitions. */
  readonly partitions: number;
  /** Replicas of each. */
  readonly replicationFactor: number;
}

/** A topic in a listing. */
export interface TopicListing {
  /** Name. */
  readonly name: string;
  /** Topic id. */
  readonly topicId: string;
  /** Whether it is the cluster's own. */
  readonly isInternal: boolean;
  /** Number of partitions. */
  readonly partitions: number;
  /** Replicas of the first partition. */
  readonly replicationFactor: number;
}

/** A topic in full. */
export interface TopicDescription extends Outcome {
  /** Topic id. */
  readonly topicId: string;
  /** Whether it is the cluster's own. */
  readonly isInternal: boolean;
  /** Its partitions by index. */
  readonly partitions: readonly PartitionInfo[];
}

/** Kind of a configurable thing. */
export type ResourceType = "topic" | "broker" | "group";

/** A configurable thing. */
export interface ConfigResource {
  /** Kind. */
  readonly type: ResourceType;
  /** Topic or group name, or node id as text; empty for all brokers. */
  readonly name: string;
}

/** One configuration entry. */
export interface ConfigEntry {
  /** Key. */
  readonly name: string;
  /** Value; `null` when sensitive or unset. */
  readonly value: string | null;
  /** Where the value comes from, in Kafka's words, e.g. `DEFAULT_CONFIG`. */
  readonly source: string;
  /** Whether it is the default. */
  readonly isDefault: boolean;
  /** Whether it can't be changed here. */
  readonly isReadOnly: boolean;
  /** Whether its value is hidden. */
  readonly isSensitive: boolean;
  /** What it does, when asked for. */
  readonly documentation: string | null;
}

/** All configuration of one resource. */
export interface ResourceConfig extends Outcome {
  /** Kind. */
  readonly type: ResourceType;
  /** Entries by name order. */
  readonly entries: readonly ConfigEntry[];
}

/** One change of one key. */
export interface ConfigChange {
  /** Key. */
  readonly name: string;
  /** What to do; `delete` returns to the default. */
  readonly operation: "set" | "delete" | "append" | "subtract";
  /** New value; ignored by `delete`. */
  readonly value?: string | undefined;
}

/** Changes of one resource. */
export interface ResourceChange extends ConfigResource {
  /** What to change. */
  readonly changes: readonly ConfigChange[];
}

/** The outcome for one partition. */
export interface PartitionOutcome extends TopicPartition {
  /** Why it failed; absent when it did not. */
  readonly error?: KafkaError;
}

/** Who may lead: the first replica if it is in sync, or any that is alive. */
export type ElectionType = "preferred" | "unclean";

/** Where a partition's replicas are to be. */
export interface PartitionMove extends TopicPartition {
  /** Node ids, preferred leader first; `null` calls a move off. */
  readonly replicas: readonly number[] | null;
}

/** A partition whose replicas are being moved. */
export interface PartitionReassignment extends TopicPartition {
  /** Node ids, those that come and those that go included. */
  readonly replicas: readonly number[];
  /** Node ids that have yet to be in sync. */
  readonly addingReplicas: readonly number[];
  /** Node ids that go when those are. */
  readonly removingReplicas: readonly number[];
}

/** Who may lead a partition without losing what was acknowledged (KIP-966). */
export interface EligibleLeaders extends TopicPartition {
  /** Node ids that are not in sync, and lack nothing; empty when not known. */
  readonly eligible: readonly number[];
  /** Node ids that were so, or led, before all were lost. */
  readonly lastKnown: readonly number[];
}

/** Where a partition begins after records were deleted. */
export interface DeletedRecords extends PartitionOutcome {
  /** The new first offset; -1 on error. */
  readonly lowWatermark: number;
}

/** Which offset to list: by word, or the first at or after a time. */
export type OffsetSpec =
  | "earliest"
  | "latest"
  | "max-timestamp"
  | { readonly timestampMs: number };

/** A listed offset. */
export interface ListedOffset extends PartitionOutcome {
  /** Offset; -1 when there is none. */
  readonly offset: number;
  /** Timestamp of its record; -1 when unknown. */
  readonly timestamp: number;
  /** Leader epoch; -1 when unknown. */
  readonly leaderEpoch: number;
}

/** A group in a listing. */
export interface GroupListing {
  /** Group id. */
  readonly groupId: string;
  /** `consumer`, `connect`, or empty for groups that only commit. */
  readonly protocolType: string;
  /** State, e.g. `Stable`. */
  readonly state: string;
  /** `classic` or `consumer`; empty from old brokers. */
  readonly type: string;
}

/** A member of a group. */
export interface MemberDescription {
  /** Member id. */
  readonly memberId: string;
  /** Static member name, or `null`. */
  readonly groupInstanceId: string | null;
  /** Client id. */
  readonly clientId: string;
  /** Address as the broker sees it. */
  readonly clientHost: string;
  /** Partitions that it owns. */
  readonly assignment: readonly TopicPartition[];
}

/** A group in full. */
export interface GroupDescription extends Outcome {
  /** State, e.g. `Stable`. */
  readonly state: string;
  /** `classic`, or `consumer` where the broker divides the partitions. */
  readonly type: string;
  /** `consumer`, or another protocol's type. */
  readonly protocolType: string;
  /** Assignor in use. */
  readonly protocol: string;
  /** Node id of the coordinator. */
  readonly coordinator: number;
  /** Members. */
  readonly members: readonly MemberDescription[];
}

/** A group's committed offset. */
export interface GroupOffset extends PartitionOutcome {
  /** Next offset to read; -1 when none is committed. */
  readonly offset: number;
  /** Leader epoch of the last read record; -1 when unknown. */
  readonly leaderEpoch: number;
  /** Text stored beside it. */
  readonly metadata: string;
}

/** A broker's address. */
export interface NodeDescription {
  /** Node id. */
  readonly nodeId: number;
  /** Advertised host. */
  readonly host: string;
  /** Advertised port. */
  readonly port: number;
  /** Rack, or `null`. */
  readonly rack: string | null;
}

/** The cluster. */
export interface ClusterDescription {
  /** Cluster id. */
  readonly clusterId: string;
  /** Node id of the controller (a random broker under KRaft). */
  readonly controllerId: number;
  /** Brokers. */
  readonly nodes: readonly NodeDescription[];
}

/** Versions of one API that a broker speaks. */
export interface ApiVersionRange {
  /** API key. */
  readonly apiKey: number;
  /** Its name; `undefined` for keys unknown here. */
  readonly name: string | undefined;
  /** Lowest version. */
  readonly minVersion: number;
  /** Highest version. */
  readonly maxVersion: number;
}

/** What one broker speaks. */
export interface BrokerVersions {
  /** Node id; -1 when asked through a bootstrap address. */
  readonly nodeId: number;
  /** APIs by key. */
  readonly apis: readonly ApiVersionRange[];
  /** Finalized features and their levels. */
  readonly features: Readonly<Record<string, number>>;
}

/** How far one replica of the metadata log is. */
export interface QuorumReplica {
  readonly nodeId: number;
  /** Its data folder; null where that isn't known, before kraft.version 1. */
  readonly directoryId: string | null;
  readonly logEndOffset: number;
  /** Records that the leader has and this replica lacks. */
  readonly lag: number;
  /** When it last fetched, milliseconds since the epoch; -1 when not known. */
  readonly lastFetchTimestamp: number;
  /** When it last had all records; -1 when not known. */
  readonly lastCaughtUpTimestamp: number;
}

/** The quorum that keeps the cluster's metadata. */
export interface QuorumDescription {
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
  readonly voters: readonly QuorumReplica[];
  /** Those who follow without a vote, such as brokers. */
  readonly observers: readonly QuorumReplica[];
  /** Where voters are reached by each other. */
  readonly endpoints: readonly (RaftVoterEndpoint & {
    readonly nodeId: number;
  })[];
}

/** Where a voter is reached, by the name of its listener. */
export interface RaftVoterEndpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** One feature of the cluster. */
export interface FeatureDescription {
  readonly name: string;
  /** The lowest level that the asked broker supports. */
  readonly minSupported: number;
  /** The highest one; 0 when it does not know the feature. */
  readonly maxSupported: number;
  /** The level that is finalized; 0 is off. */
  readonly level: number;
}

/** A level that a feature is to have. */
export interface FeatureChange {
  readonly name: string;
  /** 0 switches it off. */
  readonly level: number;
  /** A downgrade is refused where it would lose metadata. */
  readonly kind: "upgrade" | "downgrade";
}

/** One log folder of one broker. */
export interface LogDirDescription {
  readonly nodeId: number;
  readonly logDir: string;
  /** Size of its volume; null when the broker does not tell. */
  readonly totalBytes: number | null;
  readonly usableBytes: number | null;
  readonly replicas: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly sizeInBytes: number;
    /** How far it is behind the log that it is to replace, or that leads. */
    readonly offsetLag: number;
    /** Whether it is being moved here. */
    readonly isFuture: boolean;
  }[];
  readonly error?: KafkaError;
}

/** Which transactional ids to list; all without. */
export interface TransactionFilter {
  /** In one of these states, e.g. `Ongoing`. */
  readonly states?: readonly string[];
  /** With a transaction that runs longer than this. */
  readonly runningMs?: number;
  /** Whose whole name this regular expression (RE2) matches. */
  readonly pattern?: string;
}

/** A transactional id in a listing. */
export interface TransactionListing {
  /** The transactional id. */
  readonly transactionalId: string;
  /** Id of the producer that has it. */
  readonly producerId: number;
  /** State, e.g. `Ongoing` or `CompleteCommit`. */
  readonly state: string;
  /** Node id of the coordinator. */
  readonly coordinator: number;
}

/** A transactional id in full; its `name` is the id. */
export interface TransactionDescription extends Outcome {
  /** Node id of the coordinator. */
  readonly coordinator: number;
  /** State, e.g. `Ongoing` or `CompleteCommit`. */
  readonly state: string;
  /** How long a transaction may run, in milliseconds. */
  readonly timeoutMs: number;
  /** When the transaction began, in milliseconds since 1970; `null` for none. */
  readonly startTimestamp: number | null;
  /** Id of the producer that has it. */
  readonly producerId: number;
  /** Epoch of that producer. */
  readonly producerEpoch: number;
  /** Partitions in the transaction; while it ends, those without a marker yet. */
  readonly partitions: readonly TopicPartition[];
}

/** A producer that a partition remembers. */
export interface ProducerDescription {
  /** Producer id. */
  readonly producerId: number;
  /** Its epoch. */
  readonly producerEpoch: number;
  /** Sequence of its last record; -1 when there is none. */
  readonly lastSequence: number;
  /** Time of its last record, in milliseconds since 1970. */
  readonly lastTimestamp: number;
  /** Epoch of the coordinator that wrote the last marker; -1 for none. */
  readonly coordinatorEpoch: number;
  /** First offset of its open transaction; `null` without one. */
  readonly transactionStartOffset: number | null;
}

/** A transaction of one partition that nobody will end. */
export interface HangingTransaction extends TopicPartition {
  /** Producer id. */
  readonly producerId: number;
  /** Its epoch. */
  readonly producerEpoch: number;
  /** Epoch of a coordinator to write the marker as. */
  readonly coordinatorEpoch: number;
}
