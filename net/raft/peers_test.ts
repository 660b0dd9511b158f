/**
 * How long members of a quorum wait for each other.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fetchWaitMs } from "./peers.ts";

Deno.test("a fetch is answered before whoever sent it gives it up, or stands for election", () => {
  assertEquals(fetchWaitMs({ fetchMs: 2_000, requestMs: 2_000 }), 500);
  assertEquals(fetchWaitMs({ fetchMs: 2_000, requestMs: 300 }), 150);
  assertEquals(fetchWaitMs({ fetchMs: 600, requestMs: 2_000 }), 300);
});
