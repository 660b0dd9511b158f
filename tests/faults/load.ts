/**
 * Clients that live through every fault: producers of unique values and a group
 * that commits what it reads. Owns the history that they make, which the
 * simulator's checker judges. Another load is another class with these steps.
 *
 * @module
 */
import {
  type Consumer,
  createAdmin,
  createConsumer,
  createProducer,
  type Producer,
} from "../../net/client.ts";
import type { Chance } from "../sim/chance.ts";
import { until } from "../fixtures.ts";
import { type Anomaly, check } from "../sim/checker.ts";
import type { Commit, FinalLog, History, Send } from "../sim/history.ts";
import { type Host, pause } from "./host.ts";

/** What a run came to. */
export interface Verdict {
  /** Records that were acknowledged. */
  readonly acknowledged: number;
  readonly anomalies: readonly Anomaly[];
  /** All that was done and seen; kept when something is wrong. */
  readonly history: unknown;
}

/** What a faulty run puts on a broker. */
export interface Load {
  /** Makes the topics and begins. */
  start(): Promise<void>;
  /** Whether there was progress since this was asked last. */
  hasMoved(): boolean;
  /** Ends, with the broker healthy, and judges what was done and seen. */
  finish(): Promise<Verdict>;
}

/** A kind of load. */
export interface LoadKind {
  /** What the broker is started with for it. */
  readonly args: readonly string[];
  new (host: Host, chance: Chance): Load;
}

const GROUP = "readers";
const PARTITIONS = 2;
const IN_FLIGHT_MAX = 100;
/** Power may take the group back to a member that is gone: its session ends. */
const GROUP_MS = 120_000;
const DECODER = new TextDecoder();

/** What is promised of each topic. */
const TOPICS = [
  { name: "durable", isDurable: true, configs: { "flush.messages": "1" } },
  { name: "plain", isDurable: false, configs: {} },
];

/** The producers: two in order without repeats, one that may repeat. */
const PRODUCERS = [
  { topic: "durable", isIdempotent: true },
  { topic: "plain", isIdempotent: true },
  { topic: "durable", isIdempotent: false },
];

const PARTITION_LIST = TOPICS.flatMap(({ name: topic }) =>
  Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }))
);

/** Patience that is shorter than most faults: clients must try again. */
const CLIENT = {
  "request.timeout.ms": 3000,
  "socket.connection.setup.timeout.ms": 1000,
  "retry.backoff.ms": 20,
};

/** Producers and a group, without transactions. */
export class PlainLoad implements Load {
  static readonly args: readonly string[] = [];
  readonly #host: Host;
  readonly #history: History;
  readonly #writers: Writer[] = [];
  #reader: Reader | undefined;
  #seen = 0;

  constructor(host: Host, private readonly chance: Chance) {
    this.#host = host;
    this.#history = {
      topics: TOPICS.map(({ name, isDurable }) => ({
        name,
        isDurable,
        isRetained: false,
        isChurned: false,
      })),
      groups: new Map([[GROUP, TOPICS.map(({ name }) => name)]]),
      committedReaders: new Set(),
      isAllDurable: false,
      transactions: [],
      sends: [],
      polls: [],
      commits: [],
      changes: [],
      endsMs: host.endsMs,
      powerLossesMs: host.powerLossesMs,
      logs: new Map(),
      committed: new Map(),
    };
  }

  async start(): Promise<void> {
    const { address } = this.#host;
    const admin = createAdmin({ ...CLIENT, "bootstrap.servers": address });
    await admin.createTopics(
      TOPICS.map(({ name, configs }) => ({
        name,
        partitions: PARTITIONS,
        configs,
      })),
    );
    await admin.close();
    for (const [i, { topic, isIdempotent }] of PRODUCERS.entries()) {
      this.#writers.push(
        new Writer({
          name: `w${i}`,
          address,
          topic,
          isIdempotent,
          history: this.#history,
          chance: this.chance,
        }),
      );
    }
    this.#reader = new Reader(address, this.#history);
    await until("records are acknowledged", () => this.hasMoved());
  }

  hasMoved(): boolean {
    const before = this.#seen;
    this.#seen = this.#history.sends.filter(({ ending }) => ending === "ok")
      .length;
    return this.#seen > before;
  }

  async finish(): Promise<Verdict> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
    const history = this.#history;
    for (const [name, log] of await readLogs(this.#host.address)) {
      history.logs.set(name, log);
    }
    await this.#reader!.stop(history.logs);
    const admin = createAdmin({ "bootstrap.servers": this.#host.address });
    const offsets = await admin.listGroupOffsets(GROUP);
    await admin.close();
    history.committed.set(
      GROUP,
      new Map(
        offsets.map(({ topic, partition, offset }) => [
          `${topic}-${partition}`,
          offset,
        ]),
      ),
    );
    const { length } = history.sends.filter(({ ending }) => ending === "ok");
    return {
      acknowledged: length,
      anomalies: check(history),
      history: {
        ...history,
        logs: [...history.logs],
        commits: history.commits.map((commit) => ({
          ...commit,
          offsets: [...commit.offsets],
        })),
      },
    };
  }
}

interface WriterOptions {
  readonly name: string;
  readonly address: string;
  readonly topic: string;
  readonly isIdempotent: boolean;
  readonly history: History;
  readonly chance: Chance;
}

/** Sends unique values until told to stop. */
class Writer {
  readonly #options: WriterOptions;
  readonly #running: Promise<void>;
  #isAsked = false;
  #count = 0;
  #inFlight = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { address, isIdempotent, chance } = this.#options;
    while (!this.#isAsked) {
      const producer = createProducer({
        ...CLIENT,
        "bootstrap.servers": address,
        "enable.idempotence": isIdempotent,
        "acks": "all",
        "linger.ms": 1,
        "delivery.timeout.ms": 120_000,
      });
      let isBroken = false;
      while (!this.#isAsked && !isBroken) {
        this.#send(producer, () => isBroken = true);
        await producer.ready();
        if (chance.oneIn(10)) await pause(1 + chance.below(4));
        while (this.#inFlight >= IN_FLIGHT_MAX && !this.#isAsked && !isBroken) {
          await pause(2);
        }
      }
      await producer.close();
    }
  }

  #send(producer: Producer, onBroken: () => void): void {
    const { name, topic, isIdempotent, history, chance } = this.#options;
    const n = this.#count++;
    const send: Send = {
      producer: name,
      isIdempotent,
      inFlightMax: 5,
      topic,
      value: `${name}:${n}`,
      invokeMs: Date.now(),
      transaction: undefined,
      partition: chance.below(PARTITIONS),
      ending: "info",
      endMs: Infinity,
      offset: -1,
    };
    history.sends.push(send);
    const { value, partition } = send;
    this.#inFlight++;
    producer.append({ topic, partition, value }, (error, metadata) => {
      this.#inFlight--;
      send.endMs = Date.now();
      // What was refused may have been written by a try before.
      if (error) return onBroken();
      send.ending = "ok";
      send.offset = metadata!.offset;
    });
  }
}

/** A member that commits what it read. */
class Reader {
  readonly #consumer: Consumer;
  readonly #history: History;
  readonly #running: Promise<void>;
  readonly #positions = new Map<string, number>();
  readonly #assigned = new Map<string, number>();
  #assignments = 0;
  #isAsked = false;

  constructor(address: string, history: History) {
    this.#history = history;
    this.#consumer = createConsumer({
      ...CLIENT,
      "bootstrap.servers": address,
      "group.id": GROUP,
      "auto.offset.reset": "earliest",
      "enable.auto.commit": false,
    });
    this.#consumer.onRebalance({
      assigned: (partitions) => {
        for (const { topic, partition } of partitions) {
          this.#assigned.set(`${topic}-${partition}`, ++this.#assignments);
        }
      },
    });
    this.#consumer.subscribe(TOPICS.map(({ name }) => name));
    this.#running = this.#run();
  }

  /** Stops when everything in `logs` was read. */
  async stop(logs: ReadonlyMap<string, FinalLog>): Promise<void> {
    try {
      await until(
        "the group has read everything",
        () =>
          [...logs].every(([name, { records }]) =>
            (this.#positions.get(name) ?? 0) > (records.at(-1)?.offset ?? -1)
          ),
        GROUP_MS,
      );
    } catch {
      // The checker says what it never read.
    }
    this.#isAsked = true;
    await this.#running;
    await this.#consumer.close();
  }

  async #run(): Promise<void> {
    while (!this.#isAsked) {
      try {
        await this.#poll();
      } catch {
        await pause(10); // the broker is down: the next one finds it again
      }
    }
  }

  async #poll(): Promise<void> {
    for (const batch of await this.#consumer.poll(100)) {
      const { topic, partition, highWatermark, records } = batch;
      const name = `${topic}-${partition}`;
      this.#history.polls.push({
        consumer: "reader",
        group: GROUP,
        topic,
        partition,
        atMs: Date.now(),
        assignment: this.#assigned.get(name) ?? 0,
        highWatermark,
        records: records.map(({ offset, value }) => ({
          offset,
          value: DECODER.decode(value!),
        })),
      });
      this.#positions.set(name, records.at(-1)!.offset + 1);
    }
    if (this.#positions.size === 0) return;
    const commit: Commit = {
      group: GROUP,
      invokeMs: Date.now(),
      offsets: new Map(this.#positions),
      ending: "info",
    };
    this.#history.commits.push(commit);
    await this.#consumer.commit(
      PARTITION_LIST.flatMap((at) => {
        const offset = commit.offsets.get(`${at.topic}-${at.partition}`);
        return offset === undefined ? [] : [{ ...at, offset }];
      }),
    );
    commit.ending = "ok";
  }
}

/** Every partition from its start to its end, as it is now. */
async function readLogs(address: string): Promise<Map<string, FinalLog>> {
  const consumer = createConsumer({ ...CLIENT, "bootstrap.servers": address });
  const starts = await consumer.beginningOffsets(PARTITION_LIST);
  const ends = await consumer.endOffsets(PARTITION_LIST);
  const logs = new Map(PARTITION_LIST.map(({ topic, partition }, i) => [
    `${topic}-${partition}`,
    {
      start: starts[i]!.offset,
      end: ends[i]!.offset,
      records: [] as { offset: number; value: string }[],
    },
  ]));
  consumer.assign(PARTITION_LIST);
  for (const each of PARTITION_LIST) consumer.seek(each, "earliest");
  await until("the logs are read", async () => {
    for (const { topic, partition, records } of await consumer.poll(200)) {
      const log = logs.get(`${topic}-${partition}`)!;
      for (const { offset, value } of records) {
        log.records.push({ offset, value: DECODER.decode(value!) });
      }
    }
    const positions = await Promise.all(
      PARTITION_LIST.map((each) => consumer.position(each)),
    );
    return positions.every((position, i) => position >= ends[i]!.offset);
  }, 60_000);
  await consumer.close();
  return logs;
}
