/**
 * The histogram against sorted lists of the same durations.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Histogram } from "./histogram.ts";

Deno.test("percentiles are within a step of the sorted durations", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ min: 0, max: 2_000_000, noNaN: true }), {
      minLength: 1,
    }),
    fc.double({ min: 0.01, max: 1, noNaN: true }),
    (durations, part) => {
      const histogram = new Histogram();
      for (const ms of durations) histogram.add(ms);
      const sorted = durations.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil(part * sorted.length) - 1]!;
      const found = histogram.percentileMs(part);
      assert(
        found >= exact - 0.001 && found <= exact * 1.032 + 0.001,
        `${found} for ${exact}`,
      );
      assertEquals(histogram.maxMs, sorted.at(-1));
      assertEquals(histogram.minMs, sorted[0]);
      const bars = histogram.bars();
      assertEquals(bars.reduce((n, { count }) => n + count, 0), sorted.length);
      for (const [i, { fromMs }] of bars.slice(1).entries()) {
        assertEquals(fromMs, bars[i]!.toMs);
      }
    },
  ));
});

Deno.test("a histogram of nothing has no bars and no durations", () => {
  const histogram = new Histogram();
  assertEquals(histogram.bars(), []);
  assertEquals([histogram.percentileMs(0.5), histogram.meanMs], [0, 0]);
});
