/**
 * Records of `__consumer_offsets` against Kafka's bytes.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../schema/codec.ts";
import {
  decodeGroupRecord,
  encodeGroupRecord,
  groupMetadataValue,
  type GroupRecord,
  offsetCommitValue,
} from "./records.ts";

const COMMIT: GroupRecord = {
  type: "OffsetCommit",
  key: { group: "g", topic: "t", partition: 2 },
  value: offsetCommitValue({ offset: 5, metadata: "m", commitTimestamp: 9 }),
};

Deno.test("an offset commit is key type 1 and value version 3", () => {
  const { key, value } = encodeGroupRecord(COMMIT);
  assertEquals([...key], [0, 1, 0, 1, 103, 0, 1, 116, 0, 0, 0, 2]);
  assertEquals(
    [...value!],
    [
      ...[0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255],
      ...[0, 1, 109, 0, 0, 0, 0, 0, 0, 0, 9],
    ],
  );
  assertEquals(decodeGroupRecord({ key, value }), COMMIT);
});

Deno.test("a classic group is key type 2 and value version 3", () => {
  const record: GroupRecord = {
    type: "GroupMetadata",
    key: { group: "g" },
    value: groupMetadataValue({
      protocolType: "consumer",
      generation: 3,
      protocol: "range",
      leader: "m1",
      currentStateTimestamp: 77,
      members: [{
        memberId: "m1",
        groupInstanceId: "static",
        clientId: "c",
        clientHost: "/127.0.0.1",
        rebalanceTimeout: 300000,
        sessionTimeout: 45000,
        subscription: Uint8Array.of(1),
        assignment: Uint8Array.of(2),
      }],
    }),
  };
  const { key, value } = encodeGroupRecord(record);
  assertEquals([...key], [0, 2, 0, 1, 103]);
  assertEquals([...value!].slice(0, 4), [0, 3, 0, 8]);
  assertEquals(decodeGroupRecord({ key, value }), record);
});

Deno.test("a null value is a deletion", () => {
  for (
    const record of [
      { ...COMMIT, value: null } as GroupRecord,
      { type: "GroupMetadata", key: { group: "g" }, value: null } as const,
    ]
  ) {
    const { key, value } = encodeGroupRecord(record);
    assertEquals(value, null);
    assertEquals(decodeGroupRecord({ key, value }), record);
  }
});

Deno.test("old keys and old and new values are read", () => {
  const { key } = encodeGroupRecord(COMMIT);
  key[1] = 0;
  const value = Uint8Array.of(
    ...[0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 109],
    ...[0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 8],
  );
  const record = decodeGroupRecord({ key, value });
  assertEquals(record, {
    ...COMMIT,
    value: { ...COMMIT.value, expireTimestamp: 8 },
  } as GroupRecord);
  const flexible = Uint8Array.of(
    ...[0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255],
    ...[2, 109, 0, 0, 0, 0, 0, 0, 0, 9, 0],
  );
  assertEquals(decodeGroupRecord({ key, value: flexible }), COMMIT);
});

Deno.test("types of newer coordinators are unknown, not errors", () => {
  const key = Uint8Array.of(0, 99, 0, 1, 103);
  assertEquals(decodeGroupRecord({ key, value: null }), { type: "Unknown" });
});

Deno.test("a record without key, or with an unknown value version, is refused", () => {
  assertThrows(
    () => decodeGroupRecord({ key: null, value: null }),
    DecodeError,
  );
  const { key } = encodeGroupRecord(COMMIT);
  assertThrows(
    () => decodeGroupRecord({ key, value: Uint8Array.of(0, 5) }),
    DecodeError,
    "version 5",
  );
});
