/**
 * Records into the partitions they had, so that a run that was killed can be
 * gone on from. The topic itself is the state: it says how many records of
 * each partition have arrived since the offset at which the first run began.
 * So many are skipped, and the last of them must be the one that the topic
 * ends with; otherwise somebody else has written, and nothing is done.
 *
 * What this gives: the producer is idempotent and stops at the first failure,
 * so what arrived is a prefix of what was sent, without gap or duplicate,
 * also when brokers restart. Kafka can't tell a new run that a request of the
 * killed one is still under way; if one arrives late, the count at the end
 * says so. It must be the only writer; transactions would be needed for more.
 *
 * @module
 */
import type {
  ConsumerRecord,
  KafkaError,
  OnDone,
  Producer,
  TopicPartition,
} from "../net/client.ts";
import { withAdmin } from "./cluster.ts";
import { isSame } from "./ledger.ts";
import { type Creation, openConsumer, readToEnds } from "./reading.ts";
import { openProducer } from "./sending.ts";
import { commonProperties, type Settings } from "./settings.ts";

/** Whatever the source's topic allowed, the target's is to judge. */
const REQUEST_BYTES_MAX = 64 * 1024 * 1024;

/** Where records are to land. */
export interface Target {
  readonly topic: string;
  readonly topicId: string;
  /** End offsets by partition. */
  readonly ends: readonly number[];
}

/** A record to write. */
export interface LandingRecord {
  readonly partition: number;
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers:
    | readonly (readonly [string, Uint8Array | string | null])[]
    | undefined;
  readonly timestamp: number | undefined;
}

/** What has arrived: of which partition, up to where, and the record's tag. */
export type OnLanded = (
  partition: number,
  nextOffset: number,
  tag: number,
) => void;

/** Finds the target, or creates it. */
export async function findTarget(
  settings: Settings,
  topic: string,
  creation: Creation,
): Promise<Target> {
  const common = { ...settings, properties: commonProperties(settings) };
  const found = await withAdmin(common, async (admin) => {
    const [there] = await admin.describeTopics([topic]);
    if (there?.error?.error !== "UNKNOWN_TOPIC_OR_PARTITION") return there;
    const [made] = await admin.createTopics([{ name: topic, ...creation }]);
    if (made?.error === undefined) return made;
    // Another kf was as quick.
    if (made.error.error !== "TOPIC_ALREADY_EXISTS") throw made.error;
    return (await admin.describeTopics([topic]))[0];
  });
  if (found?.error !== undefined) throw found.error;
  const { topicId, partitions } = found!;
  // Its leaders may not know yet that they are: it is empty for certain.
  if (typeof partitions === "number") {
    return { topic, topicId, ends: new Array(partitions).fill(0) };
  }
  const consumer = await openConsumer(common);
  try {
    const ends: number[] = [];
    for (const at of await consumer.endOffsets(partitions)) {
      ends[at.partition] = at.offset;
    }
    return { topic, topicId, ends };
  } finally {
    await consumer.close();
  }
}

/** One partition of the target. */
interface Strip {
  /** Offset at which the records of all runs begin. */
  readonly start: number;
  /** Records of former runs. */
  readonly arrived: number;
  /** The last of them, where it can still be read. */
  readonly last: ConsumerRecord | undefined;
  /** Records handed in by this run, the skipped ones included. */
  count: number;
  /** One past the last offset that has arrived. */
  next: number;
}

/**
 * A run of records into a target.
 *
 * 1. Records of a partition are handed in from the first run's first one on,
 *    in the same order in every run.
 * 2. `failure` ends the run: what follows would leave a gap.
 */
export class Landing {
  /** Why it must end. */
  failure: KafkaError | undefined;
  /** Records that this run has written. */
  written = 0;
  readonly #settings: Settings;
  readonly #target: Target;
  readonly #producer: Producer;
  readonly #strips: readonly Strip[];
  readonly #onLanded: OnLanded;
  readonly #onDone: OnDone;

  private constructor(
    settings: Settings,
    { target, producer, strips, onLanded }: {
      target: Target;
      producer: Producer;
      strips: readonly Strip[];
      onLanded: OnLanded;
    },
  ) {
    this.#settings = settings;
    this.#target = target;
    this.#producer = producer;
    this.#strips = strips;
    this.#onLanded = onLanded;
    this.#onDone = (error, at, tag) => {
      if (error) this.failure ??= error;
      if (at === undefined || this.failure !== undefined) return;
      const strip = strips[at.partition]!;
      this.written++;
      // A repeated acknowledgement doesn't say where.
      strip.next = at.offset < 0 ? strip.next + 1 : at.offset + 1;
      onLanded(at.partition, strip.next, tag!);
    };
  }

  /** Begins at `starts`, the offsets at which the first run began. */
  static async open(
    settings: Settings,
    target: Target,
    options: { starts: readonly number[]; onLanded?: OnLanded },
  ): Promise<Landing> {
    const { starts, onLanded = () => {} } = options;
    const lasts = await lastRecords(settings, target, starts);
    const strips = target.ends.map((end, partition) => {
      const start = starts[partition] ?? end;
      if (end < start) {
        throw new Error(
          `Cannot go on: partition ${partition} of "${target.topic}" ends at offset ${end}, it had got to ${start} before`,
        );
      }
      return {
        start,
        arrived: end - start,
        last: lasts.get(partition),
        count: 0,
        next: start,
      };
    });
    const producer = await openProducer(settings, {
      "max.request.size": REQUEST_BYTES_MAX,
    });
    return new Landing(settings, { target, producer, strips, onLanded });
  }

  /** Whether a former run has left something. */
  get isResumed(): boolean {
    return this.#strips.some(({ arrived }) => arrived > 0);
  }

  /** Writes a record, or skips it because it has arrived before. */
  write(record: LandingRecord, tag: number): Promise<void> | undefined {
    const { partition, key, value, headers, timestamp } = record;
    const { topic } = this.#target;
    const strip = this.#strips[partition];
    if (strip === undefined) {
      throw new Error(
        `topic "${topic}" has ${this.#strips.length} partitions, there is no ${partition}`,
      );
    }
    strip.count++;
    if (strip.count <= strip.arrived) {
      const { last } = strip;
      if (strip.count === strip.arrived && last && !isLike(last, record)) {
        throw new Error(
          `Cannot go on: partition ${partition} of "${topic}" ends with another record than was written there, so somebody else writes to it`,
        );
      }
      strip.next++;
      this.#onLanded(partition, strip.next, tag);
      return undefined;
    }
    this.#producer.append(
      { topic, partition, key, value, headers, timestamp, tag },
      this.#onDone,
    );
    return this.#producer.ready();
  }

  /** Waits until everything handed in has arrived; throws when it has not. */
  async flush(): Promise<void> {
    await this.#producer.flush();
    if (this.failure !== undefined) throw this.failure;
  }

  /** Counts what lies in the target, once all of the source is handed in. */
  async finish(): Promise<void> {
    await this.flush();
    if (!this.isResumed) return;
    const { topic } = this.#target;
    const { ends } = await findTarget(this.#settings, topic, {});
    for (const [partition, { start, count }] of this.#strips.entries()) {
      const there = ends[partition]! - start;
      if (there === count) continue;
      throw new Error(
        `Cannot call this whole: partition ${partition} of "${topic}" got ${there} records instead of ${count}. Somebody else wrote to it, or a request of the killed run came late`,
      );
    }
  }

  /** Lets go of the cluster. */
  async close(): Promise<void> {
    await this.#producer.close(
      this.failure === undefined ? {} : { timeoutMs: 0 },
    );
  }
}

/** The records that partitions end with, of those that former runs wrote to. */
async function lastRecords(
  settings: Settings,
  { topic, ends }: Target,
  starts: readonly number[],
): Promise<Map<number, ConsumerRecord>> {
  const lasts = new Map<number, ConsumerRecord>();
  const partitions: TopicPartition[] = [];
  for (const [partition, end] of ends.entries()) {
    if (end > (starts[partition] ?? end)) partitions.push({ topic, partition });
  }
  if (partitions.length === 0) return lasts;
  const properties = commonProperties(settings);
  const consumer = await openConsumer({ ...settings, properties });
  try {
    await readToEnds(consumer, {
      partitions,
      starts: new Map(partitions.map((at) => [
        at.partition,
        ends[at.partition]! - 1,
      ])),
      stop: new AbortController().signal,
      take(records, partition) {
        lasts.set(partition, records[records.length - 1]!);
      },
    });
  } finally {
    await consumer.close();
  }
  return lasts;
}

/** Whether a record is what was to be written; its time may be the broker's. */
function isLike(there: ConsumerRecord, wanted: LandingRecord): boolean {
  const headers = wanted.headers ?? [];
  return isSame(there.key, bytesOf(wanted.key)) &&
    isSame(there.value, bytesOf(wanted.value)) &&
    there.headers.length === headers.length &&
    there.headers.every(({ key, value }, i) =>
      key === headers[i]![0] && isSame(value, bytesOf(headers[i]![1]))
    );
}

const encoder = new TextEncoder();

function bytesOf(field: Uint8Array | string | null): Uint8Array | null {
  return typeof field === "string" ? encoder.encode(field) : field;
}
