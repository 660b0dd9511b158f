/**
 * Deadlines under a clock that is moved by hand.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Clock } from "../../core/env/env.ts";
import { Deadlines } from "./deadlines.ts";

/** A clock that goes on by hand, counting the timers that were set. */
class HandClock implements Clock {
  now = 1000;
  timersSet = 0;
  #timers = new Set<{ atMs: number; fn: () => void }>();

  get pending(): number {
    return this.#timers.size;
  }

  wallMs(): number {
    return this.now;
  }

  monoMs(): number {
    return this.now;
  }

  sleep(): Promise<void> {
    return Promise.reject(new Error("not here"));
  }

  timer(ms: number, fn: () => void): () => void {
    this.timersSet++;
    const timer = { atMs: this.now + ms, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  endOfTurn(): void {}

  go(ms: number): void {
    this.now += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs <= this.now && this.#timers.delete(timer)) timer.fn();
    }
  }
}

Deno.test("a deadline is met once, never early, late by a step at most", () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock);
  let met = 0;
  deadlines.add(100, () => met++);
  clock.go(99);
  assertEquals(met, 0);
  clock.go(9);
  assertEquals(met, 1);
  clock.go(1000);
  assertEquals(met, 1);
  assertEquals(clock.pending, 0);
});

Deno.test("many deadlines share one timer", () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock);
  let met = 0;
  for (let i = 0; i < 1000; i++) deadlines.add(500, () => met++);
  assertEquals(clock.timersSet, 1);
  clock.go(510);
  assertEquals(met, 1000);
  assertEquals(deadlines.count, 0);
});

Deno.test("an earlier deadline moves the timer forward", () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock);
  const met: string[] = [];
  deadlines.add(500, () => met.push("late"));
  deadlines.add(50, () => met.push("early"));
  clock.go(60);
  assertEquals(met, ["early"]);
  clock.go(450);
  assertEquals(met, ["early", "late"]);
});

Deno.test("a cancelled deadline is forgotten", () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock);
  const deadline = deadlines.add(10, () => {
    throw new Error("cancelled");
  });
  deadlines.cancel(deadline);
  deadlines.cancel(deadline);
  assertEquals(deadlines.count, 0);
  clock.go(100);
});

Deno.test("after the end a deadline is met at once, unless cancelled, without a timer", async () => {
  const clock = new HandClock();
  const deadlines = new Deadlines(clock);
  const met: string[] = [];
  deadlines.add(500, () => met.push("waiting"));
  deadlines.endAll();
  assertEquals(met, ["waiting"]);
  deadlines.add(500, () => met.push("late"));
  deadlines.cancel(deadlines.add(500, () => met.push("cancelled")));
  await Promise.resolve();
  assertEquals(met, ["waiting", "late"]);
  assertEquals([clock.pending, deadlines.count], [0, 0]);
});
