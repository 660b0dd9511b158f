/**
 * Tests of the buffers that reads fill.
 *
 * @module
 */
import { assert, assertEquals, assertNotStrictEquals } from "@std/assert";
import { ReadBuffers } from "./read_buffers.ts";

const KB = 1024;

Deno.test("a buffer on loan is lent to nobody else; one given back is lent again, as it is", () => {
  const buffers = new ReadBuffers();
  const first = buffers.lend(100 * KB);
  const second = buffers.lend(100 * KB);
  assertNotStrictEquals(first.buffer, second.buffer);
  first.fill(1);
  buffers.giveBack(first.subarray(10, 20));
  const third = buffers.lend(90 * KB);
  assertEquals(third.length, 90 * KB);
  assert(third.buffer === first.buffer && third.every((byte) => byte === 1));
  assertNotStrictEquals(buffers.lend(90 * KB).buffer, first.buffer);
});

Deno.test("what was given back before, or was never lent, is not lent twice", () => {
  const buffers = new ReadBuffers();
  const stranger = new Uint8Array(100 * KB);
  const lent = buffers.lend(100 * KB);
  for (const bytes of [stranger, lent, lent]) buffers.giveBack(bytes);
  const again = buffers.lend(100 * KB);
  const other = buffers.lend(100 * KB);
  assert(again.buffer === lent.buffer);
  assert(other.buffer !== lent.buffer && other.buffer !== stranger.buffer);
});

Deno.test("a buffer of more than twice the bytes serves larger reads", () => {
  const buffers = new ReadBuffers();
  const large = buffers.lend(1000 * KB);
  buffers.giveBack(large);
  assertEquals(buffers.lend(400 * KB).buffer.byteLength, 400 * KB);
  assert(buffers.lend(500 * KB).buffer === large.buffer);
  assertEquals(buffers.lend(1000 * KB).length, 1000 * KB);
});

/** How many of `lent`, which are given back before, are lent again. */
function keptOf(buffers: ReadBuffers, lent: readonly Uint8Array[]): number {
  const were = new Set(lent.map(({ buffer }) => buffer));
  return lent.map(({ length }) => buffers.lend(length))
    .filter(({ buffer }) => were.has(buffer)).length;
}

Deno.test("small and huge buffers are not kept, and 64 MB of the others", () => {
  const buffers = new ReadBuffers();
  for (const bytes of [0, 1, 60 * KB, 8192 * KB]) {
    const lent = buffers.lend(bytes);
    assertEquals(lent.length, bytes);
    buffers.giveBack(lent);
    assert(buffers.lend(bytes).buffer !== lent.buffer);
  }
  const many = Array.from({ length: 80 }, () => buffers.lend(1024 * KB));
  for (let round = 0; round < 2; round++) {
    for (const lent of many) buffers.giveBack(lent);
  }
  assertEquals(keptOf(buffers, many), 64);
});

Deno.test("trim() forgets what nobody needed since the last time, and keeps the rest", () => {
  const buffers = new ReadBuffers();
  const many = Array.from({ length: 10 }, () => buffers.lend(100 * KB));
  for (const lent of many) buffers.giveBack(lent);
  buffers.trim();
  // Two are on loan at once at most, and there are some of another size.
  const large = buffers.lend(1000 * KB);
  for (let i = 0; i < 20; i++) {
    const two = [buffers.lend(100 * KB), buffers.lend(100 * KB)];
    for (const lent of two) buffers.giveBack(lent);
  }
  buffers.giveBack(large);
  buffers.trim();
  assertEquals(keptOf(buffers, [large]), 1);
  assertEquals(keptOf(buffers, many), 2);
  buffers.giveBack(large);
  buffers.trim();
  buffers.trim();
  assertEquals(keptOf(buffers, [large]), 0);
});
