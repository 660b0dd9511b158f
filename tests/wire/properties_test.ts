/**
 * What holds for every schema at every version: values survive the round
 * trip, and bad input is refused with a typed error, in bounded memory.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../core/bytes/reader.ts";
import { decode, decodeExact, encode } from "../../core/schema/codec.ts";
import { complete } from "../../core/schema/complete.ts";
import type { Message } from "../../core/schema/schema.ts";
import { valuesOf } from "./arbitrary.ts";
import { BODIES, OTHERS, SCHEMAS, versionsIn } from "./schemas.ts";

function forEveryVersion(
  schemas: readonly Message[],
  check: (schema: Message, version: number) => void,
): void {
  for (const schema of schemas) {
    for (const version of versionsIn(schema)) check(schema, version);
  }
}

function checkRoundTrip(schema: Message, version: number): void {
  fc.assert(
    fc.property(valuesOf(schema, version), (value) => {
      const bytes = encode(schema, version, value);
      const decoded = decodeExact(schema, version, bytes);
      assertEquals(
        decoded,
        complete(schema, value),
        `${schema.name} version ${version}`,
      );
      assertEquals(encode(schema, version, decoded), bytes);
    }),
    { numRuns: 40 },
  );
}

Deno.test("bodies survive the round trip with random values and unknown tags", () => {
  forEveryVersion(BODIES, checkRoundTrip);
});

Deno.test("headers and stored records survive the round trip", () => {
  forEveryVersion(OTHERS, checkRoundTrip);
});

Deno.test("a message cut short is refused at every length", () => {
  forEveryVersion(SCHEMAS, (schema, version) => {
    fc.assert(
      fc.property(valuesOf(schema, version), fc.nat(), (value, random) => {
        const bytes = encode(schema, version, value);
        if (bytes.length === 0) return;
        for (const cut of [random % bytes.length, bytes.length - 1]) {
          assertThrows(
            () => decode(schema, version, bytes.subarray(0, cut)),
            DecodeError,
          );
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** Decodes what may be garbage; anything but a `DecodeError` gets out. */
function tryDecode(schema: Message, version: number, bytes: Uint8Array): void {
  try {
    decodeExact(schema, version, bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

Deno.test("garbage gives DecodeError or a value, nothing else", () => {
  forEveryVersion(SCHEMAS, (schema, version) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        tryDecode(schema, version, bytes);
      }),
      { numRuns: 60 },
    );
  });
});

Deno.test("a valid message with one changed byte gives DecodeError or a value", () => {
  forEveryVersion(SCHEMAS, (schema, version) => {
    fc.assert(
      fc.property(
        valuesOf(schema, version),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        (value, at, byte) => {
          const bytes = encode(schema, version, value);
          if (bytes.length > 0) bytes[at % bytes.length] = byte;
          tryDecode(schema, version, bytes);
        },
      ),
      { numRuns: 20 },
    );
  });
});

Deno.test("lengths and counts beyond the input allocate nothing", () => {
  const patterns = [
    Uint8Array.of(0x7f, 0xff, 0xff, 0xff),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
    Uint8Array.of(0x80, 0x00),
    Uint8Array.of(0xfe, 0xff, 0xff, 0x7f),
    Uint8Array.of(0x00),
  ];
  const before = Deno.memoryUsage().heapTotal;
  forEveryVersion(SCHEMAS, (schema, version) => {
    for (const pattern of patterns) {
      const bytes = new Uint8Array(64);
      for (let at = 0; at < 64; at++) {
        bytes[at] = pattern[at % pattern.length]!;
      }
      for (let start = 0; start < 8; start++) {
        tryDecode(schema, version, bytes.subarray(start));
      }
    }
  });
  const grown = Deno.memoryUsage().heapTotal - before;
  assert(grown < 64 * 1024 * 1024, `the heap grew by ${grown} bytes`);
});
