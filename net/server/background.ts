/**
 * What the broker does by the clock: retention, checkpoints, expiry of
 * producer states. Owns one timer each; a round that fails is traced and the
 * next one comes all the same.
 *
 * @module
 */
import type { Cancel, Env } from "../../core/env/env.ts";

/** One thing done again and again. */
export interface Chore {
  readonly name: string;
  /** Milliseconds until the next round, asked each time. */
  readonly everyMs: () => number;
  readonly round: (nowMs: number) => void | Promise<void>;
}

/** The least that one timer waits, should a key say 0. */
const TIMER_MS_MIN = 10;
/** The longest that one timer waits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** All chores of a broker, from `start()` to `stop()`. */
export class Background {
  readonly #env: Env;
  readonly #chores: readonly Chore[];
  readonly #timers = new Map<Chore, Cancel>();

  constructor(env: Env, chores: readonly Chore[]) {
    this.#env = env;
    this.#chores = chores;
  }

  start(): void {
    for (const chore of this.#chores) this.#schedule(chore);
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #schedule(chore: Chore): void {
    const { clock } = this.#env;
    const ms = Math.min(
      Math.max(chore.everyMs(), TIMER_MS_MIN),
      TIMER_MS_MAX,
    );
    this.#timers.set(
      chore,
      clock.timer(ms, () => {
        this.#schedule(chore);
        this.#run(chore);
      }),
    );
  }

  #run({ name, round }: Chore): void {
    const { clock, tasks, trace } = this.#env;
    try {
      const running = round(clock.wallMs());
      if (running !== undefined) tasks.spawn(name, () => running);
    } catch (error) {
      trace("error", "A background chore failed", { name, error });
    }
  }
}
