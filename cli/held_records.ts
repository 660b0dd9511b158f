/**
 * Records that can't be printed as they come: the last N, the latest of each
 * key, partitions merged by time. What each holds is bounded; beyond the bound
 * it says what would need less. It never reads and never prints.
 *
 * @module
 */
import type { ConsumerRecord, TopicPartition } from "../net/client.ts";
import type { KeepRecord } from "./selection.ts";
import { formatBytes } from "./units.ts";

/** What may be held in all; beyond it a command fails or reads more slowly. */
const HELD_BYTES_MAX = 256 * 1024 * 1024;
const MERGED_BYTES_MAX = 64 * 1024 * 1024;
/** An object, its views and its place in a list. */
const RECORD_OVERHEAD_BYTES = 256;

function sizeOf({ key, value, headers }: ConsumerRecord): number {
  let size = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const { key, value } of headers) {
    size += key.length + (value?.length ?? 0);
  }
  return size;
}

/** The record apart from the fetched bytes, which would all be kept for it. */
function copyOf(record: ConsumerRecord): ConsumerRecord {
  return {
    ...record,
    key: record.key?.slice() ?? null,
    value: record.value?.slice() ?? null,
    headers: record.headers.map(({ key, value }) => ({
      key,
      value: value?.slice() ?? null,
    })),
  };
}

function refuseMore(bytes: number, flag: string): void {
  if (bytes <= HELD_BYTES_MAX) return;
  throw new Error(
    `Cannot hold more than ${
      formatBytes(HELD_BYTES_MAX)
    } of records for ${flag}: read less with -o, --to, -p or --filter`,
  );
}

/** By time; where it is equal, by topic, partition and offset. */
function byTime(a: ConsumerRecord, b: ConsumerRecord): number {
  return a.timestamp - b.timestamp || byPlace(a, b);
}

function byPlace(a: ConsumerRecord, b: ConsumerRecord): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition || a.offset - b.offset;
}

/** What is held until all is read. */
export interface Held {
  /** Takes records of one partition, in order. */
  take(records: readonly ConsumerRecord[]): void;
  /** What was held, in the order in which it is to be printed. */
  release(): ConsumerRecord[];
}

/**
 * The last records of all partitions together.
 *
 * 1. No partition's list is much longer than twice `count`.
 */
export class Tail implements Held {
  readonly #count: number;
  readonly #keeps: KeepRecord;
  readonly #lists = new Map<string, ConsumerRecord[]>();
  #bytes = 0;

  constructor(count: number, keeps: KeepRecord) {
    this.#count = count;
    this.#keeps = keeps;
  }

  take(records: readonly ConsumerRecord[]): void {
    const [first] = records;
    if (first === undefined) return;
    const name = `${first.topic}-${first.partition}`;
    const list = this.#lists.get(name) ?? [];
    this.#lists.set(name, list);
    for (const record of records) {
      if (!this.#keeps(record)) continue;
      list.push(copyOf(record));
      this.#bytes += sizeOf(record);
      // Now and then: what lies behind would be moved for every record.
      if (list.length >= 2 * this.#count + 64) this.#cut(list);
    }
    refuseMore(this.#bytes, "--tail");
  }

  #cut(list: ConsumerRecord[]): void {
    const excess = Math.max(0, list.length - this.#count);
    for (const record of list.splice(0, excess)) this.#bytes -= sizeOf(record);
  }

  /** Whether every one of so many partitions has as many as could be wanted. */
  isFull(partitions: number): boolean {
    const lists = [...this.#lists.values()];
    return lists.filter((list) => list.length >= this.#count).length >=
      partitions;
  }

  /** Forgets everything: it is read again from farther back. */
  clear(): void {
    this.#lists.clear();
    this.#bytes = 0;
  }

  release(): ConsumerRecord[] {
    const all = [...this.#lists.values()].flat().sort(byTime);
    this.clear();
    return all.slice(Math.max(0, all.length - this.#count));
  }
}

/** The latest record of each key; a tombstone takes its key away. */
export class LatestPerKey implements Held {
  readonly #isByTime: boolean;
  readonly #keeps: KeepRecord;
  readonly #latest = new Map<string, ConsumerRecord>();
  #bytes = 0;

  /** `keeps` judges the latest records, so that an older one never shows. */
  constructor(keeps: KeepRecord, options: { isByTime: boolean }) {
    this.#keeps = keeps;
    this.#isByTime = options.isByTime;
  }

  take(records: readonly ConsumerRecord[]): void {
    for (const record of records) {
      if (record.key === null) continue;
      const name = `${record.topic}:${record.key.toBase64()}`;
      const before = this.#latest.get(name);
      if (before !== undefined) {
        if (isOlder(record, before)) continue;
        this.#bytes -= sizeOf(before);
        this.#latest.delete(name);
      }
      this.#latest.set(name, copyOf(record));
      this.#bytes += sizeOf(record);
    }
    refuseMore(this.#bytes, "--latest-per-key");
  }

  release(): ConsumerRecord[] {
    const found = [...this.#latest.values()]
      .filter((record) => record.value !== null && this.#keeps(record))
      .sort(this.#isByTime ? byTime : byPlace);
    this.#latest.clear();
    this.#bytes = 0;
    return found;
  }
}

/** A key that moved between partitions: only time says what came later. */
function isOlder(record: ConsumerRecord, before: ConsumerRecord): boolean {
  return record.partition !== before.partition &&
    record.timestamp < before.timestamp;
}

interface Queue {
  readonly at: TopicPartition;
  /** Records, each with the latest time up to it in its partition. */
  readonly waiting: { record: ConsumerRecord; timeMs: number }[];
  /** The latest time that was read, wanted or not. */
  timeMs: number;
}

/**
 * Partitions merged by time. A partition's own order is never changed: a
 * record that is older than the one before it comes right after that one.
 *
 * 1. A record is released when no partition that goes on could bring an
 *    earlier one.
 */
export class Merge {
  readonly #keeps: KeepRecord;
  readonly #queues = new Map<string, Queue>();
  #bytes = 0;

  constructor(keeps: KeepRecord) {
    this.#keeps = keeps;
  }

  /** Takes records of one partition, in order. */
  take(records: readonly ConsumerRecord[]): void {
    const [first] = records;
    if (first === undefined) return;
    const queue = this.#queueOf(first);
    for (const record of records) {
      queue.timeMs = Math.max(queue.timeMs, record.timestamp);
      if (!this.#keeps(record)) continue;
      queue.waiting.push({ record, timeMs: queue.timeMs });
      this.#bytes += sizeOf(record);
    }
  }

  #queueOf({ topic, partition }: TopicPartition): Queue {
    const name = `${topic}-${partition}`;
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const at = { topic, partition };
    const queue = { at, waiting: [], timeMs: -Infinity };
    this.#queues.set(name, queue);
    return queue;
  }

  /** What is due while the partitions `open` are still being read. */
  release(open: readonly TopicPartition[]): ConsumerRecord[] {
    let limit: Queue | undefined;
    for (const at of open) {
      const queue = this.#queueOf(at);
      if (limit === undefined || isBefore(queue, limit)) limit = queue;
    }
    const due: { record: ConsumerRecord; timeMs: number }[] = [];
    for (const queue of this.#queues.values()) {
      const { waiting } = queue;
      let count = 0;
      while (
        count < waiting.length &&
        (limit === undefined || queue === limit ||
          isBefore({ at: queue.at, timeMs: waiting[count]!.timeMs }, limit))
      ) count++;
      due.push(...waiting.splice(0, count));
    }
    due.sort((a, b) => a.timeMs - b.timeMs || byPlace(a.record, b.record));
    for (const { record } of due) this.#bytes -= sizeOf(record);
    return due.map(({ record }) => record);
  }

  /**
   * Of `open`, those whose records would only add to what waits. The one that
   * the others wait for has nothing waiting, so reading goes on.
   */
  ahead(open: readonly TopicPartition[]): TopicPartition[] {
    if (this.#bytes <= MERGED_BYTES_MAX) return [];
    return open.filter((at) => this.#queueOf(at).waiting.length > 0);
  }
}

function isBefore(
  a: Pick<Queue, "at" | "timeMs">,
  b: Pick<Queue, "at" | "timeMs">,
): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  if (a.at.topic !== b.at.topic) return a.at.topic < b.at.topic;
  return a.at.partition < b.at.partition;
}
