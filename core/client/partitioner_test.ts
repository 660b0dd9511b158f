/**
 * Where records go, and how long retries wait.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { backoffMs } from "./backoff.ts";
import { partitionOfKey, StickyPartitioner } from "./partitioner.ts";

const UTF8 = new TextEncoder();

function counting() {
  let next = 0;
  return { u32: () => next++, bytes: (n: number) => new Uint8Array(n) };
}

Deno.test("keys go where Java's murmur2 sends them", () => {
  assertEquals(
    partitionOfKey(UTF8.encode("foobar"), 7),
    (-790332482 & 0x7fffffff) % 7,
  );
  assertEquals(
    partitionOfKey(UTF8.encode("21"), 7),
    (-973932308 & 0x7fffffff) % 7,
  );
});

Deno.test("keyless records stick to a partition for a batch's worth of bytes", () => {
  const sticky = new StickyPartitioner(100, counting());
  const chosen = Array.from({ length: 6 }, () => sticky.next(50, [4, 5, 6]));
  assertEquals(chosen, [4, 4, 5, 5, 6, 6]);
});

Deno.test("keyless records leave a partition that lost its leader", () => {
  const sticky = new StickyPartitioner(1000, counting());
  assertEquals(sticky.next(1, [0, 1]), 0);
  assertEquals(sticky.next(1, [1]), 1);
});

Deno.test("backoffMs() doubles up to its bound, with jitter", () => {
  const random = counting();
  const options = { baseMs: 100, maxMs: 1000, random };
  const waits = [0, 1, 2, 3, 4, 40].map((n) => backoffMs(n, options));
  assert(waits.every((ms, i) => i === 0 || ms >= waits[i - 1]!));
  assertEquals(waits[0], 80);
  assertEquals(waits.at(-1), 1000);
});
