/**
 * Frames against literal bytes: which header goes with which version.
 *
 * @module
 */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../../core/bytes/reader.ts";
import { FETCH } from "./01_fetch.ts";
import { HEARTBEAT } from "./12_heartbeat.ts";
import { API_VERSIONS } from "./18_api_versions.ts";
import { PRODUCE } from "./00_produce.ts";
import {
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeRequestParts,
  encodeResponse,
  responseWriter,
  writeResponse,
} from "./headers.ts";

Deno.test("requests have header 1, flexible ones header 2, both an int16 client id", () => {
  const head = { api: HEARTBEAT, correlationId: 7, clientId: "kf" };
  const old = encodeRequest({ ...head, version: 0 }, {});
  assertEquals(
    [...old.subarray(0, 16)],
    [0, 0, 0, 20, 0, 12, 0, 0, 0, 0, 0, 7, 0, 2, 107, 102],
  );
  assertEquals(decodeRequestHeader(old.subarray(4)), {
    apiKey: 12,
    apiVersion: 0,
    correlationId: 7,
    clientId: "kf",
    bodyAt: 12,
  });
  const flexible = encodeRequest({ ...head, version: 4 }, {});
  assertEquals(decodeRequestHeader(flexible.subarray(4)).bodyAt, 13);
});

Deno.test("a client id may be null", () => {
  const frame = encodeRequest(
    { api: HEARTBEAT, version: 4, correlationId: 1, clientId: null },
    {},
  );
  assertEquals(decodeRequestHeader(frame.subarray(4)).clientId, null);
});

Deno.test("an unknown API gives what every header has", () => {
  const frame = Uint8Array.of(0x7f, 0, 0, 3, 0, 0, 0, 9, 1);
  assertEquals(decodeRequestHeader(frame), {
    apiKey: 0x7f00,
    apiVersion: 3,
    correlationId: 9,
    clientId: null,
    bodyAt: -1,
  });
});

Deno.test("versions that are not served still have a readable header", () => {
  const old = Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 9, 255, 255);
  assertEquals(decodeRequestHeader(old).apiVersion, 2);
  const future = Uint8Array.of(0, 18, 0, 99, 0, 0, 0, 9, 255, 255, 0);
  assertEquals(decodeRequestHeader(future).bodyAt, 11);
});

Deno.test("a header cut short is refused", () => {
  for (let length = 0; length < 10; length++) {
    const frame = Uint8Array.of(0, 12, 0, 0, 0, 0, 0, 7, 0, 1);
    assertThrows(
      () => decodeRequestHeader(frame.subarray(0, length)),
      DecodeError,
    );
  }
});

Deno.test("flexible responses have header 1, ApiVersions never", () => {
  const heartbeat = encodeResponse(
    { api: HEARTBEAT, version: 4, correlationId: 7 },
    {},
  );
  assertEquals(
    [...heartbeat],
    [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
  );
  const apiVersions = encodeResponse(
    { api: API_VERSIONS, version: 3, correlationId: 7 },
    { apiKeys: [{ apiKey: 0, minVersion: 0, maxVersion: 13 }] },
  );
  assertEquals(
    [...apiVersions],
    [
      ...[0, 0, 0, 19, 0, 0, 0, 7, 0, 0],
      ...[2, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0],
    ],
  );
  const { correlationId, body } = decodeResponse(
    { api: API_VERSIONS, version: 3 },
    apiVersions.subarray(4),
  );
  assertEquals([correlationId, body.apiKeys[0]?.maxVersion], [7, 13]);
});

Deno.test("a response with bytes left over is refused", () => {
  const head = { api: HEARTBEAT, version: 0 };
  const frame = encodeResponse({ ...head, correlationId: 7 }, {});
  assertThrows(
    () => decodeResponse(head, Uint8Array.of(...frame.subarray(4), 0)),
    DecodeError,
    "1 bytes are left over",
  );
});

Deno.test("parts are the same frame, large records not copied", () => {
  const records = new Uint8Array(100_000).fill(3);
  const response = { api: FETCH, version: 12, correlationId: 7 };
  const answer = {
    responses: [{ topic: "t", partitions: [{ records }, { records }] }],
  };
  const frame = encodeResponse(response, answer);
  const writer = responseWriter();
  writeResponse(writer, response, answer);
  writeResponse(writer, response, answer);
  const parts = writer.parts();
  assertStrictEquals(parts[1], records);
  assertEquals(joined(parts), joined([frame, frame]));

  const request = { api: PRODUCE, version: 9, correlationId: 7, clientId: "c" };
  const produce = {
    topicData: [{ name: "t", partitionData: [{ records }] }],
  };
  const requestParts = encodeRequestParts(request, produce);
  assertStrictEquals(requestParts[1], records);
  assertEquals(joined(requestParts), encodeRequest(request, produce));
});

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
