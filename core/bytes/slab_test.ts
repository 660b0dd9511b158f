/**
 * Tests of the receive slots.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../invariant.ts";
import { crc32c, crc32cByTables } from "./crc32c.ts";
import { Slab, type Slot } from "./slab.ts";

function mustAcquire(slab: Slab): Slot {
  const slot = slab.acquire();
  if (slot === undefined) throw new Error("no slot is free");
  return slot;
}

Deno.test("acquire() lends each slot once and undefined when none is free", () => {
  const slab = new Slab({ slots: 3 });
  const slots = [0, 1, 2].map(() => mustAcquire(slab));
  assertEquals(slab.acquire(), undefined);
  slots.forEach((slot, i) => slot.bytes.fill(i + 1));
  slots.forEach((slot, i) => {
    assertEquals(slot.bytes.length, Slab.slotBytes);
    assertEquals(slot.bytes.every((byte) => byte === i + 1), true);
  });
  slots[1]!.release();
  assertEquals(slab.freeSlots, 1);
  assertEquals(mustAcquire(slab).bytes[0], 2);
});

Deno.test("release() a second time is a broken invariant, even when lent again", () => {
  const slab = new Slab({ slots: 1 });
  const first = mustAcquire(slab);
  first.release();
  mustAcquire(slab);
  assertThrows(() => first.release(), InvariantError, "released once");
  assertEquals(slab.freeSlots, 0);
});

Deno.test("crc32c() works over a slot", () => {
  const { bytes } = mustAcquire(new Slab({ slots: 2 }));
  for (let i = 0; i < bytes.length; i++) bytes[i] = i * 31 ^ i >> 8;
  assertEquals(crc32c(bytes), crc32cByTables(bytes));
  assertEquals(crc32c(bytes, 5, 5000), crc32cByTables(bytes, 5, 5000));
});
