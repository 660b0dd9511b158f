/**
 * The codec against literal bytes: what the properties in `tests/wire` cannot
 * see, because an error made both ways survives a round trip.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  decode,
  DecodeError,
  decodeExact,
  encode,
  EncodeError,
} from "./codec.ts";
import {
  array,
  bool,
  bytes,
  float64,
  type Input,
  int16,
  int32,
  int64,
  int8,
  type Message,
  message,
  records,
  string,
  struct,
  uint16,
  uint32,
  uuid,
} from "./schema.ts";

const PLAIN = message({ name: "Plain", versions: "0-4", flexible: "3+" }, {
  name: string("0+", { nullable: "1+" }),
  old: int16("0-1", { default: 7 }),
  ids: array("0+", int32(), { nullable: "2+" }),
  items: array("0+", { key: int8("0+"), extra: int64("2+", { default: -1 }) }),
  hint: string("4+", { ignorable: true }),
});

const TAGGED = message({ name: "Tagged", versions: "0-2", flexible: "1+" }, {
  label: string("1+", { nullable: "1+", default: null, tag: 3 }),
  state: struct("1+", { epoch: int32("1+", { default: -1 }) }, { tag: 1 }),
  late: int32("2+", { tag: 0, default: 5 }),
  lone: struct("2+", { a: bool("2+") }, { nullable: "2+", default: null }),
});

function check<M extends Message>(
  schema: M,
  version: number,
  { value, wire }: { value: Input<M>; wire: number[] },
): void {
  const encoded = encode(schema, version, value);
  assertEquals([...encoded], wire);
  const decoded = decodeExact(schema, version, encoded);
  assertEquals([...encode(schema, version, decoded)], wire);
}

Deno.test("versions that are not flexible use fixed lengths", () => {
  check(PLAIN, 0, {
    value: { name: "ab", old: 1, ids: [1], items: [{ key: -1 }] },
    wire: [0, 2, 97, 98, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 255],
  });
});

Deno.test("null is minus one in old versions and zero in flexible ones", () => {
  check(PLAIN, 2, {
    value: { name: null, ids: null },
    wire: [255, 255, 255, 255, 255, 255, 0, 0, 0, 0],
  });
  check(PLAIN, 3, {
    value: { name: null, ids: null },
    wire: [0, 0, 1, 0],
  });
});

Deno.test("flexible versions have compact lengths, and tags behind every struct", () => {
  check(PLAIN, 3, {
    value: { name: "ab", ids: [1], items: [{ key: 9, extra: 2 }] },
    wire: [3, 97, 98, 2, 0, 0, 0, 1, 2, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
  });
});

Deno.test("absent fields are written as their default and read as it", () => {
  assertEquals([...encode(PLAIN, 1, {})], [0, 0, 0, 7, ...Array(8).fill(0)]);
  assertEquals(decode(PLAIN, 2, encode(PLAIN, 2, { items: [{}] })), {
    name: "",
    old: 7,
    ids: [],
    items: [{ key: 0, extra: -1 }],
    hint: "",
  });
});

Deno.test("tagged fields are left out at their default, else stand in rising order", () => {
  check(TAGGED, 1, { value: {}, wire: [0] });
  check(TAGGED, 1, {
    value: { label: "x", state: { epoch: 2 } },
    wire: [2, 1, 5, 0, 0, 0, 2, 0, 3, 2, 2, 120],
  });
  check(TAGGED, 2, {
    value: { late: 6, state: { epoch: -1 } },
    wire: [255, 1, 0, 4, 0, 0, 0, 6],
  });
});

Deno.test("a nullable struct stands behind one byte", () => {
  check(TAGGED, 2, { value: { lone: { a: true } }, wire: [1, 1, 0, 0] });
  assertEquals(decode(TAGGED, 2, Uint8Array.of(255, 0)).lone, null);
});

Deno.test("unknown tags are kept and written back between known ones", () => {
  const wire = [4, 0, 1, 8, 1, 5, 0, 0, 0, 2, 0, 2, 0, 3, 2, 2, 120];
  const decoded = decodeExact(TAGGED, 1, Uint8Array.from(wire));
  assertEquals(decoded.unknownTags, [
    { tag: 0, bytes: Uint8Array.of(8) },
    { tag: 2, bytes: new Uint8Array(0) },
  ]);
  assertEquals([...encode(TAGGED, 1, decoded)], wire);
});

Deno.test("tags out of order, twice, or not of their size are refused", () => {
  const inputs = [
    [2, 9, 0, 8, 0],
    [2, 9, 0, 9, 0],
    [1, 1, 6, 0, 0, 0, 2, 0, 0],
    [1, 1, 4, 0, 0, 0, 2, 0],
    [1, 9, 5, 0],
    [0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0],
  ];
  for (const input of inputs) {
    assertThrows(
      () => decode(TAGGED, 1, Uint8Array.from(input)),
      DecodeError,
      undefined,
      input.join(),
    );
  }
});

Deno.test("unknown tags that collide are not encoded", () => {
  const one = { tag: 1, bytes: new Uint8Array(0) };
  const nine = { tag: 9, bytes: new Uint8Array(0) };
  for (const unknownTags of [[one], [nine, nine], [{ ...one, tag: -1 }]]) {
    assertThrows(() => encode(TAGGED, 1, { unknownTags }), EncodeError, "tag");
  }
  assertThrows(() => encode(TAGGED, 0, { unknownTags: [nine] }), EncodeError);
});

Deno.test("null where the version has none names field and version", () => {
  assertThrows(
    () => encode(PLAIN, 0, { name: null }),
    EncodeError,
    "Plain.name: null is not allowed in version 0",
  );
  assertThrows(
    () => decode(PLAIN, 0, Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255)),
    DecodeError,
    "Plain.ids",
  );
});

Deno.test("a value that the version cannot carry is refused unless ignorable", () => {
  assertThrows(
    () => encode(PLAIN, 1, { items: [{ extra: 3 }] }),
    EncodeError,
    "Plain.items.extra: version 1 does not have this field",
  );
  encode(PLAIN, 1, { items: [{ extra: -1 }], hint: "dropped" });
  assertThrows(() => encode(TAGGED, 0, { state: { epoch: 1 } }), EncodeError);
  assertThrows(() => encode(TAGGED, 0, { label: "x" }), EncodeError);
  encode(TAGGED, 0, { state: { epoch: -1 }, label: null });
});

Deno.test("numbers that don't fit their type are refused", () => {
  const schema = message({ name: "M", versions: "0", flexible: "none" }, {
    a: int8(),
    b: int16(),
    c: uint16(),
    d: int32(),
    e: uint32(),
    f: int64(),
    g: uuid(),
  });
  const bad: Input<typeof schema>[] = [
    { a: 128 },
    { b: -32769 },
    { c: -1 },
    { d: 2 ** 31 },
    { d: 0.5 },
    { e: 2 ** 32 },
    { f: 2 ** 53 },
    { g: "short" },
  ];
  for (const value of bad) {
    const name = Object.keys(value)[0]!;
    assertThrows(() => encode(schema, 0, value), EncodeError, `M.${name}`);
  }
});

Deno.test("every type survives with its extremes", () => {
  const schema = message({ name: "All", versions: "0-1", flexible: "1+" }, {
    a: bool(),
    c: uint16(),
    e: uint32(),
    f: int64(),
    g: uuid(),
    h: float64(),
    i: bytes("0+"),
    j: records("0+", { nullable: "0+" }),
    k: string("0+", { flexible: "none" }),
  });
  const value = {
    a: true,
    c: 65535,
    e: 0xffffffff,
    f: -Infinity,
    g: "_____________________w",
    h: -0.5,
    i: Uint8Array.of(1, 2),
    j: null,
    k: "old",
  };
  for (const version of [0, 1]) {
    assertEquals(
      decodeExact(schema, version, encode(schema, version, value)),
      value,
    );
  }
  assertEquals([...encode(schema, 1, value)].slice(-7), [
    0,
    0,
    3,
    111,
    108,
    100,
    0,
  ]);
});

Deno.test("a count that the input cannot hold is refused before anything is made", () => {
  const input = Uint8Array.of(0, 0, 0, 7, 0x7f, 255, 255, 255);
  assertThrows(
    () => decode(PLAIN, 1, input),
    DecodeError,
    "2147483647 elements",
  );
  // Two of four bytes each do not fit into seven, though seven elements might.
  assertThrows(
    () =>
      decode(PLAIN, 2, Uint8Array.of(0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0)),
    DecodeError,
    "2 elements in 7 bytes",
  );
  assertThrows(
    () => decode(PLAIN, 1, Uint8Array.of(0, 0, 0, 7, 255, 255, 255, 254)),
    DecodeError,
  );
});

Deno.test("decode() leaves the rest, decodeExact() refuses it", () => {
  const input = Uint8Array.of(0, 99);
  assertEquals(decode(TAGGED, 1, input).label, null);
  assertThrows(() => decodeExact(TAGGED, 1, input), DecodeError, "1 bytes");
});

Deno.test("versions outside the schema's are refused", () => {
  for (const version of [-1, 5, 1.5, NaN]) {
    assertThrows(
      () => decode(PLAIN, version, new Uint8Array(9)),
      DecodeError,
      "outside 0-4",
    );
    assertThrows(() => encode(PLAIN, version, {}), EncodeError, "outside 0-4");
  }
});

Deno.test("defaults are fresh: changing a decoded value changes no other", () => {
  const one = decode(PLAIN, 1, encode(PLAIN, 1, {}));
  one.ids?.push(1);
  assertEquals(decode(PLAIN, 1, encode(PLAIN, 1, {})).ids, []);
  const state = decode(TAGGED, 0, new Uint8Array(0)).state;
  state.epoch = 9;
  assertEquals(decode(TAGGED, 0, new Uint8Array(0)).state.epoch, -1);
});

Deno.test("a tagged struct says by 0 that it is null, by 1 that it is there", () => {
  const schema = message({ name: "M", versions: "0", flexible: "0+" }, {
    inner: struct("0+", { a: int8() }, { nullable: "0+", tag: 0 }),
  });
  const cases: [{ a: number } | null, number[]][] = [
    [null, [1, 0, 1, 0]],
    [{ a: 7 }, [1, 0, 3, 1, 7, 0]],
    [{ a: 0 }, [0]],
  ];
  for (const [inner, bytes] of cases) {
    const encoded = encode(schema, 0, { inner });
    assertEquals([...encoded], bytes);
    assertEquals(decodeExact(schema, 0, encoded), { inner });
  }
});
