/**
 * The reader against literal bytes, and its refusals.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError, Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

function reader(...bytes: number[]): Reader {
  return new Reader(Uint8Array.from(bytes));
}

Deno.test("integers are read big-endian and signed by their name", () => {
  assertEquals(reader(0xff).int8(), -1);
  assertEquals(reader(0xff, 0xfe).int16(), -2);
  assertEquals(reader(0xff, 0xfe).uint16(), 65534);
  assertEquals(reader(0xff, 0xff, 0xff, 0xfe).int32(), -2);
  assertEquals(reader(0xff, 0xff, 0xff, 0xfe).uint32(), 4294967294);
  assertEquals(reader(0, 0, 0, 1, 0, 0, 0, 0).int64(), 4294967296);
  assertEquals(reader(255, 255, 255, 255, 255, 255, 255, 255).int64(), -1);
  assertEquals(reader(0x3f, 0xf8, 0, 0, 0, 0, 0, 0).float64(), 1.5);
  assertEquals(reader(2).bool(), true);
});

Deno.test("int64() maps the extremes to infinity and refuses what is not safe", () => {
  assertEquals(reader(0x7f, ...Array(7).fill(255)).int64(), Infinity);
  assertEquals(reader(0x80, ...Array(7).fill(0)).int64(), -Infinity);
  const safeMax = reader(0, 0x1f, 255, 255, 255, 255, 255, 255);
  assertEquals(safeMax.int64(), Number.MAX_SAFE_INTEGER);
  const safeMin = reader(0xff, 0xe0, 0, 0, 0, 0, 0, 1);
  assertEquals(safeMin.int64(), -Number.MAX_SAFE_INTEGER);
  for (
    const bytes of [
      [0, 0x20, 0, 0, 0, 0, 0, 0],
      [0xff, 0xe0, 0, 0, 0, 0, 0, 0],
      [0x7f, 255, 255, 255, 255, 255, 255, 254],
      [0x80, 0, 0, 0, 0, 0, 0, 1],
    ]
  ) assertThrows(() => reader(...bytes).int64(), DecodeError);
});

Deno.test("uvarint() takes 32 bits and no more", () => {
  assertEquals(reader(0x80, 0x01).uvarint(), 128);
  assertEquals(reader(255, 255, 255, 255, 15).uvarint(), 4294967295);
  assertThrows(() => reader(255, 255, 255, 255, 16).uvarint(), DecodeError);
  assertThrows(
    () => reader(0x80, 0x80, 0x80, 0x80, 0x80, 1).uvarint(),
    DecodeError,
  );
  assertThrows(() => reader(0x80).uvarint(), DecodeError);
});

Deno.test("varint() and varlong() undo the zig-zag", () => {
  assertEquals(reader(0x03).varint(), -2);
  assertEquals(reader(0x04).varint(), 2);
  assertEquals(reader(255, 255, 255, 255, 15).varint(), -2147483648);
  assertEquals(reader(0x03).varlong(), -2);
  assertThrows(() => reader(...Array(11).fill(255)).varlong(), DecodeError);
});

Deno.test("strings and bytes come with their length in either encoding", () => {
  assertEquals(reader(0, 2, 104, 105).string(), "hi");
  assertEquals(reader(3, 104, 105).compactString(), "hi");
  assertEquals(reader(255, 255).nullableString(), null);
  assertEquals(reader(0).nullableCompactString(), null);
  assertEquals(reader(0, 0, 0, 1, 7).lengthBytes(), Uint8Array.of(7));
  assertEquals(reader(2, 7).compactBytes(), Uint8Array.of(7));
  assertEquals(reader(255, 255, 255, 255).nullableBytes(), null);
  assertEquals(reader(0).nullableCompactBytes(), null);
});

Deno.test("null where none is allowed, and other negative lengths, are refused", () => {
  assertThrows(() => reader(255, 255).string(), DecodeError);
  assertThrows(() => reader(0).compactString(), DecodeError);
  assertThrows(() => reader(255, 254).nullableString(), DecodeError);
  assertThrows(() => reader(255, 255, 255, 254).nullableBytes(), DecodeError);
  assertThrows(() => reader(255, 255, 255, 255).lengthBytes(), DecodeError);
  assertThrows(() => reader(0).compactBytes(), DecodeError);
});

Deno.test("a length beyond the input is refused", () => {
  assertThrows(() => reader(0, 3, 104, 105).string(), DecodeError);
  assertThrows(() => reader(0x7f, 255, 255, 255).nullableBytes(), DecodeError);
  assertThrows(() => reader(1, 2).view(-1), DecodeError);
  assertThrows(() => reader(1, 2).advance(3), DecodeError, "2 left");
});

Deno.test("byte fields are views of the input", () => {
  const bytes = Uint8Array.of(0, 0, 0, 2, 8, 9);
  const view = new Reader(bytes).lengthBytes();
  assertEquals([view.buffer, view.byteOffset], [bytes.buffer, 4]);
});

Deno.test("text keeps a byte order mark at its start", () => {
  const writer = new Writer();
  writer.string("\uFEFFlonger than the short path takes it");
  assertEquals(
    new Reader(writer.view()).string(),
    "\uFEFFlonger than the short path takes it",
  );
});

Deno.test("what the writer writes is what the reader reads", () => {
  fc.assert(fc.property(
    fc.maxSafeInteger(),
    fc.integer(),
    fc.nat({ max: 0xffffffff }),
    fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }),
    fc.string({ unit: "binary", maxLength: 80 }),
    (int64, varint, uvarint, varlong, text) => {
      const writer = new Writer(1);
      writer.int64(int64);
      writer.varint(varint);
      writer.uvarint(uvarint);
      writer.varlong(varlong);
      writer.string(text);
      writer.compactString(text);
      const reader = new Reader(writer.view());
      assertEquals(reader.int64(), int64);
      assertEquals(reader.varint(), varint);
      assertEquals(reader.uvarint(), uvarint);
      assertEquals(reader.varlong(), varlong);
      assertEquals(reader.string(), text);
      assertEquals(reader.compactString(), text);
      assertEquals(reader.remaining, 0);
    },
  ));
});

Deno.test("a text that was read before is not taken for another one's bytes", () => {
  const read = (bytes: number[]) =>
    new Reader(new Uint8Array(bytes)).utf8(bytes.length);
  assertEquals(read([0xc3, 0xa9, 0x61]), "éa");
  assertEquals(read([0xe9, 0x61]), "\ufffda");
  assertEquals(read([0xe9, 0x61]), "\ufffda");
  assertEquals(read([0x6b, 0x66]), "kf");
  assertEquals(read([0x6b, 0x66]), "kf");
  assertEquals(read([0x6b, 0x66, 0x00]), "kf\0");
});
