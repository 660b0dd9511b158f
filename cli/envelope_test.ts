/**
 * The envelope in: what `kf consume -J` prints comes back as it was.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteSink } from "./byte_sink.ts";
import { readEnvelope } from "./envelope.ts";
import { envelopeFormat } from "./record_format.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const print = envelopeFormat(new Uint8Array(0));

function asBytes(field: Uint8Array | string | null): number[] | null {
  if (field === null) return null;
  return [...typeof field === "string" ? bytes(field) : field];
}

/** Any bytes, and often those at the edges of UTF-8. */
const field = fc.option(fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  fc.string({ unit: "binary" }).map(bytes),
  fc.constantFrom(
    [],
    [0xef, 0xbb, 0xbf],
    [0xef, 0xbb],
    [0xff],
    [0xed, 0xa0, 0x80],
    [0xef, 0xbf, 0xbd],
    [0],
    [0xe2, 0x80, 0xa8],
  ).map((list) => Uint8Array.from(list)),
));

Deno.test("an envelope read gives the bytes of the envelope printed", () => {
  fc.assert(fc.property(
    field,
    field,
    fc.array(fc.tuple(fc.string({ unit: "binary" }), field)),
    fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
    (key, value, headers, timestamp) => {
      const sink = new ByteSink(1);
      print({
        topic: "t",
        partition: 1,
        offset: 7,
        leaderEpoch: 0,
        timestamp,
        key,
        value,
        headers: headers.map(([key, value]) => ({ key, value })),
      }, sink);
      const read = readEnvelope(sink.view());
      assertEquals(asBytes(read.key), asBytes(key));
      assertEquals(asBytes(read.value), asBytes(value));
      assertEquals(read.timestamp, timestamp);
      assertEquals(
        read.headers!.map(([name, value]) => [name, asBytes(value)]),
        headers.map(([name, value]) => [name, asBytes(value)]),
      );
    },
  ));
});

Deno.test("an envelope by hand needs a value only", () => {
  assertEquals(readEnvelope(bytes('{"value":"v"}')), {
    partition: undefined,
    key: null,
    value: "v",
    headers: undefined,
    timestamp: undefined,
  });
});

Deno.test("an envelope that would lose something is refused", () => {
  const cases: [string | Uint8Array, RegExp][] = [
    ["", /no JSON/],
    ["{", /no JSON/],
    [Uint8Array.of(0x22, 0xff, 0x22), /no UTF-8/],
    ["[]", /no JSON object/],
    ["null", /no JSON object/],
    ["{}", /needs a "value"/],
    ['{"value":"v","kye":"k"}', /no field "kye"/],
    ['{"value":1}', /value must be a string/],
    ['{"value":{"base64":"/w==","x":1}}', /value must be/],
    ['{"value":{"base64":"?"}}', /value is no base64/],
    ['{"value":"\\ud800"}', /surrogate/],
    ['{"value":"v","key":[]}', /key must be/],
    ['{"value":"v","headers":{"a":"1"}}', /headers must be a list/],
    ['{"value":"v","headers":[["a"]]}', /pairs/],
    ['{"value":"v","headers":[[1,"a"]]}', /pairs/],
    ['{"value":"v","headers":[["\\udc00","a"]]}', /surrogate/],
    ['{"value":"v","headers":[["a",1]]}', /header "a" must be/],
    ['{"value":"v","timestamp":"now"}', /timestamp/],
    ['{"value":"v","timestamp":1.5}', /timestamp/],
    ['{"value":"v","timestamp":-2}', /timestamp/],
  ];
  for (const [line, wanted] of cases) {
    const given = typeof line === "string" ? bytes(line) : line;
    const { message } = assertThrows(() => readEnvelope(given), Error);
    assertEquals(wanted.test(message), true, `${line}: ${message}`);
  }
});
