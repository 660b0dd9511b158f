/**
 * The consumer protocol's bytes, old and future versions included.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../schema/codec.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "./protocol.ts";

Deno.test("a subscription says its version, then what Kafka writes", () => {
  const bytes = encodeSubscription({
    topics: ["t"],
    ownedPartitions: [{ topic: "t", partitions: [1] }],
    generationId: 4,
  });
  assertEquals(
    [...bytes],
    [
      ...[0, 3, 0, 0, 0, 1, 0, 1, 116, 255, 255, 255, 255],
      ...[0, 0, 0, 1, 0, 1, 116, 0, 0, 0, 1, 0, 0, 0, 1],
      ...[0, 0, 0, 4, 255, 255],
    ],
  );
  assertEquals(decodeSubscription(bytes), {
    topics: ["t"],
    userData: null,
    ownedPartitions: [{ topic: "t", partitions: [1] }],
    generationId: 4,
    rackId: null,
  });
});

Deno.test("version 0 has topics and user data only", () => {
  const bytes = Uint8Array.of(0, 0, 0, 0, 0, 1, 0, 1, 116, 0, 0, 0, 1, 9);
  assertEquals(decodeSubscription(bytes), {
    topics: ["t"],
    userData: Uint8Array.of(9),
    ownedPartitions: [],
    generationId: -1,
    rackId: null,
  });
});

Deno.test("a future version is read as the newest that is known", () => {
  const bytes = encodeSubscription({ topics: ["t"] });
  const future = Uint8Array.of(...bytes, 1, 2, 3);
  future[1] = 9;
  assertEquals(decodeSubscription(future).topics, ["t"]);
  future[0] = 0x80;
  assertThrows(() => decodeSubscription(future), DecodeError, "negative");
});

Deno.test("an assignment comes back as it went", () => {
  const value = {
    assignedPartitions: [{ topic: "t", partitions: [0, 2] }],
    userData: null,
  };
  assertEquals(decodeAssignment(encodeAssignment(value)), value);
  assertThrows(() => decodeAssignment(new Uint8Array(0)), DecodeError);
});
