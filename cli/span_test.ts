/**
 * When reading is done.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Consumer } from "../net/client.ts";
import { Span } from "./span.ts";

Deno.test("Span is not done while a rebalance has taken everything away", async () => {
  const at = { topic: "t", partition: 0 };
  const consumer = {
    position: () => Promise.resolve(7),
    endOffsets: () => Promise.resolve([{ ...at, offset: 7 }]),
  } as unknown as Consumer;
  const span = new Span(consumer, { isEndedAtEnd: true, to: undefined });
  assertEquals([await span.isDone(), span.lacksAssignment], [false, true]);
  await span.assigned([at]);
  assertEquals([await span.isDone(), span.lacksAssignment], [true, false]);
  span.revoked([at]);
  assertEquals([await span.isDone(), span.lacksAssignment], [false, true]);
  await span.assigned([]);
  assertEquals([await span.isDone(), span.lacksAssignment], [true, false]);
  const endless = new Span(consumer, { isEndedAtEnd: false, to: undefined });
  await endless.assigned([at]);
  assertEquals([await endless.isDone(), endless.lacksAssignment], [
    false,
    false,
  ]);
});
