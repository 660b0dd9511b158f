/**
 * Records onto stdout, and the offsets of those that arrived there. It never
 * commits a record that has not been written in full.
 *
 * @module
 */
import type {
  Consumer,
  ConsumerRecord,
  ErrorName,
  KafkaError,
  TopicPartition,
} from "../net/client.ts";
import { ByteSink } from "./byte_sink.ts";
import type { PrintRecord } from "./record_format.ts";
import type { KeepRecord } from "./selection.ts";
import { BrokenPipe, writeOut } from "./terminal.ts";

const FLUSH_BYTES = 256 * 1024;

interface Written {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
}

/** Only the next poll can finish a rebalance, or say what was lost. */
const FOR_POLL: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "FENCED_MEMBER_EPOCH",
  "ILLEGAL_GENERATION",
  "REBALANCE_IN_PROGRESS",
  "STALE_MEMBER_EPOCH",
  "UNKNOWN_MEMBER_ID",
]);

function isForPoll(error: unknown): boolean {
  return error instanceof Error && error.name === "KafkaError" &&
    FOR_POLL.has((error as KafkaError).error);
}

/** Records of one batch that lie in the sink, not yet on stdout. */
interface Pending {
  readonly records: readonly ConsumerRecord[];
  readonly from: number;
  readonly to: number;
  /** How many of them are printed. */
  readonly kept: number;
}

/**
 * Prints and keeps account.
 *
 * 1. `#written` names only records that stdout has taken in full.
 * 2. `#pending` covers exactly the records whose bytes lie in the sink.
 */
export class Delivery {
  /** Records written, without those that were not wanted. */
  records = 0;
  /** Bytes written. */
  bytes = 0;
  readonly #consumer: Consumer | undefined;
  readonly #print: PrintRecord;
  readonly #keeps: KeepRecord | undefined;
  readonly #limit: number;
  readonly #sink = new ByteSink(2 * FLUSH_BYTES);
  #pending: Pending[] = [];
  #taken = 0;
  readonly #written = new Map<string, Written>();

  /** Without a consumer nothing is committed. */
  constructor(
    consumer: Consumer | undefined,
    options: {
      print: PrintRecord;
      limit: number;
      keeps?: KeepRecord | undefined;
    },
  ) {
    this.#consumer = consumer;
    this.#print = options.print;
    this.#keeps = options.keeps;
    this.#limit = options.limit;
  }

  /** Whether the limit is reached. */
  get isFull(): boolean {
    return this.#taken >= this.#limit;
  }

  /** Prints records below `endOffset` into the buffer, up to the limit. */
  write(records: readonly ConsumerRecord[], endOffset: number): void {
    let from = 0;
    let kept = 0;
    let i = 0;
    for (; i < records.length && !this.isFull; i++) {
      const record = records[i]!;
      if (record.offset >= endOffset) break;
      if (this.#keeps !== undefined && !this.#keeps(record)) continue;
      this.#print(record, this.#sink);
      this.#taken++;
      kept++;
      if (this.#sink.length < FLUSH_BYTES) continue;
      this.#pending.push({ records, from, to: i + 1, kept });
      from = i + 1;
      kept = 0;
      this.flush();
    }
    if (from < i) this.#pending.push({ records, from, to: i, kept });
  }

  /** Writes the buffer to stdout; throws `BrokenPipe`. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    const bytes = this.#sink.view();
    this.#sink.length = 0;
    try {
      if (bytes.length > 0) writeOut(bytes);
    } catch (error) {
      if (error instanceof BrokenPipe) {
        this.#countPartial(pending, error.bytesWritten);
      }
      throw error;
    }
    this.bytes += bytes.length;
    for (const { records, to, kept } of pending) {
      this.records += kept;
      this.#note(records[to - 1]!);
    }
  }

  /**
   * Commits what was written since the last commit. False when the group is being
   * divided: the next poll tells what is still to be committed here.
   */
  async commit(): Promise<boolean> {
    if (this.#consumer === undefined || this.#written.size === 0) return true;
    const written = new Map(this.#written);
    try {
      await this.#consumer.commit([...written.values()]);
    } catch (error) {
      if (isForPoll(error)) return false;
      throw error;
    }
    for (const [name, each] of written) {
      if (this.#written.get(name) === each) this.#written.delete(name);
    }
    return true;
  }

  /** Partitions that others own now: committing them would be wrong. */
  forget(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      this.#written.delete(`${topic}-${partition}`);
    }
  }

  /** Prints again, to find out which records the lost reader has taken whole. */
  #countPartial(pending: readonly Pending[], bytesWritten: number): void {
    const sink = new ByteSink();
    let total = 0;
    for (const { records, from, to } of pending) {
      for (let i = from; i < to; i++) {
        const record = records[i]!;
        if (this.#keeps === undefined || this.#keeps(record)) {
          sink.length = 0;
          this.#print(record, sink);
          total += sink.length;
          if (total > bytesWritten) return;
          this.records++;
        }
        this.#note(record);
      }
    }
  }

  #note(record: ConsumerRecord): void {
    const { topic, partition, offset, leaderEpoch } = record;
    this.#written.set(`${topic}-${partition}`, {
      topic,
      partition,
      offset: offset + 1,
      leaderEpoch,
    });
  }
}
