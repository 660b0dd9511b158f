/**
 * Transactions that live through every fault: producers that commit and abort,
 * and a reader of committed records beside them. In the end each transaction
 * must be there as a whole or not at all, as its producer was told, and the
 * reader must have seen just that.
 *
 * @module
 */
import {
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import type { Chance } from "../sim/chance.ts";
import { until } from "../fixtures.ts";
import type { Anomaly } from "../sim/checker.ts";
import { type Host, pause } from "./host.ts";
import type { Load, Verdict } from "./load.ts";

const TOPIC = "whole";
const PARTITIONS = 3;
const WRITERS = 3;
/** Records of one transaction, spread over the partitions. */
const RECORDS = 7;
const DECODER = new TextDecoder();
const SETTLED_MS = 90_000;

const CLIENT = { "request.timeout.ms": 3000, "retry.backoff.ms": 20 };

const PARTITION_LIST = Array.from(
  { length: PARTITIONS },
  (_, partition) => ({ topic: TOPIC, partition }),
);

type Ending = "committed" | "aborted" | "unknown";

/** Ends one transaction after the other; keeps what it was told of each. */
class Writer {
  readonly id: number;
  readonly endings: Ending[] = [];
  readonly #address: string;
  readonly #chance: Chance;
  readonly #running: Promise<void>;
  #isAsked = false;

  constructor(
    id: number,
    { address, chance }: { readonly address: string; readonly chance: Chance },
  ) {
    this.id = id;
    this.#address = address;
    this.#chance = chance;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isAsked) {
      const producer = createProducer({
        ...CLIENT,
        "bootstrap.servers": this.#address,
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
    const number = this.endings.push("unknown") - 1;
    producer.beginTransaction();
    for (let i = 0; i < RECORDS; i++) {
      const value = `${this.id}:${number}:${i}`;
      producer.append({ topic: TOPIC, partition: i % PARTITIONS, value });
    }
    if (this.#chance.oneIn(3)) {
      await producer.abortTransaction();
      this.endings[number] = "aborted";
      return;
    }
    await producer.commitTransaction();
    this.endings[number] = "committed";
  }
}

/** Reads what is committed, all the time; values per partition, in order. */
class Reader {
  readonly values: string[][] = PARTITION_LIST.map(() => []);
  readonly #ends = PARTITION_LIST.map(() => 0);
  readonly #address: string;
  readonly #running: Promise<void>;
  #isAsked = false;

  constructor(address: string) {
    this.#address = address;
    this.#running = this.#run();
  }

  /** Stops when it has read up to `ends`. */
  async stop(ends: readonly number[]): Promise<void> {
    await until(
      "the reader has read everything",
      () => this.#ends.every((end, i) => end >= ends[i]!),
      SETTLED_MS,
    );
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const consumer = createConsumer({
      ...CLIENT,
      "bootstrap.servers": this.#address,
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
          this.#ends[i] = await consumer.position(each);
        }
      } catch {
        await pause(10); // the broker is down: the next one finds it again
      }
    }
    await consumer.close();
  }
}

/** Where committed records end, and where all do. */
async function endsOf(address: string, isolation: string): Promise<number[]> {
  const consumer = createConsumer({
    ...CLIENT,
    "bootstrap.servers": address,
    "isolation.level": isolation,
  });
  try {
    const ends = await consumer.endOffsets(PARTITION_LIST);
    return ends.map(({ offset }) => offset);
  } finally {
    await consumer.close();
  }
}

/** Transactions alone. */
export class TransactionLoad implements Load {
  /** What was told to be committed must be so after a loss of power, too. */
  static readonly args = [
    ...["-X", "log.flush.interval.messages=1"],
    ...["-X", "transaction.state.log.num.partitions=3"],
  ];
  readonly #host: Host;
  readonly #chance: Chance;
  readonly #writers: Writer[] = [];
  #reader: Reader | undefined;
  #seen = 0;

  constructor(host: Host, chance: Chance) {
    this.#host = host;
    this.#chance = chance;
  }

  async start(): Promise<void> {
    const { address } = this.#host;
    const admin = createAdmin({ ...CLIENT, "bootstrap.servers": address });
    await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
    await admin.close();
    for (let id = 0; id < WRITERS; id++) {
      this.#writers.push(new Writer(id, { address, chance: this.#chance }));
    }
    this.#reader = new Reader(address);
    await until("transactions are committed", () => this.hasMoved());
  }

  hasMoved(): boolean {
    const before = this.#seen;
    this.#seen = this.#count("committed");
    return this.#seen > before;
  }

  #count(wanted: Ending): number {
    return this.#writers.flatMap(({ endings }) => endings)
      .filter((ending) => ending === wanted).length;
  }

  async finish(): Promise<Verdict> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    const { address } = this.#host;
    await until("no transaction is open any more", async () => {
      const stable = await endsOf(address, "read_committed");
      const all = await endsOf(address, "read_uncommitted");
      return String(stable) === String(all);
    }, SETTLED_MS);
    const ends = await endsOf(address, "read_committed");
    const late = new Reader(address);
    await Promise.all([this.#reader!.stop(ends), late.stop(ends)]);
    return {
      acknowledged: this.#count("committed") * RECORDS,
      anomalies: [
        ...judged("later", late.values, this.#writers),
        ...judged("meanwhile", this.#reader!.values, this.#writers),
      ],
      history: {
        endings: this.#writers.map(({ endings }) => endings),
        meanwhile: this.#reader!.values,
        later: late.values,
      },
    };
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
  for (const { id, endings } of writers) {
    for (const [number, ending] of endings.entries()) {
      const count = found.get(`${id}:${number}`) ?? 0;
      const what = `${id}:${number} is ${ending}, read ${when} in ${count}`;
      const wrong = ending === "aborted" && count > 0
        ? "G1a"
        : ending === "committed" && count < RECORDS
        ? "lost-write"
        : count > 0 && count !== RECORDS
        ? "torn-transaction"
        : undefined;
      if (wrong !== undefined) anomalies.push({ name: wrong, what });
    }
  }
  return anomalies.slice(0, 5);
}
