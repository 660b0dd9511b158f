/**
 * The offset map beside a plain one: the same answers, within its bytes.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { OffsetMap } from "./offset_map.ts";

function keyOf(text: string, padding = 0) {
  const bytes = new TextEncoder().encode(`..${text}${"x".repeat(padding)}.`);
  return { bytes, at: 2, length: bytes.length - 3 };
}

Deno.test("the newest offset of every key that fitted is known, and of no other", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.nat(2 ** 40))),
      fc.integer({ min: 1, max: 3000 }),
      fc.nat(),
      (entries, bytesMax, seed) => {
        const map = new OffsetMap({ bytesMax, keysMax: entries.length, seed });
        const plain = new Map<string, number>();
        for (const [text, offset] of entries) {
          if (map.put(keyOf(text), offset)) plain.set(text, offset);
          else assert(!plain.has(text), "a known key always fits");
        }
        assertEquals(map.size, plain.size);
        assert(entries.length === 0 || map.size > 0, "one key always fits");
        for (const [text] of entries) {
          assertEquals(map.get(keyOf(text)), plain.get(text) ?? -1);
        }
      },
    ),
  );
});

Deno.test("keys of all lengths are told apart, longer ones than a chunk too", () => {
  const map = new OffsetMap({ bytesMax: 64e6, keysMax: 1000, seed: 1 });
  const keys = [0, 1, 1000, 2 ** 20 - 15, 2 ** 20 - 14, 2 ** 20, 3e6].flatMap(
    (padding) => ["a", "b"].map((text) => keyOf(text, padding)),
  );
  for (const [offset, key] of keys.entries()) assert(map.put(key, offset));
  for (const [offset, key] of keys.entries()) {
    assertEquals(map.get(key), offset);
  }
  assertEquals(map.get(keyOf("c")), -1);
});

Deno.test("memory for keys ends where the bytes do", () => {
  const bytesMax = 1_000_000;
  const map = new OffsetMap({ bytesMax, keysMax: 1e9, seed: 2 });
  let count = 0;
  while (map.put(keyOf(`key number ${count}`), count)) count++;
  // A key takes its length, an offset, its own length and a slot.
  assert(count > bytesMax / 64 && count < bytesMax / 28, `${count}`);
  assert(map.utilization > 0.5 && map.utilization <= 1);
});
