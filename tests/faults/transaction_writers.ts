/**
 * Producers that end one transaction after the other whatever happens to the
 * broker, readers of what is committed, and the check that each transaction is
 * there as a whole or not at all, as its producer was told. Owns no broker and
 * no disaster.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
  type TopicPartition,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";
import type { Anomaly } from "../sim/checker.ts";
import { pause } from "./host.ts";

const TOPIC = "whole";
const PARTITIONS = 3;
/** Records of one transaction, spread over the partitions. */
const RECORDS = 7;
const ANOMALIES_MAX = 5;
const DECODER = new TextDecoder();

/** Where the broker is, and how clients bear with it. */
export interface At {
  readonly address: string;
  readonly properties?: Readonly<Record<string, number>>;
  /** How long things may take to settle; default: as long as tests wait. */
  readonly settledMs?: number;
}

type Outcome = "committed" | "aborted" | "unknown";

const PARTITION_LIST = Array.from(
  { length: PARTITIONS },
  (_, partition) => ({ topic: TOPIC, partition }),
);

/** Makes the topic that writers write to. */
export async function createTopic(at: At): Promise<void> {
  const admin = createAdmin(propertiesOf(at));
  await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
  await admin.close();
}

function propertiesOf({ address, properties = {} }: At) {
  return { ...properties, "bootstrap.servers": address };
}

/** Ends one transaction after the other; keeps what it was told of each. */
export class Writer {
  readonly id: number;
  readonly outcomes: Outcome[] = [];
  readonly #at: At;
  readonly #mayAbort: () => boolean;
  readonly #running: Promise<void>;
  #isAsked = false;

  /** `mayAbort` decides how each transaction ends. */
  constructor(
    id: number,
    { mayAbort, ...at }: At & { readonly mayAbort: () => boolean },
  ) {
    this.id = id;
    this.#at = at;
    this.#mayAbort = mayAbort;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isAsked) {
      const producer = createProducer({
        ...propertiesOf(this.#at),
        "transactional.id": `writer-${this.id}`,
        "linger.ms": 1,
        "delivery.timeout.ms": 60_000,
        "max.block.ms": 60_000,
      });
      try {
        await producer.initTransactions();
        while (!this.#isAsked) await this.#transact(producer);
      } catch {
        // Its state can't go on: another one takes the name over.
        await pause(10);
      } finally {
        await producer.close();
      }
    }
  }

  /** One transaction; throws when the producer is of no more use. */
  async #transact(producer: Producer): Promise<void> {
    const number = this.outcomes.push("unknown") - 1;
    producer.beginTransaction();
    for (let i = 0; i < RECORDS; i++) {
      const value = `${this.id}:${number}:${i}`;
      producer.append({ topic: TOPIC, partition: i % PARTITIONS, value });
    }
    if (this.#mayAbort()) {
      await producer.abortTransaction();
      this.outcomes[number] = "aborted";
      return;
    }
    await producer.commitTransaction();
    this.outcomes[number] = "committed";
  }
}

/** Reads what is committed, all the time; values per partition, in order. */
class Reader {
  readonly values: string[][] = PARTITION_LIST.map(() => []);
  readonly #positions = PARTITION_LIST.map(() => 0);
  readonly #at: At;
  readonly #running: Promise<void>;
  #isAsked = false;

  constructor(at: At) {
    this.#at = at;
    this.#running = this.#run();
  }

  /** Stops when it has read up to `ends`. */
  async stop(ends: readonly number[]): Promise<void> {
    await until(
      "the reader has read everything",
      () => this.#positions.every((position, i) => position >= ends[i]!),
      this.#at.settledMs,
    );
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const consumer = createConsumer({
      ...propertiesOf(this.#at),
      "isolation.level": "read_committed",
    });
    consumer.assign(PARTITION_LIST);
    for (const each of PARTITION_LIST) consumer.seek(each, "earliest");
    while (!this.#isAsked) {
      try {
        for (const { partition, records } of await consumer.poll(100)) {
          const values = records.map(({ value }) => DECODER.decode(value!));
          this.values[partition]!.push(...values);
        }
        for (const [i, each] of PARTITION_LIST.entries()) {
          this.#positions[i] = await consumer.position(each);
        }
      } catch {
        await pause(10); // the broker is down: the next one finds it again
      }
    }
    await consumer.close();
  }
}

/** Where `partitions` end, once no transaction is open any more. */
export async function settledEnds(
  at: At,
  partitions: readonly TopicPartition[],
): Promise<readonly number[]> {
  let ends: readonly number[] = [];
  await until("no transaction is open any more", async () => {
    const [stable, all] = await Promise.all(
      ["read_committed", "read_uncommitted"].map((isolation) =>
        endsOf(at, { isolation, partitions })
      ),
    );
    ends = stable!;
    return String(stable) === String(all);
  }, at.settledMs);
  return ends;
}

async function endsOf(
  at: At,
  { isolation, partitions }: {
    readonly isolation: string;
    readonly partitions: readonly TopicPartition[];
  },
): Promise<number[]> {
  const consumer = createConsumer({
    ...propertiesOf(at),
    "isolation.level": isolation,
  });
  try {
    const ends = await consumer.endOffsets(partitions);
    return ends.map(({ offset }) => offset);
  } finally {
    await consumer.close();
  }
}

/** What is wrong with what a reader of committed records saw. */
function judged(
  when: string,
  values: readonly string[][],
  writers: readonly Writer[],
): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const found = new Map<string, number>();
  for (const each of values) {
    const last = new Map<string, number>();
    for (const value of each) {
      const [id, number, i] = value.split(":") as [string, string, string];
      const order = Number(number) * RECORDS + Number(i);
      if (order <= (last.get(id) ?? -1)) {
        const what = `${value} is read ${when} after ${last.get(id)}`;
        anomalies.push({ name: "duplicate", what });
      }
      last.set(id, order);
      const name = `${id}:${number}`;
      found.set(name, (found.get(name) ?? 0) + 1);
    }
  }
  for (const { id, outcomes } of writers) {
    for (const [number, outcome] of outcomes.entries()) {
      const count = found.get(`${id}:${number}`) ?? 0;
      const name = anomalyOf(outcome, count);
      const what = `${id}:${number} is ${outcome}, read ${when} in ${count}`;
      if (name !== undefined) anomalies.push({ name, what });
    }
  }
  return anomalies.slice(0, ANOMALIES_MAX);
}

function anomalyOf(outcome: Outcome, count: number): string | undefined {
  if (outcome === "aborted" && count > 0) return "G1a";
  if (outcome === "committed" && count < RECORDS) return "lost-write";
  return count > 0 && count !== RECORDS ? "torn-transaction" : undefined;
}

/** How many transactions ended so. */
function countOf(writers: readonly Writer[], wanted: Outcome): number {
  return writers.flatMap(({ outcomes }) => outcomes)
    .filter((outcome) => outcome === wanted).length;
}

/** Throws unless every transaction of `writers` is whole; says how many ended how. */
export async function checkWhole(
  at: At,
  writers: readonly Writer[],
): Promise<string> {
  const ends = await settledEnds(at, PARTITION_LIST);
  const reader = new Reader(at);
  await reader.stop(ends);
  assertEquals(judged("in the end", reader.values, writers), []);
  const count = (outcome: Outcome) => countOf(writers, outcome);
  assert(count("committed") > 0 && count("aborted") > 0, "all made progress");
  return `${count("committed")} committed, ${count("aborted")} aborted, ` +
    `${count("unknown")} not told`;
}
