/**
 * Splitting bytes into records, however they arrive.
 *
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { readFramed, readRecords, readWhole } from "./record_reader.ts";
import type { Source } from "./terminal.ts";

function sourceOf(chunks: readonly Uint8Array[]): Source {
  const left = chunks.filter((chunk) => chunk.length > 0);
  return {
    read(into) {
      const chunk = left.shift();
      if (chunk === undefined) return Promise.resolve(null);
      const size = Math.min(chunk.length, into.length);
      into.set(chunk.subarray(0, size));
      if (size < chunk.length) left.unshift(chunk.subarray(size));
      return Promise.resolve(size);
    },
    close() {},
  };
}

async function split(
  chunks: readonly Uint8Array[],
  delimiter: Uint8Array,
): Promise<number[][]> {
  const records: Uint8Array[] = [];
  await readRecords(sourceOf(chunks), {
    delimiter,
    take(record) {
      records.push(record);
      return undefined;
    },
  });
  return records.map((record) => [...record]);
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("readRecords() ends a record without a last delimiter", async () => {
  const found = await split([bytes("a\n\nb")], bytes("\n"));
  assertEquals(found, [[97], [], [98]]);
});

Deno.test("readRecords() gives nothing for nothing", async () => {
  assertEquals(await split([], bytes("\n")), []);
});

Deno.test("readRecords() takes records larger than its chunks whole", async () => {
  const large = new Uint8Array(700_000).fill(120);
  const found = await split([large, bytes("\r\n"), large], bytes("\r\n"));
  assertEquals(found.map(({ length }) => length), [700_000, 700_000]);
});

Deno.test("readRecords() gives views that later reads leave alone", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`);
  const records: Uint8Array[] = [];
  await readRecords(sourceOf([bytes(lines.join(""))]), {
    delimiter: bytes("\n"),
    take(record) {
      records.push(record);
      return undefined;
    },
  });
  const text = records.map((record) => new TextDecoder().decode(record));
  assertEquals(text.length, lines.length);
  assertEquals(text.every((line, i) => line + "\n" === lines[i]), true);
});

Deno.test("readRecords() waits when it is asked to", async () => {
  const seen: string[] = [];
  await readRecords(sourceOf([bytes("1\n2\n")]), {
    delimiter: bytes("\n"),
    async take(record) {
      seen.push(`take ${new TextDecoder().decode(record)}`);
      await Promise.resolve();
      seen.push("ready");
    },
  });
  assertEquals(seen, ["take 1", "ready", "take 2", "ready"]);
});

Deno.test("readRecords() finds the same records however bytes are cut", async () => {
  const small = fc.uint8Array({ max: 3, maxLength: 12 });
  const delimiter = fc.uint8Array({ max: 3, minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(small), delimiter, async (chunks, end) => {
      const whole = chunks.flatMap((chunk) => [...chunk]);
      assertEquals(
        await split(chunks, end),
        await split([Uint8Array.from(whole)], end),
      );
    }),
  );
});

const framed = fc.array(
  fc.option(fc.uint8Array({ maxLength: 12 }), { nil: null }),
  { maxLength: 8 },
);

function frame(records: readonly (Uint8Array | null)[]): number[] {
  return records.flatMap((record) => {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setInt32(0, record?.length ?? -1);
    return [...prefix, ...record ?? []];
  });
}

function cut(bytes: readonly number[], sizes: readonly number[]): Uint8Array[] {
  let at = 0;
  const chunks = sizes.map((size) =>
    Uint8Array.from(bytes.slice(at, at += size))
  );
  return [...chunks, Uint8Array.from(bytes.slice(at))];
}

Deno.test("readFramed() gives the records that were framed, however bytes are cut", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(framed, sizes, async (records, sizes) => {
      const read: (Uint8Array | null)[] = [];
      await readFramed(sourceOf(cut(frame(records), sizes)), {
        take(record) {
          read.push(record === null ? null : record.slice());
          return undefined;
        },
      });
      assertEquals(read, records.map((record) => record && record.slice()));
    }),
  );
});

Deno.test("readFramed() takes frames larger than its chunks", async () => {
  const records = [300_000, 0, 700_000, 1].map((size) =>
    new Uint8Array(size).map((_, i) => i * 7 % 256)
  );
  const read: Uint8Array[] = [];
  const bytes = new Uint8Array(
    await new Blob(
      records.flatMap((record) => {
        const prefix = new DataView(new ArrayBuffer(4));
        prefix.setInt32(0, record.length);
        return [prefix, record];
      }),
    ).arrayBuffer(),
  );
  await readFramed(sourceOf([bytes]), {
    take(record) {
      read.push(record!);
      return undefined;
    },
  });
  // Views: what was read later has not changed them.
  assertEquals(read.map((record) => record.slice()), records);
});

Deno.test("readFramed() refuses an end within a record and what is no length", async () => {
  const take = () => undefined;
  const read = (bytes: number[]) =>
    readFramed(sourceOf([Uint8Array.from(bytes)]), { take });
  await read([]);
  for (const bytes of [[0], [0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 2, 9]]) {
    await assertRejects(() => read(bytes), Error, "record 1: the input ends");
  }
  await assertRejects(() => read([0, 0, 0, 0, 7]), Error, "record 2");
  for (const bytes of [[0xff, 0xff, 0xff, 0xfe], [0x7b, 0x22, 0x61, 0x22]]) {
    await assertRejects(() => read(bytes), Error, "is no length");
  }
});

Deno.test("readWhole() gives all of a source as one record", async () => {
  for (const size of [0, 1, 256 * 1024, 600_000]) {
    const bytes = new Uint8Array(size).map((_, i) => i % 251);
    const read: Uint8Array[] = [];
    await readWhole(sourceOf([bytes.slice(0, 100), bytes.slice(100)]), {
      take(record) {
        read.push(record.slice());
        return undefined;
      },
    });
    assertEquals(read, [bytes]);
  }
});
