/**
 * Kafka's five codecs behind two functions. Owns the names and ids of the
 * codecs and the cap on inflation; it must never allocate beyond the cap on
 * the word of compressed input, and input that does not inflate is a
 * {@linkcode CompressionError}, never another exception.
 *
 * @module
 */
import type * as zlib from "node:zlib";
import { invariant } from "../invariant.ts";
import { CompressionError } from "./compression_error.ts";
import { tooLarge } from "./inflate_buffer.ts";
import { deflateLz4, inflateLz4 } from "./lz4.ts";
import { deflateSnappy, inflateSnappy } from "./snappy.ts";

export { CompressionError };

/** The codecs by id, as the low three bits of a batch's attributes say. */
export const CODEC_NAMES = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

/** Name of a codec, as `compression.type` spells it ("none": uncompressed). */
export type CodecName = typeof CODEC_NAMES[number];

/** The id of a codec in a batch's attributes. */
export function codecId(name: CodecName): number {
  return CODEC_NAMES.indexOf(name);
}

/** The name of a codec id; undefined when there is no such codec. */
export function codecName(id: number): CodecName | undefined {
  return CODEC_NAMES[id];
}

/**
 * Compresses `bytes`. `level` is gzip's 1–9 or zstd's 1–22, the codec's default
 * when absent; the others have no levels and ignore it.
 */
export function compress(
  codec: CodecName | number,
  bytes: Uint8Array,
  options: { readonly level?: number | undefined } = {},
): Uint8Array {
  const { level } = options;
  switch (nameOf(codec)) {
    case "none":
      return bytes;
    case "gzip":
      return plain(
        nodeZlib().gzipSync(bytes, level === undefined ? {} : { level }),
      );
    case "snappy":
      return deflateSnappy(bytes);
    case "lz4":
      return deflateLz4(bytes);
    case "zstd": {
      const { zstdCompressSync, constants } = nodeZlib();
      const params = { [constants.ZSTD_c_compressionLevel]: level ?? 3 };
      return plain(zstdCompressSync(bytes, { params }));
    }
  }
}

/**
 * Inflates `bytes` to at most `maxBytes`, or throws
 * {@linkcode CompressionError}.
 */
export function decompress(
  codec: CodecName | number,
  bytes: Uint8Array,
  options: { readonly maxBytes: number },
): Uint8Array {
  const { maxBytes } = options;
  const name = nameOf(codec);
  switch (name) {
    case "none":
      if (bytes.length > maxBytes) throw tooLarge(maxBytes);
      return bytes;
    case "snappy":
      return inflateSnappy(bytes, maxBytes);
    case "lz4":
      return inflateLz4(bytes, maxBytes);
    default:
      return inflateByZlib(name, bytes, maxBytes);
  }
}

function nameOf(codec: CodecName | number): CodecName {
  const name = typeof codec === "number" ? codecName(codec) : codec;
  invariant(name !== undefined, `codec ${codec} is one of Kafka's`);
  return name;
}

function inflateByZlib(
  name: "gzip" | "zstd",
  bytes: Uint8Array,
  maxBytes: number,
): Uint8Array {
  const { gunzipSync, zstdDecompressSync } = nodeZlib();
  try {
    const inflate = name === "gzip" ? gunzipSync : zstdDecompressSync;
    return plain(inflate(bytes, { maxOutputLength: maxBytes }));
  } catch (cause) {
    const { code, message } = cause as { code?: string; message?: string };
    if (code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(maxBytes);
    throw new CompressionError("corrupt", `${name}: ${message}`, { cause });
  }
}

/** The same bytes without Node's subclass, whose views are slower. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * Loaded at first use: importing it would cost every start tens of
 * milliseconds. An `import()` could not be waited for here.
 */
function nodeZlib(): typeof zlib {
  // deno-lint-ignore no-process-global -- lazy and synchronous
  return process.getBuiltinModule("node:zlib");
}
