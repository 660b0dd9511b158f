/**
 * A cleaning's pace: slices, rests, and bytes per second.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Clock } from "../../env/env.ts";
import { Pace } from "./pace.ts";

/** Time that only passes in sleeps and by hand. */
class SlowClock implements Pick<Clock, "monoMs" | "sleep"> {
  nowMs = 0;
  longestSleepMs = 0;

  monoMs(): number {
    return this.nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.nowMs += ms;
    this.longestSleepMs = Math.max(this.longestSleepMs, ms);
    return Promise.resolve();
  }
}

function paced(bytesPerSecond: () => number) {
  const clock = new SlowClock();
  const stopping = new AbortController();
  const pace = new Pace({
    clock: clock as unknown as Clock,
    signal: stopping.signal,
    bytesPerSecond,
  });
  return { clock, pace, stopping };
}

Deno.test("a slice ends after two milliseconds, and the rest is as long as the work", async () => {
  const { clock, pace } = paced(() => Infinity);
  pace.count(1e9);
  assert(!pace.isPauseDue);
  clock.nowMs = 7;
  assert(pace.isPauseDue);
  await pace.pause();
  assertEquals(clock.nowMs, 14);
  assert(!pace.isPauseDue);
});

Deno.test("bytes beyond the allowance are waited for, also when it grows meanwhile", async () => {
  let allowance = 1000;
  const { clock, pace } = paced(() => allowance);
  for (let i = 0; i < 10; i++) {
    pace.count(500);
    assert(pace.isPauseDue);
    await pace.pause();
  }
  assertEquals(clock.nowMs, 5000);
  pace.count(1e6);
  const pausing = pace.pause();
  allowance = 1e6;
  await pausing;
  assert(clock.nowMs < 7000 && clock.longestSleepMs <= 500);
});

Deno.test("an idle time earns no burst", async () => {
  const { clock, pace } = paced(() => 1000);
  clock.nowMs = 60_000;
  pace.count(500);
  await pace.pause();
  const beganMs = clock.nowMs;
  pace.count(1000);
  await pace.pause();
  assertEquals(clock.nowMs - beganMs, 1000);
});

Deno.test("a stop ends a pause", async () => {
  const { pace, stopping } = paced(() => 1);
  pace.count(1e9);
  stopping.abort();
  await assertRejects(() => pace.pause(), DOMException);
});
