/**
 * Tests of the codecs: round trips, known vectors, and garbage.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import snappyjs from "snappyjs";
import { int32At } from "../bytes/big_endian.ts";
import {
  CODEC_NAMES,
  compress,
  CompressionError,
  decompress,
} from "./compression.ts";
import { xxhash32 } from "./xxhash32.ts";

const MAX = 1 << 24;
const COMPRESSING = CODEC_NAMES.filter((name) => name !== "none");

/** Bytes with repeats near and far, runs, and stretches of noise. */
const texture = fc.array(
  fc.tuple(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    fc.integer({ min: 1, max: 3000 }),
  ),
  { maxLength: 12 },
).map((parts) => {
  const chunks = [...parts, ...parts].flatMap(([bytes, times]) =>
    Array.from({ length: Math.min(times, 20000 / bytes.length) }, () => bytes)
  );
  return concat(chunks);
});

function concat(chunks: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function fromHex(hex: string): Uint8Array {
  const pairs = hex.replaceAll(" ", "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}

for (const codec of CODEC_NAMES) {
  Deno.test(`decompress() gives back what compress() took: ${codec}`, () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), texture), (b) => {
        const squeezed = compress(codec, b);
        assertEquals(decompress(codec, squeezed, { maxBytes: MAX }), b);
      }),
      { numRuns: 60 },
    );
  });
}

for (const codec of COMPRESSING) {
  Deno.test(`compress() makes repetitive input much smaller: ${codec}`, () => {
    const text = new TextEncoder().encode(
      '{"origin":"ATL","delay":14,"distance":2145}\n'.repeat(5000),
    );
    const squeezed = compress(codec, text);
    assert(squeezed.length < text.length / 10, `${squeezed.length} bytes`);
    assertEquals(decompress(codec, squeezed, { maxBytes: MAX }), text);
  });

  Deno.test(`compress() grows noise only a little: ${codec}`, () => {
    const noise = new Uint8Array(200_000);
    let state = 1;
    for (let i = 0; i < noise.length; i++) {
      state = Math.imul(state, 1664525) + 1013904223 | 0;
      noise[i] = state >>> 24;
    }
    const squeezed = compress(codec, noise);
    assert(squeezed.length < noise.length + 300, `${squeezed.length} bytes`);
    assertEquals(decompress(codec, squeezed, { maxBytes: MAX }), noise);
  });

  Deno.test(`decompress() stops at the cap: ${codec}`, () => {
    const bomb = compress(codec, new Uint8Array(8 << 20));
    for (const maxBytes of [1, 1000, (8 << 20) - 1]) {
      const error = assertThrows(
        () => decompress(codec, bomb, { maxBytes }),
        CompressionError,
      );
      assertEquals(error.reason, "too-large", `cap ${maxBytes}`);
    }
    const whole = decompress(codec, bomb, { maxBytes: 8 << 20 });
    assertEquals(whole.length, 8 << 20);
  });

  Deno.test(`decompress() refuses or survives any garbage: ${codec}`, () => {
    const survives = (bytes: Uint8Array) => {
      try {
        const out = decompress(codec, bytes, { maxBytes: 100_000 });
        assert(out.length <= 100_000);
      } catch (error) {
        assert(error instanceof CompressionError, `${error}`);
      }
    };
    const valid = compress(codec, new TextEncoder().encode("abcab".repeat(99)));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), survives));
    fc.assert(
      fc.property(fc.nat(valid.length - 1), fc.nat(255), (at, byte) => {
        const broken = valid.slice();
        broken[at] = byte;
        survives(broken);
        survives(valid.subarray(0, at));
        survives(concat([valid.subarray(0, at), broken]));
      }),
      { numRuns: 300 },
    );
  });
}

Deno.test("xxhash32() gives the published values", () => {
  const hashOf = (text: string) => xxhash32(new TextEncoder().encode(text));
  assertEquals(hashOf(""), 0x02cc5d05);
  assertEquals(hashOf("a"), 0x550d7456);
  assertEquals(hashOf("abc"), 0x32d153ff);
  assertEquals(hashOf("Nobody inspects the spammish repetition"), 0xe2293b2f);
});

Deno.test("decompress() reads a linked LZ4 frame with all checksums", () => {
  // Two blocks: ten literals, then a match that reaches into the first block.
  const head = [0x54, 0x0c];
  const first = [0xa0, ...new TextEncoder().encode("0123456789")];
  const second = [0x04, 0x0a, 0x00, 0x50, 0x61, 0x62, 0x63, 0x64, 0x65];
  head[1] = 0x40;
  const word = (n: number) => [n & 255, n >> 8 & 255, n >> 16 & 255, n >>> 24];
  const sum = (bytes: number[]) => word(xxhash32(Uint8Array.from(bytes)));
  const content = new TextEncoder().encode("012345678901234567abcde");
  const frame = (secondBlock: number[], checksum: number[]) =>
    Uint8Array.from([
      ...[0x04, 0x22, 0x4d, 0x18, ...head],
      xxhash32(Uint8Array.from(head)) >>> 8 & 255,
      ...[...word(first.length), ...first, ...sum(first)],
      ...[...word(secondBlock.length), ...secondBlock, ...sum(secondBlock)],
      ...[0, 0, 0, 0, ...checksum],
    ]);
  const good = frame(second, [...word(xxhash32(content))]);
  assertEquals(decompress("lz4", good, { maxBytes: MAX }), content);
  assertEquals(
    decompress("lz4", concat([good, good]), { maxBytes: MAX }),
    concat([content, content]),
  );
  assertThrows(
    () => decompress("lz4", frame(second, [1, 2, 3, 4]), { maxBytes: MAX }),
    CompressionError,
    "wrong checksum",
  );
  const reaching = [0x04, 0x0b, ...second.slice(2)];
  assertThrows(
    () => decompress("lz4", frame(reaching, [0, 0, 0, 0]), { maxBytes: MAX }),
    CompressionError,
    "before the content",
  );
});

Deno.test("decompress() reads raw Snappy with every kind of element", () => {
  // Literal "abcd", copy-1 of 4, copy-2 of 6, copy-4 of 5.
  const raw = fromHex("13 0c 61626364 01 04 16 0800 13 04000000");
  assertEquals(
    new TextDecoder().decode(decompress("snappy", raw, { maxBytes: MAX })),
    "abcdabcdabcdabcdabc".slice(0, 19),
  );
});

Deno.test("Snappy blocks are exchanged with another implementation", () => {
  fc.assert(
    fc.property(texture, (bytes) => {
      const raw = snappyjs.compress(bytes);
      assertEquals(decompress("snappy", raw, { maxBytes: MAX }), bytes);
      const framed = compress("snappy", bytes);
      const theirs: Uint8Array[] = [];
      for (let at = 16; at < framed.length;) {
        const end = at + 4 + int32At(framed, at);
        theirs.push(snappyjs.uncompress(framed.slice(at + 4, end)));
        at = end;
      }
      assertEquals(concat(theirs), bytes);
    }),
    { numRuns: 40 },
  );
});

Deno.test("decompress() refuses a Snappy length that the input can't reach", () => {
  const claim = fromHex("ffffffff07 0061");
  const error = assertThrows(
    () => decompress("snappy", claim, { maxBytes: Infinity }),
    CompressionError,
    "cannot inflate",
  );
  assertEquals(error.reason, "corrupt");
});
