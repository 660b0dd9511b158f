/**
 * Frames over scripted connections, cut at every place.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Slab } from "../../core/bytes/slab.ts";
import { FrameError, FrameReader, ReceiveMemory } from "./framing.ts";
import type { Connection } from "./transport.ts";

const ADDRESS = { host: "127.0.0.1", port: 1 };

/** A connection that gives `chunks` one read at a time. */
function scripted(chunks: readonly Uint8Array[]): Connection {
  const queue = [...chunks];
  return {
    local: ADDRESS,
    remote: ADDRESS,
    read(into) {
      const chunk = queue.shift();
      if (chunk === undefined) return Promise.resolve(null);
      const n = Math.min(into.length, chunk.length);
      into.set(chunk.subarray(0, n));
      if (n < chunk.length) queue.unshift(chunk.subarray(n));
      return Promise.resolve(n);
    },
    writeAll: () => Promise.resolve(),
    close() {},
  };
}

function framed(...bodies: Uint8Array[]): Uint8Array {
  const total = bodies.reduce((sum, body) => sum + 4 + body.length, 0);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const body of bodies) {
    new DataView(bytes.buffer).setInt32(at, body.length);
    bytes.set(body, at + 4);
    at += 4 + body.length;
  }
  return bytes;
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i * 7 + seed & 255);
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

function reader(
  connection: Connection,
  { slab = new Slab({ slots: 2 }), frameBytesMax = 4_000_000 } = {},
): { frames: FrameReader; slab: Slab } {
  const memory = new ReceiveMemory(slab, { heapBytesMax: 8_000_000 });
  const frames = new FrameReader(connection, { memory, frameBytesMax });
  return { frames, slab };
}

async function readAll(frames: FrameReader): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  do {
    for (let f = frames.take(); f !== undefined; f = frames.take()) {
      all.push(f.slice());
    }
  } while (await frames.fill());
  return all;
}

Deno.test("frames come out as they went in, however the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 2500 }), {
        minLength: 1,
        maxLength: 6,
      }),
      async (lengths, sizes) => {
        const bodies = lengths.map((length, i) => pattern(length, i));
        const { frames, slab } = reader(
          scripted(cut(framed(...bodies), sizes)),
        );
        assertEquals(await readAll(frames), bodies);
        frames.release();
        assertEquals(slab.freeSlots, 2);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a frame larger than a slot is received in the heap", async () => {
  const bodies = [pattern(900_000, 1), pattern(10, 2), pattern(2_500_000, 3)];
  const { frames, slab } = reader(scripted(cut(framed(...bodies), [70_000])));
  assertEquals(await readAll(frames), bodies);
  frames.release();
  assertEquals(slab.freeSlots, 2);
});

for (const size of [-1, -2147483648, 0, 4_000_001, 2147483647]) {
  Deno.test(`a frame that claims ${size} bytes is refused`, async () => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setInt32(0, size);
    const { frames } = reader(scripted([bytes]));
    await frames.fill();
    assertThrows(() => frames.take(), FrameError);
    frames.release();
  });
}

Deno.test("a quiet connection holds no slot", async () => {
  const { frames, slab } = reader(scripted([framed(pattern(100, 1))]));
  await frames.fill();
  assert(frames.take() !== undefined);
  assertEquals(slab.freeSlots, 2);
  await frames.fill();
  frames.release();
});

/** A reader that holds the only slot, and another for the same memory. */
async function withoutSlot(heapBytesMax: number) {
  const slab = new Slab({ slots: 1 });
  const memory = new ReceiveMemory(slab, { heapBytesMax });
  const options = { memory, frameBytesMax: 100_000 };
  const chunks = () => scripted(cut(framed(pattern(50_000, 1)), [2000]));
  const first = new FrameReader(chunks(), options);
  const second = new FrameReader(chunks(), options);
  await first.fill();
  await first.fill();
  assertEquals(slab.freeSlots, 0);
  return { memory, first, second };
}

Deno.test("without a free slot a frame is received in the heap", async () => {
  const { first, second } = await withoutSlot(100_000);
  let frame: Uint8Array | undefined;
  while (frame === undefined && await second.fill()) frame = second.take();
  assertEquals(frame, pattern(50_000, 1));
  first.release();
  second.release();
});

Deno.test("without any memory nothing is read until some is given back", async () => {
  const { memory, first, second } = await withoutSlot(20_000);
  assert(memory.takeHeap(20_000));
  await second.fill();
  let hasRead = false;
  const waiting = second.fill().then(() => hasRead = true);
  await Promise.resolve();
  assertEquals(hasRead, false);
  memory.giveHeap(20_000);
  await waiting;
  first.release();
  second.release();
});

Deno.test("frames that starve each other of memory end with the one that is closed", async () => {
  const { first, second, memory } = await withoutSlot(40_000);
  const third = new FrameReader(
    scripted(cut(framed(pattern(50_000, 1)), [2000])),
    { memory, frameBytesMax: 100_000 },
  );
  // Both hold 16 KB and want 32 KB, and there are 40.
  const fillBoth = async () => {
    for (let i = 0; i < 8; i++) {
      await Promise.all([second.fill(), third.fill()]);
    }
  };
  await fillBoth();
  const starved = second.fill();
  const other = third.fill();
  await Promise.resolve();
  assert(second.isAwaitingRest && third.isAwaitingRest);
  second.close();
  assertEquals(await starved, false);
  second.release();
  assertEquals(await other, true);
  first.release();
  third.release();
});

Deno.test("a failing read is handed on", async () => {
  const connection = {
    ...scripted([]),
    read: () => Promise.reject(new Error("reset")),
  };
  const { frames } = reader(connection);
  await assertRejects(() => frames.fill(), Error, "reset");
  frames.release();
});
