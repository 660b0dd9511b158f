/**
 * What clients did and saw in a run, for the checker: sends, polls, commits,
 * changes of topics, and in the end the logs themselves. Owns the shapes; it
 * must never judge.
 *
 * @module
 */

/** How an operation ended; info: nobody knows whether it was done. */
export type Ending = "ok" | "fail" | "info";

/** One transaction. */
export interface Transaction {
  /** The transactional id. */
  readonly id: string;
  /** Rises with each transaction of its id; committed as its group's offset. */
  readonly number: number;
  /** Whether its number is to be its group's offset. */
  commitsOffset: boolean;
  /** When its outcome was asked for. */
  endingMs: number;
  /** ok: committed; fail: aborted. */
  ending: Ending;
  endMs: number;
}

/** One record that was to be sent. */
export interface Send {
  readonly producer: string;
  readonly isIdempotent: boolean;
  /** How many requests its producer may have in flight. */
  readonly inFlightMax: number;
  readonly topic: string;
  /** What tells it from all others. */
  readonly value: string;
  /** Where only the latest of a key stays. */
  readonly key?: string;
  /** Whether it says that its key is gone. */
  readonly isTombstone?: boolean;
  readonly invokeMs: number;
  /** It is sent when this is committed. */
  readonly transaction: Transaction | undefined;
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
  readonly isCompacted?: boolean;
}

/** A whole run. */
export interface History {
  readonly topics: readonly TopicPromise[];
  /** The groups, and which topics each reads. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Groups that read what is committed only. */
  readonly committedReaders: ReadonlySet<string>;
  /** Whether commits and transactions survive the loss of power, too. */
  readonly isAllDurable: boolean;
  /** Whether leaders may change. */
  readonly isCluster?: boolean;
  readonly transactions: Transaction[];
  readonly sends: Send[];
  readonly polls: Poll[];
  readonly commits: Commit[];
  readonly changes: TopicChange[];
  /** When a broker ended, however. */
  endsMs: readonly number[];
  /** When power was lost. */
  powerLossesMs: readonly number[];
  /** When bits of a topic's records last flipped on the disk. */
  damagesMs?: ReadonlyMap<string, number>;
  /** Until when records of a `topic-partition` may have gone by an unclean election. */
  readonly uncleanMs?: ReadonlyMap<string, number>;
  /** By `topic-partition`. */
  readonly logs: Map<string, FinalLog>;
  /** Committed offsets in the end, by group, then by `topic-partition`. */
  readonly committed: Map<string, ReadonlyMap<string, number>>;
}
