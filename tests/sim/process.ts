/**
 * A simulated process: its clock, chance, tasks and trace, until it dies. What
 * still runs of a dead process reaches nothing: its timers don't fire, its
 * calls of the disk throw, its connections are gone. It must never name real
 * time.
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";
import type {
  Clock,
  Disk,
  Env,
  Hashes,
  Tasks,
  Trace,
} from "../../core/env/env.ts";
import type { Chance } from "./chance.ts";
import type { Scheduler } from "./scheduler.ts";

/** How a process ends: killed, or with its whole machine. */
export type Death = "killed" | "power lost";

/** Thrown into what still runs of a process that died. */
export class Killed extends Error {
  override readonly name = "Killed";
  constructor() {
    super("the process was killed");
  }
}

/** Whether `error`, or what it was caused by, is a death. */
export function isDeath(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof Killed) return true;
  }
  return false;
}

/** When the simulated epoch is: 2026-01-01. */
const EPOCH_MS = 1_767_225_600_000;

/** What is told with an event. */
export type Traced = NonNullable<Parameters<Trace>[2]>;

/** What a process is started with. */
export interface ProcessOptions {
  readonly name: string;
  readonly host: string;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  /** What the wall clock shows beyond the true time. */
  readonly wallSkewMs: () => number;
  /** Told of what the process traces. */
  readonly onTrace?: (event: string, fields: Traced) => void;
  /** Told of what must never happen in a process. */
  readonly onDefect: (what: string) => void;
}

/** One process. */
export class SimProcess {
  readonly name: string;
  readonly host: string;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly #options: ProcessOptions;
  readonly #onDeath: ((death: Death) => void)[] = [];
  #isAlive = true;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    this.host = options.host;
    this.scheduler = options.scheduler;
    this.chance = options.chance;
    this.#options = options;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Calls `fn` when it dies. */
  onDeath(fn: (death: Death) => void): void {
    this.#onDeath.push(fn);
  }

  /** Ends it at once. */
  die(death: Death): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.scheduler.note(`${this.name} ${death}`);
    for (const fn of this.#onDeath) fn(death);
  }

  /**
   * Every call of a seam passes here: what calls on and on while the clock
   * stands still ends the process.
   */
  called(): void {
    if (!this.scheduler.step()) return;
    if (this.#isAlive) {
      const { stack } = new Error("it calls and calls");
      this.#options.onDefect(`${this.name} never gets on: ${stack}`);
      this.die("killed");
    }
    throw new Killed();
  }

  /** The seams of this process over `disk`. */
  env(disk: Disk): Env {
    const trace = this.#trace();
    return {
      clock: this.#clock(),
      random: {
        u32: () => this.chance.u32(),
        bytes: (n) => this.chance.bytes(n),
      },
      hashes: HASHES,
      disk,
      trace,
      tasks: this.#tasks(trace),
    };
  }

  #clock(): Clock {
    const { scheduler } = this;
    const { wallSkewMs } = this.#options;
    return {
      wallMs: () => {
        this.called();
        return EPOCH_MS + Math.floor(scheduler.nowMs) + wallSkewMs();
      },
      monoMs: () => {
        this.called();
        return scheduler.nowMs;
      },
      sleep: (ms, signal) => this.sleep(ms, signal),
      timer: (ms, fn) => scheduler.after(ms, fn, this),
      endOfTurn: (fn) => scheduler.endOfTurn(fn, this),
    };
  }

  /** Resolves after `ms`, never when it is dead by then. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal!.reason);
      };
      const cancel = this.scheduler.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, this);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  #trace(): Trace {
    return (level, event, fields) => {
      if (!this.#isAlive) return;
      const texts = Object.entries(fields ?? {}).map(([name, value]) =>
        ` ${name}=${value instanceof Error ? value.message : value}`
      );
      this.scheduler.note(`${this.name} ${level}: ${event}${texts.join("")}`);
      if (fields !== undefined) this.#options.onTrace?.(event, fields);
      const { error } = fields ?? {};
      if (error instanceof Error && isDefect(error)) {
        this.#options.onDefect(`${this.name}: ${event}: ${error.stack}`);
      }
    };
  }

  #tasks(trace: Trace): Tasks {
    const running = new Set<Promise<void>>();
    const guarded = async (name: string, fn: () => Promise<void>) => {
      try {
        await fn();
      } catch (error) {
        trace("error", `Task "${name}" failed`, { error });
      }
    };
    return {
      spawn(name, fn) {
        const task = guarded(name, fn);
        running.add(task);
        task.finally(() => running.delete(task));
      },
      async settled() {
        while (running.size > 0) await Promise.all(running);
      },
    };
  }
}

/** Errors that say that the code is wrong, whatever the world does. */
function isDefect(error: Error): boolean {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    if (each instanceof Killed) return false;
    if (
      each instanceof TypeError || each instanceof RangeError ||
      each instanceof ReferenceError || each.name === "InvariantError"
    ) return true;
  }
  return false;
}

const HASHES: Hashes = {
  digest: (hash, bytes) =>
    Promise.resolve(
      new Uint8Array(createHash(nodeName(hash)).update(bytes).digest()),
    ),
  hmac: (hash, { key, bytes }) =>
    Promise.resolve(
      new Uint8Array(createHmac(nodeName(hash), key).update(bytes).digest()),
    ),
};

function nodeName(hash: string): string {
  return hash.replace("-", "").toLowerCase();
}
