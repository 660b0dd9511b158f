/**
 * Tests of CRC-32C against a reference that goes bit by bit.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { crc32c, crc32cByTables, crc32cMemory } from "./crc32c.ts";
import { CRC32C_SOURCE_SHA256 } from "./crc32c_wasm.ts";

const LENGTHS = [
  ...Array.from({ length: 80 }, (_, i) => i),
  ...[127, 128, 200, 208, 209, 210, 224, 225, 255, 256, 257, 300, 511, 512],
  ...[513, 600, 719, 720, 721, 735, 736, 1000, 1024, 4097, 8191, 8192, 8193],
  ...[8400, 8401, 8416, 8417, 16384, 16601, 20000, 65535, 65536, 65537],
  ...[66000, 131072, 131100],
];

function reference(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}

function pseudoRandom(length: number): Uint8Array {
  let state = length + 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    return state >>> 24;
  });
}

Deno.test("crc32c() gives the check value of 123456789", () => {
  const bytes = new TextEncoder().encode("123456789");
  assertEquals(crc32c(bytes), 0xe3069283);
  assertEquals(crc32cByTables(bytes), 0xe3069283);
});

Deno.test("crc32c() equals the reference at many lengths and alignments", () => {
  const memory = crc32cMemory(140_000);
  for (const length of LENGTHS) {
    const data = pseudoRandom(length);
    const expected = reference(data);
    for (const shift of length < 1000 ? [0, 1, 3, 7, 8, 13, 15] : [0, 5]) {
      const where = `length ${length}, shift ${shift}`;
      const elsewhere = new Uint8Array(length + shift + 3);
      elsewhere.set(data, shift);
      assertEquals(crc32c(elsewhere, shift, shift + length), expected, where);
      assertEquals(
        crc32cByTables(elsewhere, shift, shift + length),
        expected,
        `tables, ${where}`,
      );
      memory.set(elsewhere, 0);
      const inPlace = memory.subarray(shift);
      assertEquals(crc32c(inPlace, 0, length), expected, `in place, ${where}`);
    }
  }
});

Deno.test("crc32c() notices every single flipped bit of a folded input", () => {
  const data = pseudoRandom(700);
  const expected = crc32c(data);
  for (let bit = 0; bit < data.length * 8; bit++) {
    const mask = 1 << (bit & 7);
    data[bit >> 3]! ^= mask;
    assertEquals(crc32c(data) === expected, false, `bit ${bit}`);
    data[bit >> 3]! ^= mask;
  }
});

Deno.test("memories of two slabs don't disturb each other", () => {
  const one = crc32cMemory(10_000);
  const two = crc32cMemory(10_000);
  one.set(pseudoRandom(10_000));
  two.set(pseudoRandom(9_999));
  assertEquals(crc32c(one), reference(one));
  assertEquals(crc32c(two), reference(two));
  assertEquals(crc32c(one), reference(one));
});

Deno.test("the embedded module was built from the C source beside it", async () => {
  const source = await Deno.readFile(new URL("./crc32c.c", import.meta.url));
  const digest = await crypto.subtle.digest("SHA-256", source);
  const hex = Array.from(
    new Uint8Array(digest),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
  assertEquals(
    CRC32C_SOURCE_SHA256,
    hex,
    "crc32c.c was changed: run core/bytes/crc32c_build.sh",
  );
});
