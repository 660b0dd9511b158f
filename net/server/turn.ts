/**
 * One drain per turn of the event loop: first what was appended is written
 * and its waiters are settled, then every connection that has answers writes
 * them once. Owns the order of the two; a job that throws must never keep the
 * others from running.
 *
 * @module
 */
import type { Clock, Trace } from "../../core/env/env.ts";

/** What is done once per turn, however often it was asked for. */
export interface TurnJob {
  /** Runs at the end of the turn. */
  endTurn(): void;
}

/**
 * The queue of one turn.
 *
 * Invariants:
 * 1. A drain is scheduled exactly while a job waits.
 * 2. Partitions settle before connections write, so that nothing is answered
 *    before it was written.
 */
export class Turn {
  readonly #clock: Clock;
  readonly #trace: Trace;
  #partitions: TurnJob[] = [];
  #connections: TurnJob[] = [];
  #isScheduled = false;
  readonly #drain = () => this.#run();

  constructor({ clock, trace }: { clock: Clock; trace: Trace }) {
    this.#clock = clock;
    this.#trace = trace;
  }

  /** Settles `job` this turn; the caller asks once per turn at most. */
  settle(job: TurnJob): void {
    this.#partitions.push(job);
    this.#schedule();
  }

  /** Lets `job` write this turn; the caller asks once per turn at most. */
  write(job: TurnJob): void {
    this.#connections.push(job);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.endOfTurn(this.#drain);
  }

  #run(): void {
    while (this.#partitions.length > 0) {
      const jobs = this.#partitions;
      this.#partitions = [];
      this.#runAll(jobs);
    }
    const jobs = this.#connections;
    this.#connections = [];
    this.#isScheduled = false;
    this.#runAll(jobs);
  }

  #runAll(jobs: readonly TurnJob[]): void {
    for (const job of jobs) {
      try {
        job.endTurn();
      } catch (error) {
        this.#trace("error", "A job at the end of a turn failed", { error });
      }
    }
  }
}
