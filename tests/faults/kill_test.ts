/**
 * `kill -9` of a real broker at random moments under load. Four idempotent
 * producers and a consumer group live through every kill; afterwards the
 * whole log is read and held against what was acknowledged. The number of
 * rounds is `KF_KILL_ROUNDS` (10 when unset), the seed `KF_SEED`.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  type Consumer,
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import {
  type BrokerProcess,
  seeded,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const TOPIC = "kills";
const GROUP = "survivors";
const PARTITIONS = 3;
const PRODUCERS = 4;
const IN_FLIGHT_MAX = 200;
const DECODER = new TextDecoder();

interface Acknowledged {
  readonly partition: number;
  readonly offset: number;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends unique values until told to stop; keeps what was acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, Acknowledged>();
  readonly failed: string[] = [];
  readonly #producer: Producer;
  #inFlight = 0;
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(readonly id: number, address: string) {
    this.#producer = createProducer({
      "bootstrap.servers": address,
      "linger.ms": 1,
      "delivery.timeout.ms": 120_000,
    });
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stopping; n++) {
      const value = `${this.id}:${n}`;
      this.#inFlight++;
      this.#producer.append(
        { topic: TOPIC, key: String(n % 17), value },
        (error, metadata) => {
          this.#inFlight--;
          if (error) this.failed.push(`${value}: ${error.message}`);
          else this.acknowledged.set(value, metadata!);
        },
      );
      await this.#producer.ready();
      if (n % 20 === 19) await pause(1);
      while (this.#inFlight >= IN_FLIGHT_MAX && !this.#stopping) await pause(2);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.#producer.close();
  }
}

/** A group member that commits what it read; keeps the last commit that succeeded. */
class Reader {
  readonly committed = new Map<number, number>();
  readonly #consumer: Consumer;
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(address: string) {
    this.#consumer = createConsumer({
      "bootstrap.servers": address,
      "group.id": GROUP,
      "auto.offset.reset": "earliest",
      "enable.auto.commit": false,
    });
    this.#consumer.subscribe([TOPIC]);
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const positions = new Map<number, number>();
    while (!this.#stopping) {
      try {
        for (const { partition, records } of await this.#consumer.poll(100)) {
          const last = records.at(-1);
          if (last) positions.set(partition, last.offset + 1);
        }
        const offsets = [...positions].map(([partition, offset]) => ({
          topic: TOPIC,
          partition,
          offset,
        }));
        if (offsets.length === 0) continue;
        await this.#consumer.commit(offsets);
        for (const { partition, offset } of offsets) {
          this.committed.set(partition, offset);
        }
      } catch {
        await pause(5); // the broker is down: the next round finds it again
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.#consumer.close();
  }
}

/** Every record of the topic, per partition, in log order. */
async function readBack(
  address: string,
): Promise<Map<number, Map<number, string>>> {
  const consumer = createConsumer({ "bootstrap.servers": address });
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({
    topic: TOPIC,
    partition,
  }));
  const ends = await consumer.endOffsets(partitions);
  let missing = ends.reduce((sum, end) => sum + end.offset, 0);
  consumer.assign(partitions);
  for (const each of partitions) consumer.seek(each, "earliest");
  const read = new Map(
    partitions.map((each) => [each.partition, new Map<number, string>()]),
  );
  while (missing > 0) {
    for (const { partition, records } of await consumer.poll(1000)) {
      missing -= records.length;
      for (const record of records) {
        read.get(partition)!.set(record.offset, DECODER.decode(record.value!));
      }
    }
  }
  await consumer.close();
  return read;
}

function check(
  read: Map<number, Map<number, string>>,
  writers: Writer[],
): void {
  const seen = new Set<string>();
  for (const [partition, records] of read) {
    let next = 0;
    for (const [offset, value] of records) {
      assertEquals(
        offset,
        next,
        `offsets of partition ${partition} are contiguous`,
      );
      next++;
      assert(!seen.has(value), `${value} is there once`);
      seen.add(value);
    }
  }
  for (const writer of writers) {
    assertEquals(writer.failed, [], "no send failed for good");
    for (const [value, { partition, offset }] of writer.acknowledged) {
      assertEquals(
        read.get(partition)!.get(offset),
        value,
        "an acknowledged record is where it was",
      );
    }
  }
}

async function checkGroup(address: string, reader: Reader): Promise<void> {
  const admin = createAdmin({ "bootstrap.servers": address });
  const offsets = await admin.listGroupOffsets(GROUP);
  await admin.close();
  for (const [partition, committed] of reader.committed) {
    const found = offsets.find((each) =>
      each.topic === TOPIC && each.partition === partition
    );
    assert(
      found && found.offset >= committed,
      `partition ${partition}: committed ${committed}, found ${found?.offset}`,
    );
  }
}

Deno.test("acknowledged records, sequences and commits survive kill -9", async () => {
  const rounds = Number(Deno.env.get("KF_KILL_ROUNDS") ?? 10);
  const seed = Number(Deno.env.get("KF_SEED") ?? Date.now() % 1_000_000);
  // deno-lint-ignore no-console
  console.log(`kill -9: ${rounds} rounds, KF_SEED=${seed}`);
  const random = seeded(seed);
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const args = [
    "-X",
    "group.initial.rebalance.delay.ms=0",
    "-X",
    "log.segment.bytes=1048576",
  ];
  let broker: BrokerProcess = await startBrokerProcess({ data, args });
  const { address, port } = broker;
  try {
    const admin = createAdmin({ "bootstrap.servers": address });
    await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
    await admin.close();
    const writers = Array.from(
      { length: PRODUCERS },
      (_, id) => new Writer(id, address),
    );
    const reader = new Reader(address);
    for (let round = 0; round < rounds; round++) {
      await pause(50 + random() * 350);
      await broker.end("SIGKILL");
      broker = await startBrokerProcess({ data, port, args });
    }
    assertStringIncludes(broker.stderr(), "after an unclean stop");
    await until("the group commits again", () => reader.committed.size > 0);
    await Promise.all(writers.map((writer) => writer.stop()));
    await reader.stop();
    const read = await readBack(address);
    check(read, writers);
    assert(
      writers.every((writer) => writer.acknowledged.size > 0),
      "every producer made progress",
    );
    await checkGroup(address, reader);
    const total = writers.reduce(
      (sum, { acknowledged }) => sum + acknowledged.size,
      0,
    );
    // deno-lint-ignore no-console
    console.log(`kill -9: ${total} records acknowledged, all there`);
    assertEquals(await broker.end("SIGTERM"), 0);
  } finally {
    await broker[Symbol.asyncDispose]();
  }
});
