/**
 * A log with transactions on a machine that is killed at any call and loses
 * power: whatever is left, what the log says of producers and transactions is
 * what its batches say, and what was flushed is there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { KafkaError } from "../../core/errors.ts";
import type { Log } from "../../core/log/log.ts";
import { LOG_CONFIG } from "../../core/log/log_config_fixture.ts";
import { LogFolder } from "../../core/log/log_folder.ts";
import { UNVERIFIED } from "../../core/log/producer_state.ts";
import {
  dataBatch,
  type Entry,
  markerBatch,
  replay,
} from "../../core/log/transactions_fixture.ts";
import { batchesOf, type BatchView } from "../../core/record/batch.ts";
import { markerOf } from "../../core/record/control.ts";
import { Chance } from "./chance.ts";
import { SimDisk } from "./disk.ts";
import { Killed, SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

const SEEDS = 100;
/** Power took the end of a segment and all of the next one, but no later one. */
const KEPT = [668];
const LIVES = 5;
const STEPS = 40;
const PRODUCERS = 3;
const PLACE = {
  topic: "t",
  partition: 0,
  topicId: "Gmd94rMBRdCEC5P7ytJnvA",
  config: {
    ...LOG_CONFIG,
    indexIntervalBytes: 300,
  },
};

function entryOf(view: BatchView): Entry {
  const { producerId, producerEpoch, isTransactional, lastSequence } = view;
  const marker = markerOf(view)?.type;
  return {
    producerId,
    epoch: producerEpoch,
    kind: marker === undefined
      ? "data"
      : marker === "COMMIT"
      ? "commit"
      : "abort",
    isTransactional,
    firstOffset: view.baseOffset,
    lastOffset: view.lastOffset,
    lastSequence,
  };
}

function entriesIn(log: Log): Entry[] {
  const entries: Entry[] = [];
  for (let next = 0; next < log.logEndOffset;) {
    const bytes = log.read(next, {
      maxBytes: 5000,
      upperOffset: Infinity,
      minOneBatch: true,
    });
    assert(bytes.length > 0, `nothing at ${next} of ${log.logEndOffset}`);
    for (const view of batchesOf(bytes)) {
      entries.push(entryOf(view));
      next = view.nextOffset;
    }
  }
  return entries;
}

/** What the log knows is what its batches say. */
function check(log: Log, note: string): void {
  const { producers, aborted } = replay(entriesIn(log));
  const end = log.logEndOffset;
  assertEquals(log.abortedTransactions(0, end), aborted, note);
  assertEquals(
    [...log.activeProducers()].map((each) => [
      each.producerId,
      each.producerEpoch,
      each.lastSequence,
      each.currentTxnStartOffset,
    ]).sort(),
    [...producers].map(([id, { epoch, lastSequence, openSince }]) => [
      id,
      epoch,
      lastSequence,
      openSince,
    ]).sort(),
    note,
  );
  const open = [...producers.values()].map(({ openSince }) => openSince)
    .filter((since) => since >= 0);
  assertEquals(log.lastStableOffset(end), Math.min(end, ...open), note);
}

function knownOf(log: Log, producerId: number) {
  return [...log.activeProducers()].find((each) =>
    each.producerId === producerId
  );
}

/** One machine and its lives. */
class Machine {
  readonly #seed: number;
  readonly #chance: Chance;
  readonly #disk: SimDisk;
  readonly #scheduler = new Scheduler({ onNote: undefined, onThrow: rethrow });
  #flushed = 0;
  #life = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#chance = new Chance(seed);
    this.#disk = new SimDisk(this.#chance);
  }

  /** Opens, works and ends in some way. */
  async live(): Promise<void> {
    this.#life++;
    const process = new SimProcess({
      name: `p${this.#life}`,
      host: "h",
      scheduler: this.#scheduler,
      chance: this.#chance,
      wallSkewMs: () => 0,
      onDefect: rethrow,
    });
    try {
      await this.#work(process);
    } catch (error) {
      if (process.isAlive) throw error;
    }
    process.die("killed");
    await this.#scheduler.settle();
    if (this.#chance.odds(0.5)) this.#disk.losePower();
  }

  async #work(process: SimProcess): Promise<void> {
    const chance = this.#chance;
    const env = process.env(this.#disk.mount(process));
    const folder = LogFolder.open({ env, path: "/d", nodeId: 1 });
    const log = folder.openLog(PLACE);
    const note = `seed ${this.#seed}, life ${this.#life}`;
    check(log, note);
    assert(log.logEndOffset >= this.#flushed, `${note}: it lost what was safe`);
    this.#flushed = 0;
    log.assignEpoch(this.#life);
    if (chance.odds(0.6)) this.#disk.crashIn(chance.int(1, 400), "killed");
    for (let step = 0; step < STEPS; step++) {
      const what = chance.int(0, 19);
      if (what < 11) this.#append(log);
      else if (what < 17) this.#end(log);
      else await this.#flush(log, folder);
      if (chance.odds(0.3)) await this.#scheduler.settle();
    }
    check(log, `${note}, at its end`);
    if (chance.odds(0.3)) {
      const closed = folder.close({
        clean: true,
        brokerEpoch: 1,
        highWatermarks: new Map(),
      });
      await this.#until(closed);
    }
  }

  #append(log: Log): void {
    const producerId = this.#chance.int(1, PRODUCERS);
    const known = knownOf(log, producerId);
    const batch = dataBatch({
      producerId,
      producerEpoch: known?.producerEpoch ?? 0,
      baseSequence: (known?.lastSequence ?? -1) + 1,
      count: this.#chance.int(1, 4),
      timestamp: log.logEndOffset,
      isTransactional: true,
    });
    log.appendAsLeader(batch, {
      leaderEpoch: this.#life,
      nowMs: 0,
      guard: UNVERIFIED,
    });
  }

  #end(log: Log): void {
    const producerId = this.#chance.int(1, PRODUCERS);
    const known = knownOf(log, producerId);
    const kind = this.#chance.odds(0.5) ? "commit" : "abort";
    const bumps = this.#chance.odds(0.5) ? 1 : 0;
    const batch = markerBatch(producerId, (known?.producerEpoch ?? 0) + bumps, {
      kind,
      timestamp: log.logEndOffset,
    });
    log.appendAsLeader(batch, {
      leaderEpoch: this.#life,
      nowMs: 0,
      origin: "coordinator",
    });
  }

  async #flush(log: Log, folder: LogFolder): Promise<void> {
    const end = log.logEndOffset;
    await this.#until(log.flush());
    this.#flushed = end;
    if (this.#chance.odds(0.5)) folder.checkpoint(new Map());
  }

  /** Lets time pass until `work` is done; it never is when its process died. */
  async #until(work: Promise<void>): Promise<void> {
    let isOver = false;
    let failure: unknown;
    work.then(() => isOver = true, (error) => {
      isOver = true;
      failure = error;
    });
    await this.#scheduler.run(this.#scheduler.nowMs + 60_000, () => isOver);
    if (failure !== undefined || !isOver) {
      throw failure ?? new Killed();
    }
  }
}

function rethrow(error: unknown): never {
  throw error instanceof Error ? error : new KafkaError(
    "UNKNOWN_SERVER_ERROR",
    String(error),
  );
}

Deno.test("what a log says of transactions is what its batches say, whatever a loss of power leaves", async () => {
  const fresh = Array.from({ length: SEEDS }, (_, seed) => seed);
  for (const seed of [...fresh, ...KEPT]) {
    const machine = new Machine(seed);
    for (let life = 0; life < LIVES; life++) await machine.live();
  }
});
