/**
 * `kill -9` of a real broker that compacts all the time: for each key the
 * newest acknowledged value, or a later one, is there afterwards, in order,
 * and the files are sound. Rounds are `KF_KILL_ROUNDS` (6 when unset), the
 * seed is `KF_SEED`.
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
import {
  type BrokerProcess,
  kf,
  seeded,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const TOPIC = "latest";
const KEYS = 30;
const IN_FLIGHT_MAX = 60;
const PADDING = "x".repeat(6000);
const DECODER = new TextDecoder();

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Counts up, each number under one of the keys. */
class Counter {
  /** The newest number of each key that was acknowledged. */
  readonly acknowledged = new Map<string, number>();
  readonly failed: string[] = [];
  readonly #producer: Producer;
  #inFlight = 0;
  #isStopping = false;
  readonly #running: Promise<void>;

  constructor(address: string) {
    this.#producer = createProducer({
      "bootstrap.servers": address,
      "delivery.timeout.ms": 120_000,
    });
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    await this.#producer.close();
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isStopping; n++) {
      const key = `key ${n % KEYS}`;
      this.#inFlight++;
      this.#producer.append(
        { topic: TOPIC, key, value: `${n} ${PADDING}` },
        (error) => {
          this.#inFlight--;
          if (error) this.failed.push(error.message);
          else this.acknowledged.set(key, n);
        },
      );
      await this.#producer.ready();
      if (n % 20 === 19) await pause(1);
      while (this.#inFlight >= IN_FLIGHT_MAX && !this.#isStopping) {
        await pause(2);
      }
    }
  }
}

/** The newest number of each key; those of a key must rise. */
async function readBack(address: string): Promise<Map<string, number>> {
  const consumer = createConsumer({ "bootstrap.servers": address });
  const place = { topic: TOPIC, partition: 0 };
  const [end] = await consumer.endOffsets([place]);
  consumer.assign([place]);
  consumer.seek(place, "earliest");
  const newest = new Map<string, number>();
  for (let next = 0; next < end!.offset;) {
    for (const { records } of await consumer.poll(1000)) {
      for (const { offset, key, value } of records) {
        const name = DECODER.decode(key!);
        const number = parseInt(DECODER.decode(value!));
        assert(number > (newest.get(name) ?? -1), `${name} rises at ${offset}`);
        newest.set(name, number);
        next = offset + 1;
      }
    }
  }
  await consumer.close();
  return newest;
}

function cleanedTo(data: string): number {
  try {
    const text = Deno.readTextFileSync(`${data}/cleaner-offset-checkpoint`);
    return Number(/^latest 0 (\d+)$/m.exec(text)?.[1] ?? 0);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

Deno.test("the newest value of each key survives kill -9 of a broker that compacts", async () => {
  const rounds = Number(Deno.env.get("KF_KILL_ROUNDS") ?? 6);
  const seed = Number(Deno.env.get("KF_SEED") ?? Date.now() % 1_000_000);
  // deno-lint-ignore no-console
  console.log(`kill -9 while compacting: ${rounds} rounds, KF_SEED=${seed}`);
  const random = seeded(seed);
  using folder = temporaryFolder();
  const data = `${folder.path}/data`;
  const args = ["-X", "log.cleaner.backoff.ms=10"];
  let broker: BrokerProcess = await startBrokerProcess({ data, args });
  const { address, port } = broker;
  try {
    const admin = createAdmin({ "bootstrap.servers": address });
    await admin.createTopics([{
      name: TOPIC,
      partitions: 1,
      configs: {
        "cleanup.policy": "compact",
        "segment.bytes": "1048576",
        "min.cleanable.dirty.ratio": "0.01",
        "file.delete.delay.ms": "100",
      },
    }]);
    await admin.close();
    const counter = new Counter(address);
    for (let round = 0; round < rounds; round++) {
      await pause(100 + random() * 400);
      await broker.end("SIGKILL");
      broker = await startBrokerProcess({ data, port, args });
    }
    const before = cleanedTo(data);
    await until("it is compacted again", () => cleanedTo(data) > before);
    await counter.stop();
    assertEquals(counter.failed, [], "no send failed for good");
    const newest = await readBack(address);
    for (const [key, number] of counter.acknowledged) {
      assert(newest.get(key)! >= number, `${key} has ${number} or later`);
    }
    assertEquals(newest.size, KEYS);
    assertEquals(await broker.end("SIGTERM"), 0);
    const verified = await kf(["log", "dump", data, "--verify"]);
    assertEquals([verified.code, verified.stdout], [0, ""]);
  } finally {
    await broker[Symbol.asyncDispose]();
  }
});
