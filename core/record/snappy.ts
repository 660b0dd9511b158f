/**
 * Snappy, as raw blocks (librdkafka) and in the framing of xerial's
 * snappy-java (Java clients). Owns both directions; inflation takes either
 * form, compression writes the framed one, which every client reads. It
 * must never write past the cap or read past the input.
 *
 * @module
 */
import { int32At, setInt32At } from "../bytes/big_endian.ts";
import { CompressionError } from "./compression_error.ts";
import { copyLiterals, copyMatch, InflateBuffer } from "./inflate_buffer.ts";
import { Matcher } from "./lz_matcher.ts";

/** 0x82 "SNAPPY" 0, version 1, compatible with 1. */
const FRAME_HEADER = Uint8Array.of(
  ...[0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0],
  ...[0, 0, 0, 1, 0, 0, 0, 1],
);
const MAGIC_BYTES = 8;
const BLOCK_BYTES = 32 * 1024;
/** A copy of 64 bytes takes three: nothing inflates further. */
const RATIO_MAX = 22;

/** Inflates framed or raw Snappy to at most `maxBytes`. */
export function inflateSnappy(
  bytes: Uint8Array,
  maxBytes: number,
): Uint8Array<ArrayBuffer> {
  const out = new InflateBuffer(bytes.length * 2, maxBytes);
  if (!isFramed(bytes)) {
    inflateBlock(bytes, { start: 0, end: bytes.length }, out);
    return out.finish();
  }
  let at = FRAME_HEADER.length;
  if (bytes.length < at) throw corrupt("its header is cut short");
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw corrupt("a block is cut short");
    const length = int32At(bytes, at);
    const start = at + 4;
    if (length <= 0 || length > bytes.length - start) {
      throw corrupt("a block is cut short");
    }
    at = start + length;
    inflateBlock(bytes, { start, end: at }, out);
  }
  return out.finish();
}

/** Compresses `bytes` to framed Snappy. */
export function deflateSnappy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.ceil(bytes.length / BLOCK_BYTES);
  const out = new Uint8Array(
    FRAME_HEADER.length + bytes.length + Math.ceil(bytes.length / 6) +
      blocks * 32,
  );
  out.set(FRAME_HEADER);
  const matcher = new Matcher(bytes);
  let at = FRAME_HEADER.length;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length);
    const length = deflateBlock(matcher, {
      bytes,
      start,
      end,
      out,
      at: at + 4,
    });
    setInt32At(out, at, length);
    at += 4 + length;
  }
  return out.subarray(0, at);
}

function isFramed(bytes: Uint8Array): boolean {
  if (bytes.length < MAGIC_BYTES) return false;
  for (let i = 0; i < MAGIC_BYTES; i++) {
    if (bytes[i] !== FRAME_HEADER[i]) return false;
  }
  return true;
}

function inflateBlock(
  bytes: Uint8Array,
  { start, end }: { start: number; end: number },
  out: InflateBuffer,
): void {
  let at = start;
  let claimed = 0;
  for (let scale = 1;; scale *= 128) {
    if (at >= end || scale > 2 ** 28) throw corrupt("its length is broken");
    const byte = bytes[at++]!;
    claimed += (byte & 127) * scale;
    if (byte < 128) break;
  }
  // Checked before room is made: the claim alone allocates nothing.
  if (claimed > (end - at) * RATIO_MAX) {
    throw corrupt(`${end - at} bytes cannot inflate to ${claimed}`);
  }
  out.reserve(claimed);
  const floor = out.length;
  inflateElements({ bytes, at, end }, out, floor + claimed);
  if (out.length !== floor + claimed) throw corrupt("it ends too soon");
}

function inflateElements(
  input: { bytes: Uint8Array; at: number; end: number },
  out: InflateBuffer,
  limit: number,
): void {
  const { bytes, end } = input;
  const to = out.bytes;
  const floor = out.length;
  let at = input.at;
  let toAt = floor;
  while (at < end) {
    const tag = bytes[at++]!;
    const kind = tag & 3;
    let length = (tag >> 2) + 1;
    // Bytes that follow the tag: of a long literal's length, or a distance.
    const extra = kind > 0 ? 1 << kind - 1 : Math.max(0, length - 60);
    if (extra > end - at) throw corrupt("an element is cut short");
    let value = 0;
    for (let i = extra - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
    at += extra;
    if (kind === 1) {
      length = (tag >> 2 & 7) + 4;
      value += tag >> 5 << 8;
    } else if (kind === 0 && extra > 0) {
      length = value + 1;
    }
    if (length > limit - toAt) throw corrupt("it holds more than it claims");
    if (kind === 0) {
      if (length > end - at) throw corrupt("literals are cut short");
      copyLiterals({ from: bytes, at, to, toAt, length });
      at += length;
    } else {
      if (value === 0 || value > toAt - floor) {
        throw corrupt("a copy points before the block");
      }
      copyMatch(to, toAt, { distance: value, length });
    }
    toAt += length;
  }
  out.length = toAt;
}

function deflateBlock(
  matcher: Matcher,
  { bytes, start, end, out, at }: {
    bytes: Uint8Array;
    start: number;
    end: number;
    out: Uint8Array;
    at: number;
  },
): number {
  let to = at;
  let rest = end - start;
  for (; rest >= 128; rest >>= 7) out[to++] = rest & 127 | 128;
  out[to++] = rest;
  const window = { floor: start, lastAt: end - 4, end };
  let anchor = start;
  while (matcher.find(anchor, window)) {
    to = putLiterals(out, to, { bytes, at: anchor, end: matcher.at });
    to = putCopy(out, to, matcher);
    anchor = matcher.at + matcher.length;
  }
  return putLiterals(out, to, { bytes, at: anchor, end }) - at;
}

function putLiterals(
  out: Uint8Array,
  start: number,
  { bytes, at, end }: { bytes: Uint8Array; at: number; end: number },
): number {
  const length = end - at;
  if (length === 0) return start;
  let to = start;
  const code = length - 1;
  if (code < 60) {
    out[to++] = code << 2;
  } else if (code < 256) {
    out[to++] = 60 << 2;
    out[to++] = code;
  } else {
    out[to++] = 61 << 2;
    out[to++] = code;
    out[to++] = code >> 8;
  }
  copyLiterals({ from: bytes, at, to: out, toAt: to, length });
  return to + length;
}

function putCopy(out: Uint8Array, start: number, matcher: Matcher): number {
  const distance = matcher.at - matcher.from;
  let to = start;
  for (let left = matcher.length; left > 0;) {
    if (left >= 4 && left < 12 && distance < 2048) {
      out[to++] = 1 | left - 4 << 2 | distance >> 8 << 5;
      out[to++] = distance;
      return to;
    }
    const length = Math.min(left, 64);
    out[to++] = 2 | length - 1 << 2;
    out[to++] = distance;
    out[to++] = distance >> 8;
    left -= length;
  }
  return to;
}

function corrupt(why: string): CompressionError {
  return new CompressionError("corrupt", `Snappy: ${why}`);
}
