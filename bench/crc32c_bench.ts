/**
 * CRC-32C over slots, heap buffers and by tables. GB/s = bytes / time.
 *
 * @module
 */
import { crc32c, crc32cByTables, crc32cMemory } from "../core/bytes/crc32c.ts";

const SIZES = [100, 300, 1024, 16384, 65536, 1 << 20];
const slot = crc32cMemory(1 << 20);
const heap = new Uint8Array(1 << 20);
for (let i = 0; i < heap.length; i++) heap[i] = i * 31 ^ i >> 8;
slot.set(heap);

for (const size of SIZES) {
  const group = `${size} bytes`;
  Deno.bench(`in a slot, ${group}`, { group }, () => {
    crc32c(slot, 0, size);
  });
  Deno.bench(`in a heap buffer, ${group}`, { group }, () => {
    crc32c(heap, 0, size);
  });
  Deno.bench(`by tables, ${group}`, { group }, () => {
    crc32cByTables(heap, 0, size);
  });
}
