/**
 * The writer against literal bytes, and what it keeps instead of copying.
 *
 * @module
 */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { InvariantError } from "../invariant.ts";
import { Reader } from "./reader.ts";
import { EncodeError, uvarintSize, Writer } from "./writer.ts";

function written(write: (writer: Writer) => void): number[] {
  const writer = new Writer(1);
  write(writer);
  return [...writer.finish()];
}

Deno.test("integers are written big-endian", () => {
  assertEquals(written((w) => w.int16(-2)), [255, 254]);
  assertEquals(written((w) => w.uint16(65534)), [255, 254]);
  assertEquals(written((w) => w.int32(-2)), [255, 255, 255, 254]);
  assertEquals(written((w) => w.uint32(4294967294)), [255, 255, 255, 254]);
  assertEquals(written((w) => w.bool(true)), [1]);
  assertEquals(
    written((w) => w.int64(-4294967297)),
    [255, 255, 255, 254, 255, 255, 255, 255],
  );
  assertEquals(written((w) => w.int64(Infinity)), [127, ...Array(7).fill(255)]);
  assertEquals(written((w) => w.int64(-Infinity)), [128, ...Array(7).fill(0)]);
});

Deno.test("int64() refuses what is not a safe integer", () => {
  for (const value of [2 ** 53, 1.5, NaN]) {
    assertThrows(() => new Writer().int64(value), EncodeError);
  }
});

Deno.test("strings stand behind their length in bytes, not characters", () => {
  assertEquals(written((w) => w.string("é")), [0, 2, 0xc3, 0xa9]);
  assertEquals(written((w) => w.compactString("é")), [3, 0xc3, 0xa9]);
  assertEquals(written((w) => w.compactString("")), [1]);
  const long = "x".repeat(200);
  assertEquals(written((w) => w.compactString(long)).slice(0, 3), [
    201,
    1,
    120,
  ]);
});

Deno.test("string() refuses more than 32767 bytes and writes nothing", () => {
  const writer = new Writer();
  writer.int8(1);
  assertThrows(() => writer.string("é".repeat(20000)), EncodeError, "40000");
  assertEquals([...writer.view()], [1]);
});

Deno.test("uvarintSize() agrees with uvarint()", () => {
  for (const value of [0, 127, 128, 16383, 16384, 2 ** 32 - 1]) {
    assertEquals(written((w) => w.uvarint(value)).length, uvarintSize(value));
  }
});

Deno.test("endSized() puts the length before content of any length", () => {
  for (const size of [0, 1, 127, 128, 20000]) {
    const writer = new Writer(1);
    writer.int8(9);
    const start = writer.beginSized();
    writer.raw(new Uint8Array(size).fill(7));
    writer.endSized(start);
    writer.int8(9);
    const reader = new Reader(writer.view());
    assertEquals(reader.int8(), 9);
    assertEquals(reader.uvarint(), size);
    assertEquals(reader.view(size), new Uint8Array(size).fill(7));
    assertEquals([reader.int8(), reader.remaining], [9, 0]);
  }
});

Deno.test("parts() gives large byte fields back as they are", () => {
  const large = new Uint8Array(10).fill(1);
  const writer = new Writer(1, { keepFrom: 10 });
  writer.int8(5);
  writer.raw(large);
  writer.raw(new Uint8Array(9));
  writer.raw(large);
  assertEquals(writer.length, 30);
  const parts = writer.parts();
  assertEquals(parts.map((part) => part.length), [1, 10, 9, 10]);
  assertStrictEquals(parts[1], large);
  assertThrows(() => writer.view(), InvariantError);
  assertThrows(() => writer.finish(), InvariantError);
  writer.reset();
  assertEquals([writer.length, writer.parts().length], [0, 0]);
});

Deno.test("endSized() counts kept bytes and keeps them in place", () => {
  const large = new Uint8Array(200).fill(1);
  const write = (writer: Writer) => {
    writer.raw(large);
    const start = writer.beginSized();
    writer.int8(2);
    writer.raw(large);
    writer.int8(3);
    writer.endSized(start);
    writer.int8(4);
  };
  const copying = new Writer();
  write(copying);
  const keeping = new Writer(1, { keepFrom: 100 });
  write(keeping);
  assertEquals(
    keeping.parts().flatMap((part) => [...part]),
    [...copying.view()],
  );
});
