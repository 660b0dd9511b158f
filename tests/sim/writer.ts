/**
 * A transactional producer in a run: begins, fills and ends transactions, each
 * with an offset of a group of its own. Others may think that its transactional
 * id is theirs. Owns what is written into the history; it must never judge it.
 *
 * @module
 */
import { KafkaError } from "../../core/errors.ts";
import { Producer } from "../../net/client/producer.ts";
import type { ClientSeams } from "../../net/client/types.ts";
import type { Ending, Send, Transaction } from "./history.ts";
import type { WriterPlan } from "./plan.ts";
import type { SimProcess } from "./process.ts";
import { Actor, contentOf, drawKey, type Stage } from "./workload.ts";

const COMMITS_MAX = 3;

/** The group whose offsets the transactions of `id` commit. */
export function groupOf(id: string): string {
  return `of-${id}`;
}

/** Sends in transactions. */
export class WriterActor extends Actor {
  readonly #plan: WriterPlan;
  #count = 0;
  #producers = 0;

  constructor(name: string, plan: WriterPlan, stage: Stage) {
    super(name, stage);
    this.#plan = plan;
  }

  protected override async run(process: SimProcess, seams: ClientSeams) {
    const { world } = this.stage;
    while (!this.isAsked) {
      const producer = new Producer({
        ...this.#plan.configs,
        ...this.#freshId(),
        "bootstrap.servers": world.addresses,
      }, seams);
      try {
        await producer.initTransactions();
        while (!this.isAsked && await this.#transact(producer, process)) {
          if (this.#plan.isFresh && process.chance.odds(0.6)) break;
          await process.sleep(
            process.chance.delayMs(this.#plan.pauseMs, 1_500),
          );
        }
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        world.scheduler.note(`${process.name} caught ${error.message}`);
      } finally {
        await producer.close({ timeoutMs: 2_000 });
      }
      await process.sleep(process.chance.delayMs(200, 2_000));
    }
  }

  /** A transactional id that nobody had, where that is asked for. */
  #freshId(): Record<string, string> {
    if (!this.#plan.isFresh) return {};
    return { "transactional.id": `${this.name}.${this.#producers++}` };
  }

  /** One transaction; whether the producer is still of use. */
  async #transact(producer: Producer, process: SimProcess): Promise<boolean> {
    const { chance } = process;
    const { world, history } = this.stage;
    const { id } = this.#plan;
    const transaction: Transaction = {
      id,
      number: history.transactions.filter((each) => each.id === id).length + 1,
      commitsOffset: false,
      ending: "info",
      endingMs: Infinity,
      endMs: Infinity,
    };
    history.transactions.push(transaction);
    producer.beginTransaction();
    const sends: Send[] = [];
    for (let i = chance.int(1, this.#plan.recordsMax); i > 0; i--) {
      sends.push(this.#send(producer, { process, transaction }));
      if (chance.odds(0.1)) await process.sleep(chance.int(0, 100));
    }
    const ending = await this.#end(producer, { process, transaction });
    if (!process.isAlive) return false;
    transaction.ending = ending;
    transaction.endMs = world.scheduler.nowMs;
    for (const send of sends) {
      send.ending = ending;
      send.endMs = transaction.endMs;
    }
    world.scheduler.note(`${process.name} ${transaction.number}: ${ending}`);
    return ending !== "info" && producer.transactionError === undefined;
  }

  #send(
    producer: Producer,
    { process, transaction }: {
      readonly process: SimProcess;
      readonly transaction: Transaction;
    },
  ): Send {
    const { chance } = process;
    const { history, partitions, world } = this.stage;
    const { name: topic, isCompacted } = chance.pick(this.#plan.topics);
    const partition = chance.int(0, (partitions.get(topic) ?? 1) - 1);
    const value = `${this.name}.${this.#count++}`;
    const send: Send = {
      ...(isCompacted ? drawKey(chance) : {}),
      producer: process.name,
      isIdempotent: true,
      inFlightMax: 5,
      topic,
      value,
      invokeMs: world.scheduler.nowMs,
      transaction,
      partition,
      ending: "info",
      endMs: Infinity,
      offset: -1,
    };
    history.sends.push(send);
    producer.append(
      { topic, partition, ...contentOf(send, chance.int(0, 100)) },
      (_, metadata) => {
        if (metadata !== undefined) send.offset = metadata.offset;
      },
    );
    return send;
  }

  /** Commits, or aborts; ok is committed, fail is aborted. */
  async #end(
    producer: Producer,
    { process, transaction }: {
      readonly process: SimProcess;
      readonly transaction: Transaction;
    },
  ): Promise<Ending> {
    const { chance } = process;
    const wantsAbort = chance.odds(this.#plan.abortRate);
    try {
      if (chance.odds(0.7)) await this.#sendOffset(producer, transaction);
      transaction.endingMs = this.stage.world.scheduler.nowMs;
      if (!wantsAbort) return await this.#commit(producer);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.stage.world.scheduler.note(`${process.name} ${error.message}`);
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

  /** After a time-out only another commit finds out. */
  async #commit(producer: Producer): Promise<Ending> {
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

  async #sendOffset(
    producer: Producer,
    transaction: Transaction,
  ): Promise<void> {
    const { id, number } = transaction;
    transaction.commitsOffset = true;
    const [topic] = this.#plan.topics;
    await producer.sendOffsetsToTransaction(
      [{ topic: topic!.name, partition: 0, offset: number }],
      {
        groupId: groupOf(id),
        generationId: -1,
        memberId: "",
        groupInstanceId: null,
      },
    );
  }
}
