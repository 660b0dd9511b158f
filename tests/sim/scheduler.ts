/**
 * Virtual time: a queue of events, run one after the other, each with all that
 * follows from it before the clock moves on. Owns the order of everything in a
 * run and the hash of what happened; it must never wait for real time.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Cancel } from "../../core/env/env.ts";

/** Whose events run only while it lives. */
export interface Owner {
  readonly isAlive: boolean;
}

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly owner: Owner;
  fn: (() => void) | undefined;
}

const NOBODY: Owner = { isAlive: true };

/** More than ever happens while the clock stands still. */
const STEPS_MAX = 100_000;

/**
 * The event loop of a run.
 *
 * Invariants:
 * 1. Time never goes back.
 * 2. Nothing of an event is left to run when the next one begins.
 * 3. Time goes on: what happens at one instant is bounded.
 */
export class Scheduler {
  readonly #heap: Event[] = [];
  #sequence = 0;
  #nowMs = 0;
  #hash = 0x811c9dc5;
  #eventCount = 0;
  /** Events, ends of turns and calls of seams since the clock moved. */
  #steps = 0;
  #turnEnds: { readonly owner: Owner; readonly fn: () => void }[] = [];
  readonly #onNote: ((line: string) => void) | undefined;
  readonly #onThrow: (error: unknown) => void;

  constructor({ onNote, onThrow }: {
    readonly onNote: ((line: string) => void) | undefined;
    /** Told what an event threw: it would have ended a real process. */
    readonly onThrow: (error: unknown) => void;
  }) {
    this.#onNote = onNote;
    this.#onThrow = onThrow;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that were run. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Of all that was noted: equal runs have equal ones. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Counts a step of the instant; whether there were too many. */
  step(): boolean {
    return ++this.#steps > STEPS_MAX;
  }

  /** What happens, for the hash and for who reads along. */
  note(what: string): void {
    let hash = Math.imul(this.#hash ^ (this.#nowMs * 1000), 0x01000193);
    for (let i = 0; i < what.length; i++) {
      hash = Math.imul(hash ^ what.charCodeAt(i), 0x01000193);
    }
    this.#hash = hash;
    this.#onNote?.(`${this.#nowMs.toFixed(3).padStart(12)} ${what}`);
  }

  /** Runs `fn` after `ms`, if its owner lives then. */
  after(ms: number, fn: () => void, owner: Owner = NOBODY): Cancel {
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, ms),
      sequence: this.#sequence++,
      owner,
      fn,
    };
    this.#push(event);
    return () => event.fn = undefined;
  }

  /** Runs `fn` when the event that is under way has settled. */
  endOfTurn(fn: () => void, owner: Owner): void {
    this.#turnEnds.push({ owner, fn });
  }

  /** Runs events until `isOver` or until time `untilMs`; whether it was over. */
  async run(untilMs: number, isOver: () => boolean): Promise<boolean> {
    await this.settle();
    for (;;) {
      if (isOver()) return true;
      const event = this.#heap[0];
      if (event === undefined || event.atMs > untilMs) return false;
      this.#pop();
      const { fn, owner } = event;
      if (fn === undefined || !owner.isAlive) continue;
      if (event.atMs > this.#nowMs) this.#steps = 0;
      this.#nowMs = event.atMs;
      this.#eventCount++;
      this.#checkEnds();
      this.#run(fn);
      await this.settle();
    }
  }

  #run(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#onThrow(error);
    }
  }

  /** Lets everything run that follows from what ran. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const due = this.#turnEnds;
      if (due.length === 0 || !this.#checkEnds()) return;
      this.#turnEnds = [];
      for (const { owner, fn } of due) if (owner.isAlive) this.#run(fn);
    }
  }

  /** Whether the instant may go on; if not, whoever listens ends the run. */
  #checkEnds(): boolean {
    if (!this.step()) return true;
    this.#onThrow(new Error(`No end to what happens at ${this.#nowMs} ms`));
    return false;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) {
        child++;
      }
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || a.atMs === b.atMs && a.sequence < b.sequence;
}
