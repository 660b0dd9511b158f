/**
 * Tests of the key hash against values of the Java client.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { murmur2 } from "./murmur2.ts";

Deno.test("murmur2() equals the Java client's", () => {
  const hashOf = (text: string) => murmur2(new TextEncoder().encode(text));
  assertEquals(hashOf("21"), -973932308);
  assertEquals(hashOf("foobar"), -790332482);
  assertEquals(hashOf("abc"), 479470107);
  assertEquals(hashOf("a-little-bit-long-string"), -985981536);
  assertEquals(hashOf("a-little-bit-longer-string"), -1486304829);
});
