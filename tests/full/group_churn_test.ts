/**
 * Fifty members of one group over 64 partitions of a real broker, on real
 * sockets: they join, leave and crash at random while records come in. No
 * partition ever has two owners, no record is skipped, and calm settles it.
 * `KF_CHURN_SECONDS` says for how long (default 30), `KF_SEED` with which dice.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { denoEnv } from "../../core/env/deno_env.ts";
import { KafkaError } from "../../core/errors.ts";
import {
  type Consumer,
  createAdmin,
  createConsumer,
  createProducer,
  type TopicPartition,
} from "../../net/client.ts";
import { denoTransport } from "../../net/tcp/deno_tcp.ts";
import {
  type Connection,
  DialError,
  type Transport,
} from "../../net/tcp/transport.ts";
import {
  type BrokerProcess,
  startBrokerProcess,
  temporaryFolder,
  until,
} from "../fixtures.ts";

const SECONDS = Number(Deno.env.get("KF_CHURN_SECONDS") ?? 30);
const SEED = Number(
  Deno.env.get("KF_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
const MEMBERS = 50;
const PARTITIONS = 64;
const TOPIC = "churn";
const GROUP = "g";
const SESSION_MS = 6000;
const STEP_MS = 100;
const PRODUCE_EVERY_MS = 50;
const BROKER_CONFIG = [
  `group.consumer.min.session.timeout.ms=${SESSION_MS}`,
  `group.consumer.session.timeout.ms=${SESSION_MS}`,
  "group.consumer.min.heartbeat.interval.ms=500",
  "group.consumer.heartbeat.interval.ms=500",
  "group.initial.rebalance.delay.ms=0",
];

const CLASSIC_CONFIG = {
  "partition.assignment.strategy": "cooperative-sticky",
  "session.timeout.ms": `${SESSION_MS}`,
  "heartbeat.interval.ms": "500",
};

/** What the dead complain of is no news. */
const QUIET = denoEnv({ trace: () => {} });

/** Real connections, until the machine they are on is gone. */
class MortalTransport implements Transport {
  readonly #real = denoTransport();
  readonly #open = new Set<Connection>();
  #isDead = false;

  listen(): never {
    throw new Error("A client does not listen");
  }

  async dial(address: { host: string; port: number }): Promise<Connection> {
    if (this.#isDead) throw new DialError("tcp", "dead");
    const connection = await this.#real.dial(address);
    if (this.#isDead) connection.close();
    this.#open.add(connection);
    return connection;
  }

  die(): void {
    this.#isDead = true;
    for (const connection of this.#open) connection.close();
  }
}

/** What all members together did. */
class World {
  readonly owners = new Map<number, MemberRun>();
  readonly seen = Array.from({ length: PARTITIONS }, () => new Set<number>());
  readonly produced = new Array<number>(PARTITIONS).fill(0);
  readonly violations: string[] = [];
  random = randomOf(SEED);

  pick(below: number): number {
    return Math.floor(this.random() * below);
  }
}

/** Numbers from 0 to 1 that a seed gives (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let bits = Math.imul(state ^ state >>> 15, 1 | state);
    bits = bits + Math.imul(bits ^ bits >>> 7, 61 | bits) ^ bits;
    return ((bits ^ bits >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A member from its join to its end. */
class MemberRun {
  readonly #world: World;
  readonly #transport = new MortalTransport();
  readonly #consumer: Consumer;
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(world: World, config: Record<string, string>) {
    this.#world = world;
    this.#consumer = createConsumer({
      "group.id": GROUP,
      "enable.auto.commit": false,
      "auto.offset.reset": "earliest",
      ...config,
    }, { transport: this.#transport, env: QUIET });
    this.#consumer.onRebalance({
      assigned: (partitions) => this.#take(partitions),
      revoked: (partitions) => this.#drop(partitions),
      lost: (partitions) => this.#drop(partitions),
    });
    this.#consumer.subscribe([TOPIC]);
    this.#running = this.#run();
  }

  /** Leaves in order. */
  async leave(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#consumer.close();
    this.#drop(this.#consumer.assignment());
  }

  /** Is gone, and says nothing. */
  async crash(): Promise<void> {
    this.#isOver = true;
    this.#transport.die();
    for (const [partition, owner] of this.#world.owners) {
      if (owner === this) this.#world.owners.delete(partition);
    }
    await this.#running;
    await this.#consumer.close();
  }

  #take(partitions: readonly TopicPartition[]): void {
    if (this.#isOver) return;
    for (const { partition } of partitions) {
      const other = this.#world.owners.get(partition);
      if (other !== undefined && other !== this) {
        this.#world.violations.push(`partition ${partition} has two owners`);
      }
      this.#world.owners.set(partition, this);
    }
  }

  #drop(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      if (this.#world.owners.get(partition) === this) {
        this.#world.owners.delete(partition);
      }
    }
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        const batches = await this.#consumer.poll(200);
        if (this.#isOver) return;
        for (const { partition, records } of batches) {
          for (const { offset } of records) {
            this.#world.seen[partition]!.add(offset);
          }
        }
        if (batches.length > 0) await this.#consumer.commit();
      } catch (error) {
        // Fenced, or in the middle of a rebalance: the next poll mends it.
        if (!(error instanceof KafkaError)) throw error;
      }
    }
  }
}

async function churn(
  broker: BrokerProcess,
  protocols: readonly string[],
): Promise<World> {
  const world = new World();
  const config = { "bootstrap.servers": broker.address };
  const admin = createAdmin(config);
  await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
  await admin.close();
  const producer = createProducer(config);
  const onDone = (error: KafkaError | undefined, at?: TopicPartition) => {
    if (error) world.violations.push(`produce: ${error.message}`);
    else world.produced[at!.partition]!++;
  };
  const feed = setInterval(() => {
    for (let i = 0; i < 8; i++) {
      const partition = world.pick(PARTITIONS);
      producer.append({ topic: TOPIC, partition, value: "x" }, onDone);
    }
  }, PRODUCE_EVERY_MS);
  const members: (MemberRun | undefined)[] = new Array(MEMBERS);
  const ending = new Set<Promise<void>>();
  const start = () => {
    const protocol = protocols[world.pick(protocols.length)]!;
    return new MemberRun(world, {
      ...config,
      "group.protocol": protocol,
      ...(protocol === "classic" ? CLASSIC_CONFIG : {}),
    });
  };
  const deadline = Date.now() + SECONDS * 1000;
  while (Date.now() < deadline) {
    const slot = world.pick(MEMBERS);
    const member = members[slot];
    if (member === undefined) members[slot] = start();
    else {
      const over = world.pick(2) === 0 ? member.leave() : member.crash();
      ending.add(over);
      over.finally(() => ending.delete(over));
      members[slot] = undefined;
    }
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  for (let i = 0; i < MEMBERS; i++) members[i] ??= start();
  const calmMs = Date.now();
  await until(
    "every partition has an owner",
    () => world.owners.size === PARTITIONS,
    60_000,
  );
  const settledMs = Date.now() - calmMs;
  clearInterval(feed);
  await producer.close();
  await until(
    "every record was seen",
    () => world.seen.every((seen, p) => seen.size >= world.produced[p]!),
    60_000,
  );
  const records = world.produced.reduce((a, b) => a + b);
  // deno-lint-ignore no-console
  console.log(
    `${protocols.join(" and ")}, seed ${SEED}: ${records} records, ` +
      `${SECONDS} s of churn, settled after ${settledMs} ms of calm`,
  );
  await Promise.all(members.map((member) => member!.leave()));
  await Promise.all(ending);
  return world;
}

for (const protocols of [["consumer"], ["classic", "consumer"]]) {
  Deno.test(`fifty members come and go (${protocols.join(" and ")}): one owner each, nothing skipped`, async () => {
    using folder = temporaryFolder();
    await using broker = await startBrokerProcess({
      data: folder.path,
      args: BROKER_CONFIG.flatMap((pair) => ["-X", pair]),
    });
    const world = await churn(broker, protocols);
    assertEquals(world.violations, []);
    for (let p = 0; p < PARTITIONS; p++) {
      assertEquals(
        [...world.seen[p]!].sort((a, b) => a - b),
        Array.from({ length: world.produced[p]! }, (_, offset) => offset),
        `partition ${p}`,
      );
    }
  });
}
