/**
 * What clients did and saw in a run, for the checker: sends, polls, commits,
 * changes of topics, and in the end the logs themselves. Owns the shapes; it
 * must never judge.
 *
 * @module
 */

/** How an operation ended; info: nobody knows whether it was done. */
export type Ending = "ok" | "fail" | "info";

/** One record that was to be sent. */
export interface Send {
  readonly producer: string;
  readonly isIdempotent: boolean;
  /** How many requests its producer may have in flight. */
  readonly inFlightMax: number;
  readonly topic: string;
  readonly value: string;
  readonly invokeMs: number;
  partition: number;
  ending: Ending;
  endMs: number;
  /** −1: acknowledged without an offset, or not at all. */
  offset: number;
}

/** A record that was read. */
export interface Seen {
  readonly offset: number;
  readonly value: string;
}

/** Records of one partition that one poll handed out. */
export interface Poll {
  readonly consumer: string;
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly atMs: number;
  /** Changes whenever the partition was assigned anew. */
  readonly assignment: number;
  readonly highWatermark: number;
  readonly records: readonly Seen[];
}

/** Offsets that a consumer committed. */
export interface Commit {
  readonly group: string;
  readonly invokeMs: number;
  readonly offsets: ReadonlyMap<string, number>;
  ending: Ending;
}

/** A change of a topic. */
export interface TopicChange {
  readonly change: "create" | "delete" | "grow";
  readonly topic: string;
  /** How many there are after it. */
  readonly partitions: number;
  readonly invokeMs: number;
  ending: Ending;
  endMs: number;
}

/** One partition as it was in the end. */
export interface FinalLog {
  readonly start: number;
  readonly end: number;
  readonly records: readonly Seen[];
}

/** What is promised of a topic. */
export interface TopicPromise {
  readonly name: string;
  readonly isDurable: boolean;
  readonly isRetained: boolean;
  readonly isChurned: boolean;
}

/** A whole run. */
export interface History {
  readonly topics: readonly TopicPromise[];
  /** The groups, and which topics each reads. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly sends: Send[];
  readonly polls: Poll[];
  readonly commits: Commit[];
  readonly changes: TopicChange[];
  /** When a broker ended, however. */
  endsMs: readonly number[];
  /** When power was lost. */
  powerLossesMs: readonly number[];
  /** By `topic-partition`. */
  readonly logs: Map<string, FinalLog>;
  /** Committed offsets in the end, by group, then by `topic-partition`. */
  readonly committed: Map<string, ReadonlyMap<string, number>>;
}
