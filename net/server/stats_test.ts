/**
 * Quantiles from buckets, and how old times are let go.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Latency } from "./stats.ts";

Deno.test("every time is in one bucket, and quantiles lie within it", () => {
  const latency = new Latency();
  assertEquals(latency.quantileMs(0.5), NaN);
  for (let i = 0; i < 90; i++) latency.record(1.5);
  for (let i = 0; i < 10; i++) latency.record(300);
  assertEquals(latency.count, 100);
  assertEquals(latency.sumMs, 90 * 1.5 + 10 * 300);
  const median = latency.quantileMs(0.5);
  assert(median > 1 && median <= 2, String(median));
  const high = latency.quantileMs(0.99);
  assert(high > 200 && high <= 500, String(high));
});

Deno.test("a time beyond every bound counts as the last bound", () => {
  const latency = new Latency();
  latency.record(1e9);
  latency.record(0);
  assertEquals(latency.quantileMs(0.999), 60_000);
  assertEquals(latency.buckets[0], 1);
  assertEquals(latency.buckets.at(-1), 1);
});

Deno.test("quantiles forget in two steps, sums never", () => {
  const latency = new Latency();
  latency.record(300);
  latency.age();
  latency.record(1.5);
  assert(latency.quantileMs(0.99) > 200);
  latency.age();
  assert(latency.quantileMs(0.99) <= 2);
  latency.age();
  assertEquals(latency.quantileMs(0.99), NaN);
  assertEquals(latency.count, 2);
});
