/**
 * Splitting bytes into records, however they arrive.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { readRecords } from "./record_reader.ts";
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
