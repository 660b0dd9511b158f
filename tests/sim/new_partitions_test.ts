/**
 * Partitions that are made, deleted and made again on a machine that is killed
 * at any call and loses power: of those that are there, what was flushed stays,
 * though nothing is synced when one is made, and though its leader epoch never
 * changes; and what a namesake left behind never passes for theirs.
 *
 * @module
 */
import { assert } from "@std/assert";
import { type Uuid, uuidFromRandom } from "../../core/bytes/uuid.ts";
import type { Log } from "../../core/log/log.ts";
import { LOG_CONFIG } from "../../core/log/log_config_fixture.ts";
import { LogFolder } from "../../core/log/log_folder.ts";
import { buildBatch } from "../../core/record/builder.ts";
import { Chance } from "./chance.ts";
import { SimDisk } from "./disk.ts";
import { Killed, SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";

const SEEDS = 150;
const LIVES = 6;
const STEPS = 25;
const CONFIG = {
  ...LOG_CONFIG,
  segmentBytes: 600,
};
const BATCH = buildBatch([{
  timestamp: 1,
  key: null,
  value: new Uint8Array(50),
}]);

/** What the metadata say of a partition, and what must be in it. */
interface Known {
  readonly topicId: Uuid;
  flushed: number;
  appended: number;
}

/** One machine and its lives. */
class Machine {
  readonly #note: string;
  readonly #chance: Chance;
  readonly #disk: SimDisk;
  readonly #scheduler = new Scheduler({ onNote: undefined, onThrow: rethrow });
  readonly #known = new Map<number, Known>();

  constructor(seed: number) {
    this.#note = `seed ${seed}`;
    this.#chance = new Chance(seed);
    this.#disk = new SimDisk(this.#chance);
  }

  async live(): Promise<void> {
    const process = new SimProcess({
      name: "p",
      host: "h",
      scheduler: this.#scheduler,
      chance: this.#chance,
      wallSkewMs: () => 0,
      onDefect: rethrow,
    });
    const death = this.#chance.odds(0.5) ? "killed" : "power lost";
    try {
      await this.#work(process, death);
    } catch (error) {
      if (process.isAlive) throw error;
    }
    process.die(death);
    await this.#scheduler.settle();
    if (death === "power lost") this.#disk.losePower();
  }

  async #work(
    process: SimProcess,
    death: "killed" | "power lost",
  ): Promise<void> {
    const chance = this.#chance;
    const env = process.env(this.#disk.mount(process));
    const folder = LogFolder.open({ env, path: "/d", nodeId: 1 });
    const logs = new Map<number, Log>();
    for (const [partition, { flushed, appended }] of this.#known) {
      const log = this.#open(folder, partition);
      const { logEndOffset: end } = log;
      const what = `${this.#note}: ${partition} ends at ${end}`;
      assert(end >= flushed, `${what}, and ${flushed} were safe`);
      assert(end <= appended, `${what}, and ${appended} were appended`);
      logs.set(partition, log);
    }
    if (chance.odds(0.8)) this.#disk.crashIn(chance.int(1, 200), death);
    for (let step = 0; step < STEPS; step++) {
      const what = chance.int(0, 9);
      const partition = chance.int(0, 3);
      const log = logs.get(partition);
      if (log === undefined) {
        const topicId = uuidFromRandom(env.random);
        this.#known.set(partition, { topicId, flushed: 0, appended: 0 });
        logs.set(partition, this.#open(folder, partition));
      } else if (what < 6) {
        const known = this.#known.get(partition)!;
        known.appended = log.logEndOffset + 1;
        log.appendAsLeader(BATCH.slice(), { leaderEpoch: 3, nowMs: 0 });
        log.writeStaged();
      } else if (what < 8) {
        const { logEndOffset } = log;
        await this.#until(log.flush());
        this.#known.get(partition)!.flushed = logEndOffset;
        if (chance.odds(0.5)) folder.checkpoint(new Map());
      } else if (what === 8) {
        const { topicId } = this.#known.get(partition)!;
        this.#known.delete(partition);
        logs.delete(partition);
        folder.topicsDeleted([topicId]);
        await this.#until(folder.deleteLog("t", partition));
      }
      if (chance.odds(0.3)) await this.#scheduler.settle();
    }
    if (chance.odds(0.5)) return;
    const ends = [...logs].map(([partition, { logEndOffset }]) =>
      [partition, logEndOffset] as const
    );
    const highWatermarks = new Map<string, number>();
    const stop = { clean: true, brokerEpoch: 1, highWatermarks };
    await this.#until(folder.close(stop));
    for (const [partition, end] of ends) {
      this.#known.get(partition)!.flushed = end;
    }
  }

  #open(folder: LogFolder, partition: number): Log {
    const { topicId } = this.#known.get(partition)!;
    const log = folder.openLog({
      topic: "t",
      partition,
      topicId,
      config: CONFIG,
    });
    log.assignEpoch(3);
    return log;
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
    if (failure !== undefined || !isOver) throw failure ?? new Killed();
  }
}

function rethrow(error: unknown): never {
  throw error instanceof Error ? error : new Error(String(error));
}

Deno.test("what was flushed in new partitions stays, whatever a loss of power leaves", async () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const machine = new Machine(seed);
    for (let life = 0; life < LIVES; life++) await machine.live();
  }
});
