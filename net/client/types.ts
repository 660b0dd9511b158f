/**
 * The public shapes of producer and consumer: what goes in and what comes out,
 * written out by hand. Owns no behaviour and must never name a wire type.
 *
 * @module
 */
import type { Env, Trace } from "../../core/env/env.ts";
import type { KafkaError } from "../../core/errors.ts";
import type { TopicPartition } from "../../core/ids.ts";
import type { LogRecord } from "../../core/record/record.ts";
import type { Transport } from "../tcp/transport.ts";

/** Configuration by Kafka's names, e.g. `{ "bootstrap.servers": "localhost:9092" }`. */
export type ClientConfig = Readonly<
  Record<string, string | number | boolean | undefined>
>;

/** The seams of a client; tests replace them. */
export interface ClientSeams {
  /** Time, chance, disk, trace. */
  readonly env: Env;
  /** Where connections come from. */
  readonly transport: Transport;
}

/** Seams that are not the real ones. */
export interface ClientOptions extends Partial<ClientSeams> {
  /** Where the real environment's traces go, instead of stderr. */
  readonly trace?: Trace;
}

/** One record to produce. Strings are written as UTF-8. */
export interface ProducerRecord {
  /** Where it goes. */
  readonly topic: string;
  /** A fixed partition; otherwise chosen by key, or sticky without one. */
  readonly partition?: number | undefined;
  /** The key; `null` or absent for none. */
  readonly key?: Uint8Array | string | null | undefined;
  /** The value; `null` or absent is a tombstone. */
  readonly value?: Uint8Array | string | null | undefined;
  /** Header names and values, in order. */
  readonly headers?:
    | readonly (readonly [string, Uint8Array | string | null])[]
    | undefined;
  /** Milliseconds since the Unix epoch; the current time when absent. */
  readonly timestamp?: number | undefined;
  /**
   * Handed back to `onDone`: lets one callback serve any number of records, so
   * that nothing is allocated per record.
   */
  readonly tag?: number | undefined;
}

/** Where a record came to lie. */
export interface RecordMetadata {
  /** Topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** Offset; -1 with `acks=0`, or when a retry met a forgotten duplicate. */
  readonly offset: number;
  /** Milliseconds since the Unix epoch, as stored. */
  readonly timestamp: number;
}

/** Called once per appended record: with the error, or with where it lies. */
export type OnDone = (
  error: KafkaError | undefined,
  metadata: RecordMetadata | undefined,
  tag: number | undefined,
) => void;

/** A consumed record: views into the fetched bytes, valid as long as held. */
export interface ConsumerRecord extends LogRecord {
  /** Topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** Epoch of the leader that wrote it. */
  readonly leaderEpoch: number;
}

/** Records of one partition, in offset order. */
export interface ConsumedBatch {
  /** Topic. */
  readonly topic: string;
  /** Partition. */
  readonly partition: number;
  /** End offset of what is readable, as of the fetch. */
  readonly highWatermark: number;
  /** At least one record. */
  readonly records: ConsumerRecord[];
}

/** An offset to commit, or one that was committed. */
export interface CommittedOffset extends TopicPartition {
  /** The next offset to read. */
  readonly offset: number;
  /** Leader epoch of the last read record; -1 or absent when unknown. */
  readonly leaderEpoch?: number;
  /** Free text stored beside it. */
  readonly metadata?: string;
}

/** A member of a group, as whom offsets are committed (KIP-447). */
export interface ConsumerGroupMetadata {
  /** The group. */
  readonly groupId: string;
  /** Generation of the group, or epoch of the member (KIP-848); -1 for none. */
  readonly generationId: number;
  /** Id that the coordinator knows the member by; empty for none. */
  readonly memberId: string;
  /** `group.instance.id` of a static member. */
  readonly groupInstanceId: string | null;
}

/** Where to seek to. */
export type SeekTarget = number | "earliest" | "latest";

/** An offset found by time. */
export interface OffsetAtTime extends TopicPartition {
  /** The first offset at or after the time; -1 when there is none. */
  readonly offset: number;
  /** Timestamp of that record; -1 when there is none. */
  readonly timestamp: number;
}

/** What happens to a consumer's partitions. Awaited before the rebalance goes on. */
export interface RebalanceListener {
  /** New partitions, before their first record is handed out. */
  readonly assigned?: (partitions: TopicPartition[]) => void | Promise<void>;
  /** Partitions to give up; offsets may still be committed. */
  readonly revoked?: (partitions: TopicPartition[]) => void | Promise<void>;
  /** Partitions already gone: committing them would fail. */
  readonly lost?: (partitions: TopicPartition[]) => void | Promise<void>;
}

/** One partition, as the cluster describes it. */
export interface PartitionInfo extends TopicPartition {
  /** Node id of the leader; -1 when there is none. */
  readonly leader: number;
  /** Leader epoch. */
  readonly leaderEpoch: number;
  /** Node ids of the replicas, preferred leader first. */
  readonly replicas: readonly number[];
  /** Node ids in sync. */
  readonly isr: readonly number[];
}
