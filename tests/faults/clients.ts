/**
 * Producers of unique values and members of groups that live through every
 * fault. Owns what is written of them into the history; it must never judge it.
 *
 * @module
 */
import {
  type Consumer,
  createConsumer,
  createProducer,
  type Producer,
  type TopicPartition,
} from "../../net/client.ts";
import { until } from "../fixtures.ts";
import type { Chance } from "../sim/chance.ts";
import type { Commit, FinalLog, History, Send } from "../sim/history.ts";
import { pause } from "./host.ts";

/** Decodes values. */
export const DECODER = new TextDecoder();

/** Patience that is shorter than most faults: clients must try again. */
export const CLIENT = {
  "request.timeout.ms": 3000,
  "socket.connection.setup.timeout.ms": 1000,
  "retry.backoff.ms": 20,
};

const PENDING_MAX = 20;

/** What a client shares with the others. */
export interface Seat {
  readonly name: string;
  readonly address: string;
  readonly history: History;
  readonly chance: Chance;
}

/** Where a producer writes, and what it wants to be told. */
export interface WriterPlan {
  readonly topic: string;
  readonly partitions: number;
  readonly acks: "0" | "1" | "all";
  /** Requests in flight of an idempotent one. */
  readonly idempotentInFlight?: 1 | 5;
}

/** Sends unique values until told to stop. */
export class Writer {
  readonly name: string;
  /** Whether it gets to know what became of its records. */
  readonly isTold: boolean;
  readonly #plan: WriterPlan;
  readonly #seat: Seat;
  readonly #running: Promise<void>;
  #isAsked = false;
  #count = 0;
  #pending = 0;

  constructor(plan: WriterPlan, seat: Seat) {
    this.name = seat.name;
    this.isTold = plan.acks !== "0";
    this.#plan = plan;
    this.#seat = seat;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isAsked = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { acks, idempotentInFlight } = this.#plan;
    const { address, chance } = this.#seat;
    while (!this.#isAsked) {
      const producer = createProducer({
        ...CLIENT,
        "bootstrap.servers": address,
        "enable.idempotence": idempotentInFlight !== undefined,
        "max.in.flight.requests.per.connection": idempotentInFlight ?? 5,
        "acks": acks,
        "linger.ms": 1,
        "delivery.timeout.ms": 120_000,
      });
      let isBroken = false;
      while (!this.#isAsked && !isBroken) {
        this.#send(producer, () => isBroken = this.isTold);
        await producer.ready();
        if (!this.isTold || chance.oneIn(5)) await pause(1 + chance.below(9));
        while (this.#pending >= PENDING_MAX && !this.#isAsked && !isBroken) {
          await pause(2);
        }
      }
      await producer.close();
    }
  }

  #send(producer: Producer, onBroken: () => void): void {
    const { topic, partitions, idempotentInFlight } = this.#plan;
    const { history, chance } = this.#seat;
    const send: Send = {
      producer: this.name,
      isIdempotent: idempotentInFlight !== undefined,
      inFlightMax: idempotentInFlight ?? 5,
      topic,
      value: `${this.name}:${this.#count++}`,
      invokeMs: Date.now(),
      transaction: undefined,
      partition: chance.below(partitions),
      ending: "info",
      endMs: Infinity,
      offset: -1,
    };
    history.sends.push(send);
    const { value, partition } = send;
    this.#pending++;
    producer.append({ topic, partition, value }, (error, metadata) => {
      this.#pending--;
      send.endMs = Date.now();
      // What was refused may have been written by a try before.
      if (error) return onBroken();
      if (!this.isTold) return;
      send.ending = "ok";
      send.offset = metadata!.offset;
    });
  }
}

/** What a member reads, and for whom. */
export interface ReaderPlan {
  readonly group: string;
  readonly isolation: "read_committed" | "read_uncommitted";
  readonly address: string;
  readonly history: History;
}

/** A member that commits what it read. */
export class Reader {
  readonly #consumer: Consumer;
  readonly #partitions: readonly TopicPartition[];
  readonly #plan: ReaderPlan;
  readonly #running: Promise<void>;
  readonly #positions = new Map<string, number>();
  readonly #assigned = new Map<string, number>();
  #assignments = 0;
  #isAsked = false;

  constructor(partitions: readonly TopicPartition[], plan: ReaderPlan) {
    this.#partitions = partitions;
    this.#plan = plan;
    this.#consumer = createConsumer({
      ...CLIENT,
      "bootstrap.servers": plan.address,
      "group.id": plan.group,
      "isolation.level": plan.isolation,
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
    this.#consumer.subscribe([...new Set(partitions.map((at) => at.topic))]);
    this.#running = this.#run();
  }

  /** Stops when everything in `logs` was read, at the latest after `patienceMs`. */
  async stop(
    logs: ReadonlyMap<string, FinalLog>,
    patienceMs: number,
  ): Promise<void> {
    try {
      await until(
        "the group has read everything",
        () =>
          [...logs].every(([name, { records }]) =>
            (this.#positions.get(name) ?? 0) > (records.at(-1)?.offset ?? -1)
          ),
        patienceMs,
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
    const { group, history } = this.#plan;
    for (const batch of await this.#consumer.poll(100)) {
      const { topic, partition, highWatermark, records } = batch;
      const name = `${topic}-${partition}`;
      history.polls.push({
        consumer: group,
        group,
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
      group,
      invokeMs: Date.now(),
      offsets: new Map(this.#positions),
      ending: "info",
    };
    history.commits.push(commit);
    await this.#consumer.commit(
      this.#partitions.flatMap((at) => {
        const offset = commit.offsets.get(`${at.topic}-${at.partition}`);
        return offset === undefined ? [] : [{ ...at, offset }];
      }),
    );
    commit.ending = "ok";
  }
}
