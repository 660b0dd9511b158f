/**
 * CRC-32C (Castagnoli). Owns the choice of the way: a WebAssembly SIMD module
 * over its own memory for long inputs, tables for short ones and where SIMD is
 * missing. Modules are made at first use; it must never grow a memory, which
 * would detach every view of it.
 *
 * @module
 */
import { CRC32C_WASM_BASE64 } from "./crc32c_wasm.ts";

/** A memory and the module that works in it. */
interface Fold {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly crc32c: (at: number, length: number, crc: number) => number;
}

const PAGE_BYTES = 65536;
/** Where the module's own page ends and data may begin. */
const DATA_AT = PAGE_BYTES;
/** Bytes that are copied in at a time when the input lies elsewhere. */
const WINDOW_BYTES = PAGE_BYTES;
/** Below this the tables beat the call and the copy. */
const IN_PLACE_MIN = 64;
const COPIED_MIN = 256;
const POLYNOMIAL = 0x82f63b78;

/** Undefined until tried, null where the engine has no WebAssembly SIMD. */
let module: WebAssembly.Module | null | undefined;
let scratch: Fold | null | undefined;
let tables: Int32Array | undefined;
/** Folds by the buffer of their memory. */
const folds = new WeakMap<ArrayBufferLike, Fold>();
let recent: Fold | undefined;

/** CRC-32C of `bytes[start, end)`, an unsigned 32-bit integer. */
export function crc32c(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  const length = end - start;
  if (length < IN_PLACE_MIN) return crc32cByTables(bytes, start, end);
  const fold = foldOver(bytes.buffer);
  if (fold !== undefined) {
    return fold.crc32c(bytes.byteOffset + start, length, 0) >>> 0;
  }
  if (length < COPIED_MIN) return crc32cByTables(bytes, start, end);
  scratch ??= makeFold(WINDOW_BYTES);
  if (scratch === null) return crc32cByTables(bytes, start, end);
  let crc = 0;
  for (let at = start; at < end; at += WINDOW_BYTES) {
    const window = Math.min(WINDOW_BYTES, end - at);
    scratch.bytes.set(bytes.subarray(at, at + window), DATA_AT);
    crc = scratch.crc32c(DATA_AT, window, crc);
  }
  return crc >>> 0;
}

/**
 * Zeroed memory that {@linkcode crc32c} reads in place. Its pages cost nothing
 * until they are touched, and it never grows.
 */
export function crc32cMemory(sizeInBytes: number): Uint8Array<ArrayBuffer> {
  const fold = makeFold(sizeInBytes);
  if (fold === null) return new Uint8Array(sizeInBytes);
  folds.set(fold.bytes.buffer, fold);
  return fold.bytes.subarray(DATA_AT, DATA_AT + sizeInBytes);
}

/**
 * CRC-32C through sixteen tables: the way for short inputs, and for all where
 * WebAssembly SIMD is missing.
 */
export function crc32cByTables(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
): number {
  const t = tables ??= makeTables();
  let crc = -1;
  let at = start;
  for (; at + 16 <= end; at += 16) {
    crc = t[3840 + ((crc ^ bytes[at]!) & 255)]! ^
      t[3584 + ((crc >>> 8 ^ bytes[at + 1]!) & 255)]! ^
      t[3328 + ((crc >>> 16 ^ bytes[at + 2]!) & 255)]! ^
      t[3072 + (crc >>> 24 ^ bytes[at + 3]!)]! ^
      t[2816 + bytes[at + 4]!]! ^ t[2560 + bytes[at + 5]!]! ^
      t[2304 + bytes[at + 6]!]! ^ t[2048 + bytes[at + 7]!]! ^
      t[1792 + bytes[at + 8]!]! ^ t[1536 + bytes[at + 9]!]! ^
      t[1280 + bytes[at + 10]!]! ^ t[1024 + bytes[at + 11]!]! ^
      t[768 + bytes[at + 12]!]! ^ t[512 + bytes[at + 13]!]! ^
      t[256 + bytes[at + 14]!]! ^ t[bytes[at + 15]!]!;
  }
  for (; at < end; at++) crc = crc >>> 8 ^ t[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}

function foldOver(buffer: ArrayBufferLike): Fold | undefined {
  if (recent !== undefined && recent.bytes.buffer === buffer) return recent;
  const fold = folds.get(buffer);
  if (fold !== undefined) recent = fold;
  return fold;
}

function makeFold(dataBytes: number): Fold | null {
  if (module === undefined) module = makeModule();
  if (module === null) return null;
  const pages = Math.ceil((DATA_AT + dataBytes) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const { init, crc32c } = instance.exports as unknown as {
    init(): void;
    crc32c: Fold["crc32c"];
  };
  init();
  return { bytes: new Uint8Array(memory.buffer as ArrayBuffer), crc32c };
}

function makeModule(): WebAssembly.Module | null {
  const text = atob(CRC32C_WASM_BASE64);
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null;
}

function makeTables(): Int32Array {
  const t = new Int32Array(16 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? crc >>> 1 ^ POLYNOMIAL : crc >>> 1;
    }
    t[byte] = crc;
  }
  for (let i = 256; i < t.length; i++) {
    const crc = t[i - 256]!;
    t[i] = crc >>> 8 ^ t[crc & 255]!;
  }
  return t;
}
