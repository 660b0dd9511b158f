/**
 * Metadata records: framing, the whole-record maker, refusals.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { METADATA_TOPIC_ID } from "../bytes/uuid.ts";
import { DecodeError } from "../schema/codec.ts";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  METADATA_RECORDS,
  metadataRecord,
  type MetadataRecordType,
} from "./records.ts";

Deno.test("a record is framed by frame version, type and version", () => {
  const record = metadataRecord("Topic", {
    name: "ab",
    topicId: METADATA_TOPIC_ID,
  });
  const bytes = encodeMetadataRecord(record);
  const id = [...Array(15).fill(0), 1];
  assertEquals([...bytes], [1, 2, 0, 3, 97, 98, ...id, 0]);
  assertEquals(decodeMetadataRecord(bytes), record);
});

Deno.test("metadataRecord() gives what decoding would give", () => {
  for (const type of Object.keys(METADATA_RECORDS) as MetadataRecordType[]) {
    const record = metadataRecord(type, {});
    assertEquals(decodeMetadataRecord(encodeMetadataRecord(record)), record);
  }
  const change = metadataRecord("PartitionChange", { leader: 3, isr: [3] });
  assertEquals(change.value.replicas, null);
  assertEquals(decodeMetadataRecord(encodeMetadataRecord(change)), change);
});

Deno.test("every version of every record is read", () => {
  // RegisterBroker version 0: no tag for log dirs, no shutdown flag.
  const bytes = Uint8Array.of(
    ...[1, 0, 0, 0, 0, 0, 7, ...Array(16).fill(0)],
    ...[0, 0, 0, 0, 0, 0, 0, 9, 1, 1, 0, 1, 0],
  );
  const { type, value } = decodeMetadataRecord(bytes);
  assertEquals(type, "RegisterBroker");
  assertEquals(
    value,
    metadataRecord("RegisterBroker", {
      brokerId: 7,
      brokerEpoch: 9,
      rack: null,
    }).value,
  );
});

Deno.test("an unknown frame, type or version, and bytes left over, are refused", () => {
  const inputs = [
    { bytes: [2, 2, 0], says: "frame version 2" },
    { bytes: [1, 99, 0], says: "type 99" },
    { bytes: [1, 20, 1, 0], says: "version 1" },
    { bytes: [1, 20, 0, 0, 0], says: "left over" },
    { bytes: [], says: "0 left" },
  ];
  for (const { bytes, says } of inputs) {
    assertThrows(
      () => decodeMetadataRecord(Uint8Array.from(bytes)),
      DecodeError,
      says,
    );
  }
});
