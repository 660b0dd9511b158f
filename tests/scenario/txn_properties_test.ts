/**
 * Random producers of one transactional id, of both transaction versions,
 * whose answers may get lost: whatever they do, at most one of them may add
 * partitions, what was answered committed is committed, epochs never go back,
 * and the log alone gives the same state.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { KafkaError } from "../../core/errors.ts";
import type {
  ListedTransaction,
  PartitionsReply,
  ProducerIdAndEpoch,
  ProducerReply,
  TxnReply,
  TxnRequest,
} from "../../core/txn/inputs.ts";
import { TransactionMachine } from "../../core/txn/machine.ts";
import {
  fresh,
  isPrepared,
  started,
  type Transaction,
  type TxnState,
} from "../../core/txn/transaction.ts";
import { START_MS, TxnWorld } from "./txn_world.ts";

const ID = "x";
const PRODUCERS = 3;

/** Which states may follow which. */
const FOLLOWS: Readonly<Record<string, readonly TxnState[]>> = {
  Empty: ["Empty", "Ongoing", "PrepareAbort"],
  Ongoing: ["Ongoing", "PrepareCommit", "PrepareAbort"],
  PrepareCommit: ["CompleteCommit"],
  PrepareAbort: ["CompleteAbort"],
  CompleteCommit: ["Empty", "Ongoing", "PrepareAbort"],
  CompleteAbort: ["Empty", "Ongoing", "PrepareAbort"],
};

/** How often each happens: most of the time a producer does its work. */
const WEIGHTS = {
  add: 6,
  markers: 5,
  commit: 4,
  abort: 3,
  init: 2,
  own: 2,
  "some markers": 2,
  "time out": 1,
  expire: 1,
  restart: 1,
};

const stepArbitrary = fc.record({
  who: fc.constantFrom(0, 0, 0, 1, 1, 2),
  what: fc.constantFrom(
    ...Object.entries(WEIGHTS)
      .flatMap(([what, weight]) => Array(weight).fill(what) as string[]),
  ),
  partition: fc.nat(3),
  isLost: fc.boolean(),
});

type Step = (typeof stepArbitrary) extends fc.Arbitrary<infer T> ? T : never;

interface Producer extends ProducerIdAndEpoch {
  readonly version: 0 | 2;
}

class RandomTransactions {
  readonly world = new TxnWorld();
  readonly #producers: Producer[];
  /** Who started last, successfully. */
  #owner: number | undefined;
  /** What a reply found wrong; thrown where fast-check sees it. */
  #failure: unknown;

  constructor(versions: readonly (0 | 2)[], isNearEnd: boolean) {
    this.#producers = versions.map((version) => ({
      producerId: -1,
      producerEpoch: -1,
      version,
    }));
    if (isNearEnd) this.#begin(32_760);
  }

  async step(step: Step): Promise<void> {
    const { what, partition } = step;
    const { world } = this;
    if (what === "restart") world.restart();
    else if (what === "markers") world.writeMarkers();
    else if (what === "some markers") {
      world.writeMarkers([{ topic: "t", partition }]);
    } else if (what === "time out") {
      world.nowMs += 60_001;
      world.abortTimedOut();
    } else if (what === "expire") {
      world.nowMs += world.config.idExpirationMs;
      world.submit({ type: "ExpireIds" }, () => {});
    } else this.#ask(step);
    await world.settle();
    if (this.#failure !== undefined) throw this.#failure;
    const last = [...world.records()].at(-1)?.transaction;
    if (last?.state.startsWith("Complete")) {
      assertEquals(world.pending, [], "every partition has its marker");
    }
  }

  /** Each record follows the one before; ids and epochs only grow. */
  checkLog(): void {
    let before: Transaction | undefined;
    const epochs = new Map<number, number>();
    for (const { transaction } of this.world.records()) {
      if (transaction !== null && before !== undefined) {
        const { state } = transaction;
        assert(
          FOLLOWS[before.state]!.includes(state),
          `${before.state} ${state}`,
        );
      }
      if (transaction === null) {
        assert(before !== undefined && !isPrepared(before));
        assert(before.state !== "Ongoing");
        before = undefined;
        continue;
      }
      const { producerId, producerEpoch } = transaction;
      assert(producerEpoch >= (epochs.get(producerId) ?? 0));
      epochs.set(producerId, producerEpoch);
      if (before !== undefined) assert(producerId >= before.producerId);
      before = transaction;
    }
  }

  /** The log alone must say what is known live. */
  async checkReplay(): Promise<void> {
    const replayed = new TransactionMachine(() => this.world.config);
    for (const record of this.world.records()) replayed.apply(record);
    const type = "DescribeTransaction";
    const request = { type, transactionalId: ID } as const;
    const context = { nowMs: START_MS + this.world.nowMs, nextOffset: 0 };
    const stored = replayed.decide(request, context).reply;
    let live: TxnReply | KafkaError = null;
    this.world.submit(request, (reply) => live = reply);
    await this.world.settle();
    assertEquals(comparable(stored), comparable(live));
  }

  #begin(producerEpoch: number): void {
    const nowMs = START_MS;
    const producerId = 1;
    const before = fresh({ producerId, timeoutMs: 60_000, nowMs });
    const transaction = started(before, { ...before, producerEpoch, nowMs });
    this.world.found({
      type: "Transaction",
      transactionalId: ID,
      transaction,
      version: 1,
    });
  }

  #ask({ who, what, partition, isLost }: Step): void {
    const producer = this.#producers[who]!;
    const { producerId, producerEpoch, version: clientVersion } = producer;
    const own = { producerId, producerEpoch };
    const transactionalId = ID;
    if (what === "init" || what === "own") {
      const isOwn = what === "own" && producerId !== -1;
      const request: TxnRequest = {
        type: "InitProducerId",
        transactionalId,
        timeoutMs: 60_000,
        ...(isOwn ? { expected: own } : undefined),
      };
      this.#submit(request, (reply: ProducerReply) => {
        if (reply.error !== "NONE") return;
        // The epoch is told, whether or not the producer hears of it.
        this.#owner = who;
        if (!isLost) this.#producers[who] = { ...producer, ...reply };
      });
    } else if (what === "add") {
      const partitions = [{ topic: "t", partition }];
      const type = "AddPartitions";
      this.#submit(
        { type, transactionalId, ...own, partitions, clientVersion },
        ({ errors: [error] }: PartitionsReply) => {
          if (error === "NONE") assertEquals(who, this.#owner, "the last one");
        },
      );
    } else {
      const committed = what === "commit";
      const { logEndOffset } = this.world.log;
      this.#submit(
        { type: "EndTxn", transactionalId, ...own, committed, clientVersion },
        (reply: ProducerReply) => {
          if (reply.error !== "NONE") return;
          this.#checkEnded(committed);
          const isRetry = this.world.log.logEndOffset === logEndOffset;
          if (!isRetry) assertEquals(who, this.#owner, "the last one");
          if (clientVersion === 2 && !isLost) {
            this.#producers[who] = { ...producer, ...reply };
          }
        },
      );
    }
  }

  #submit<R>(request: TxnRequest, onReply: (reply: R) => void): void {
    this.world.submit(request, (reply) => {
      try {
        assert(!(reply instanceof KafkaError));
        onReply(reply as R);
      } catch (error) {
        this.#failure ??= error;
      }
    });
  }

  /** Whoever was told that it committed, or aborted, finds it in the log. */
  #checkEnded(committed: boolean): void {
    const last = [...this.world.records()].at(-1)!.transaction!;
    const kind = committed ? "Commit" : "Abort";
    assert(
      last.state === `Prepare${kind}` || last.state === `Complete${kind}`,
      last.state,
    );
  }
}

/** What restarts keep. */
function comparable(found: unknown): unknown {
  if (found === undefined) return undefined;
  const transaction = found as ListedTransaction;
  return {
    ...transaction,
    lastProducerEpoch: -1,
    partitions: isPrepared(transaction) ? null : transaction.partitions,
  };
}

Deno.test("a transactional id has one owner, one outcome per transaction, and one history", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(
        ...Array.from(
          { length: PRODUCERS },
          () => fc.constantFrom(0 as const, 2 as const),
        ),
      ),
      fc.boolean(),
      fc.array(stepArbitrary, { minLength: 1, maxLength: 100, size: "max" }),
      async (versions, isNearEnd, steps) => {
        const random = new RandomTransactions(versions, isNearEnd);
        for (const step of steps) await random.step(step);
        random.checkLog();
        await random.checkReplay();
      },
    ),
    { numRuns: 300 },
  );
});
