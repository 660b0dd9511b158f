/**
 * Ids as text and as bytes.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  isUuid,
  METADATA_TOPIC_ID,
  uuidFromBytes,
  uuidFromRandom,
  uuidToBytes,
  ZERO_UUID,
} from "./uuid.ts";

Deno.test("every 16 bytes have one text and come back from it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const uuid = uuidFromBytes(bytes);
      assertEquals(isUuid(uuid), true);
      const back = new Uint8Array(18);
      uuidToBytes(uuid, back, 1);
      assertEquals(back.subarray(1, 17), bytes);
    }),
  );
});

Deno.test("Kafka's own ids have Kafka's text", () => {
  const one = new Uint8Array(16);
  assertEquals(uuidFromBytes(one), ZERO_UUID);
  one[15] = 1;
  assertEquals(uuidFromBytes(one), METADATA_TOPIC_ID);
});

Deno.test("malformed text is no uuid and is not written", () => {
  for (
    const text of ["", "A".repeat(21), "A".repeat(21) + "B", "é".repeat(22)]
  ) {
    assertEquals(isUuid(text), false);
    assertThrows(() => uuidToBytes(text, new Uint8Array(16)), TypeError);
  }
});

Deno.test("uuidFromRandom() makes a version 4 id that doesn't begin with a dash", () => {
  const draws = [new Uint8Array(16).fill(0xfb), new Uint8Array(16).fill(1)];
  const uuid = uuidFromRandom({ bytes: () => draws.shift()! });
  const bytes = new Uint8Array(16);
  uuidToBytes(uuid, bytes);
  assertEquals([bytes[0], bytes[6], bytes[8]], [1, 0x41, 0x81]);
});
