/**
 * A transactional producer that lives through every fault: transactions over
 * several partitions, most with an offset of a group of its own, some aborted.
 * Owns what is written of them into the history; it must never judge it.
 *
 * @module
 */
import { createProducer, KafkaError, type Producer } from "../../net/client.ts";
import type { Ending, Send, Transaction } from "../sim/history.ts";
import { CLIENT, type Seat } from "./clients.ts";
import { pause } from "./host.ts";

const RECORDS_MAX = 12;
const COMMITS_MAX = 20;

/** The group whose offset the transactions of `id` commit. */
export function groupOf(id: string): string {
  return `of-${id}`;
}

/** Ends one transaction after the other. */
export class Transactor {
  readonly name: string;
  /** Whether it gets to know what became of its records. */
  readonly isTold = true;
  readonly #topic: string;
  readonly #seat: Seat & { readonly partitions: number };
  readonly #running: Promise<void>;
  #isAsked = false;
  #records = 0;
  #transactions = 0;

  constructor(topic: string, seat: Seat & { readonly partitions: number }) {
    this.name = seat.name;
    this.#topic = topic;
    this.#seat = seat;
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
        "bootstrap.servers": this.#seat.address,
        "transactional.id": this.name,
        "linger.ms": 1,
        "delivery.timeout.ms": 60_000,
        "max.block.ms": 60_000,
      });
      try {
        await producer.initTransactions();
        while (!this.#isAsked && await this.#transact(producer));
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        await pause(10); // its state can't go on: another takes the name over
      } finally {
        await producer.close();
      }
    }
  }

  /** One transaction; whether the producer is still of use. */
  async #transact(producer: Producer): Promise<boolean> {
    const { history, chance } = this.#seat;
    const transaction: Transaction = {
      id: this.name,
      number: ++this.#transactions,
      commitsOffset: false,
      endingMs: Infinity,
      ending: "info",
      endMs: Infinity,
    };
    history.transactions.push(transaction);
    producer.beginTransaction();
    const sends: Send[] = [];
    for (let left = 1 + chance.below(RECORDS_MAX); left > 0; left--) {
      sends.push(this.#send(producer, transaction));
      if (chance.oneIn(10)) await pause(chance.below(30));
    }
    transaction.ending = await this.#end(producer, transaction);
    transaction.endMs = Date.now();
    for (const send of sends) {
      send.ending = transaction.ending;
      send.endMs = transaction.endMs;
    }
    return transaction.ending !== "info" &&
      producer.transactionError === undefined;
  }

  #send(producer: Producer, transaction: Transaction): Send {
    const { history, chance, partitions } = this.#seat;
    const send: Send = {
      producer: this.name,
      isIdempotent: true,
      // A repetition that the broker can't tell spoils the transaction.
      inFlightMax: 1,
      topic: this.#topic,
      value: `${this.name}:${this.#records++}`,
      invokeMs: Date.now(),
      transaction,
      partition: chance.below(partitions),
      ending: "info",
      endMs: Infinity,
      offset: -1,
    };
    history.sends.push(send);
    const { topic, partition, value } = send;
    producer.append({ topic, partition, value }, (_, metadata) => {
      if (metadata !== undefined) send.offset = metadata.offset;
    });
    return send;
  }

  /** Commits, or aborts; ok is committed, fail is aborted. */
  async #end(producer: Producer, transaction: Transaction): Promise<Ending> {
    const { chance } = this.#seat;
    try {
      if (!chance.oneIn(3)) await this.#sendOffset(producer, transaction);
      transaction.endingMs = Date.now();
      if (!chance.oneIn(3)) return await commit(producer);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      // Without a spoilt transaction nobody knows what a commit has done.
      if (producer.transactionError?.isFatal !== false) return "info";
    }
    try {
      await producer.abortTransaction();
      return "fail";
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return "info";
    }
  }

  async #sendOffset(
    producer: Producer,
    transaction: Transaction,
  ): Promise<void> {
    transaction.commitsOffset = true;
    await producer.sendOffsetsToTransaction(
      [{ topic: this.#topic, partition: 0, offset: transaction.number }],
      {
        groupId: groupOf(this.name),
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
      },
    );
  }
}

/** After a time-out only another commit finds out. */
async function commit(producer: Producer): Promise<Ending> {
  for (let failures = 1;; failures++) {
    try {
      await producer.commitTransaction();
      return "ok";
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      const isOver = producer.transactionError !== undefined;
      if (isOver || failures === COMMITS_MAX) throw error;
    }
  }
}
