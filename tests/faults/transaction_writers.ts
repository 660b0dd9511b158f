/**
 * Producers that end one transaction after the other whatever happens to the
 * broker, and the check that each transaction is there as a whole or not at
 * all, as its producer was told. Owns no broker and no disaster.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";

const TOPIC = "whole";
const PARTITIONS = 3;
/** Records of one transaction, spread over the partitions. */
const RECORDS = 7;
const DECODER = new TextDecoder();

type Outcome = "committed" | "aborted" | "unknown";

/** Makes the topic that writers write to. */
export async function createTopic(address: string): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": address });
  await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
  await admin.close();
}

/** Ends one transaction after the other; keeps what it was told of each. */
export class Writer {
  readonly outcomes: Outcome[] = [];
  readonly #address: string;
  readonly #random: () => number;
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(
    readonly id: number,
    { address, random }: {
      readonly address: string;
      readonly random: () => number;
    },
  ) {
    this.#address = address;
    this.#random = random;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const producer = createProducer({
        "bootstrap.servers": this.#address,
        "transactional.id": `writer-${this.id}`,
        "linger.ms": 1,
        "delivery.timeout.ms": 60_000,
        "max.block.ms": 60_000,
      });
      try {
        await producer.initTransactions();
        while (!this.#stopping) await this.#transact(producer);
      } catch {
        // Its state can't go on: another one takes the name over.
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
    if (this.#random() < 0.3) {
      await producer.abortTransaction();
      this.outcomes[number] = "aborted";
      return;
    }
    await producer.commitTransaction();
    this.outcomes[number] = "committed";
  }
}

/** Where committed records end, and where all do. */
async function endsOf(address: string, isolation: string): Promise<number[]> {
  const consumer = createConsumer({
    "bootstrap.servers": address,
    "isolation.level": isolation,
  });
  const ends = await consumer.endOffsets(partitions());
  await consumer.close();
  return ends.map(({ offset }) => offset);
}

function partitions() {
  return Array.from({ length: PARTITIONS }, (_, partition) => ({
    topic: TOPIC,
    partition,
  }));
}

/** Every committed value, per partition, in the order of the log. */
async function readBack(address: string): Promise<string[][]> {
  const consumer = createConsumer({
    "bootstrap.servers": address,
    "isolation.level": "read_committed",
  });
  consumer.assign(partitions());
  for (const each of partitions()) consumer.seek(each, "earliest");
  const ends = await consumer.endOffsets(partitions());
  const read: string[][] = partitions().map(() => []);
  await until("everything is read", async () => {
    for (const { partition, records } of await consumer.poll(200)) {
      for (const { value } of records) {
        read[partition]!.push(DECODER.decode(value!));
      }
    }
    const positions = await Promise.all(
      partitions().map((each) => consumer.position(each)),
    );
    return positions.every((position, i) => position >= ends[i]!.offset);
  });
  await consumer.close();
  return read;
}

function check(read: readonly string[][], writers: readonly Writer[]): void {
  const found = new Map<string, number>();
  for (const values of read) {
    const last = new Map<string, number>();
    for (const value of values) {
      const [id, number, i] = value.split(":") as [string, string, string];
      const order = Number(number) * RECORDS + Number(i);
      assert(order > (last.get(id) ?? -1), `${value} is in its order, once`);
      last.set(id, order);
      const name = `${id}:${number}`;
      found.set(name, (found.get(name) ?? 0) + 1);
    }
  }
  for (const { id, outcomes } of writers) {
    outcomes.forEach((outcome, number) => {
      const count = found.get(`${id}:${number}`) ?? 0;
      const said = `${id}:${number} is ${outcome} and has ${count} records`;
      if (outcome === "committed") assertEquals(count, RECORDS, said);
      else if (outcome === "aborted") assertEquals(count, 0, said);
      else assert(count === 0 || count === RECORDS, said);
    });
  }
}

/** Throws unless every transaction of `writers` is whole; says how many ended how. */
export async function checkWhole(
  address: string,
  writers: readonly Writer[],
): Promise<string> {
  await until("no transaction is open any more", async () => {
    const stable = await endsOf(address, "read_committed");
    const all = await endsOf(address, "read_uncommitted");
    return String(stable) === String(all);
  });
  check(await readBack(address), writers);
  const told = writers.flatMap(({ outcomes }) => outcomes);
  const count = (outcome: Outcome) =>
    told.filter((each) => each === outcome).length;
  assert(count("committed") > 0 && count("aborted") > 0, "all made progress");
  return `${count("committed")} committed, ${count("aborted")} aborted, ` +
    `${count("unknown")} not told`;
}
