/**
 * The LZ4 frame format with its block codec. Owns both directions: inflation
 * checks every checksum that the frame carries and reads linked and
 * independent blocks; compression writes independent 64 KB blocks, the only
 * kind that Java clients read. It must never write past the cap or read
 * past the input.
 *
 * @module
 */
import { CompressionError } from "./compression_error.ts";
import {
  copyLiterals,
  copyMatch,
  InflateBuffer,
  tooLarge,
} from "./inflate_buffer.ts";
import { Matcher } from "./lz_matcher.ts";
import { xxhash32 } from "./xxhash32.ts";

const FRAME_MAGIC = 0x184d2204;
const SKIPPABLE_MAGIC = 0x184d2a50;
const STORED = 0x80000000;
const BLOCK_BYTES = 65536;
/** Version 1, independent blocks. */
const FLAGS = 0x60;
/** Blocks of 64 KB at most. */
const BLOCK_DESCRIPTOR = 0x40;
/** The last five bytes of a block are literals; no match begins in its last 12. */
const LITERALS_LAST = 5;
const MATCH_FREE_LAST = 12;

interface Frame {
  readonly isIndependent: boolean;
  readonly hasBlockChecksum: boolean;
  readonly hasContentChecksum: boolean;
  readonly contentSize: number | undefined;
  readonly blockBytesMax: number;
  readonly blocksAt: number;
}

/** Inflates one or more LZ4 frames to at most `maxBytes`. */
export function inflateLz4(
  bytes: Uint8Array,
  maxBytes: number,
): Uint8Array<ArrayBuffer> {
  const out = new InflateBuffer(bytes.length * 4, maxBytes);
  if (bytes.length === 0) throw corrupt("the frame is missing");
  let at = 0;
  while (at < bytes.length) {
    const magic = uint32(bytes, at);
    if ((magic & ~15) >>> 0 === SKIPPABLE_MAGIC) {
      at += 8 + uint32(bytes, at + 4);
      if (at > bytes.length) throw corrupt("a skippable frame is cut short");
      continue;
    }
    if (magic !== FRAME_MAGIC) throw corrupt("it has no LZ4 frame magic");
    at = inflateFrame(bytes, readDescriptor(bytes, at + 4), out);
  }
  return out.finish();
}

/** Compresses `bytes` to one LZ4 frame. */
export function deflateLz4(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.ceil(bytes.length / BLOCK_BYTES);
  const room = bytes.length + Math.ceil(bytes.length / 255) + blocks * 24 + 16;
  const out = new Uint8Array(room);
  setUint32(out, 0, FRAME_MAGIC);
  out[4] = FLAGS;
  out[5] = BLOCK_DESCRIPTOR;
  out[6] = xxhash32(out, 4, 6) >>> 8;
  const matcher = new Matcher(bytes);
  let at = 7;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const end = Math.min(start + BLOCK_BYTES, bytes.length);
    const length = deflateBlock(matcher, {
      bytes,
      start,
      end,
      out,
      at: at + 4,
    });
    if (length < end - start) {
      setUint32(out, at, length);
      at += 4 + length;
    } else {
      setUint32(out, at, STORED + (end - start));
      out.set(bytes.subarray(start, end), at + 4);
      at += 4 + end - start;
    }
  }
  setUint32(out, at, 0);
  return out.subarray(0, at + 4);
}

function readDescriptor(bytes: Uint8Array, at: number): Frame {
  const flags = bytes[at] ?? 0;
  const sizeCode = (bytes[at + 1] ?? 0) >> 4 & 7;
  if (flags >> 6 !== 1 || (flags & 2) !== 0 || sizeCode < 4) {
    throw corrupt("its frame descriptor is not one of version 1");
  }
  if ((flags & 1) !== 0) throw corrupt("it needs a dictionary");
  const hasContentSize = (flags & 8) !== 0;
  const end = at + (hasContentSize ? 10 : 2);
  if (end >= bytes.length) throw corrupt("its frame descriptor is cut short");
  if (bytes[end] !== (xxhash32(bytes, at, end) >>> 8 & 255)) {
    throw corrupt("its frame descriptor has a wrong checksum");
  }
  return {
    isIndependent: (flags & 0x20) !== 0,
    hasBlockChecksum: (flags & 0x10) !== 0,
    hasContentChecksum: (flags & 4) !== 0,
    contentSize: hasContentSize
      ? uint32(bytes, at + 2) + uint32(bytes, at + 6) * 2 ** 32
      : undefined,
    blockBytesMax: 1 << 8 + 2 * sizeCode,
    blocksAt: end + 1,
  };
}

/** Appends the frame's content to `out`; returns where the frame ends. */
function inflateFrame(
  bytes: Uint8Array,
  frame: Frame,
  out: InflateBuffer,
): number {
  const contentAt = out.length;
  let at = frame.blocksAt;
  for (;;) {
    const word = uint32(bytes, at);
    at += 4;
    if (word === 0) break;
    const isStored = word >= STORED;
    const length = isStored ? word - STORED : word;
    const end = at + length;
    if (end > bytes.length) throw corrupt("a block is cut short");
    if (length > frame.blockBytesMax) throw corrupt("a block is too long");
    if (isStored) {
      out.reserve(length);
      out.bytes.set(bytes.subarray(at, end), out.length);
      out.length += length;
    } else {
      const floor = frame.isIndependent ? out.length : contentAt;
      inflateBlock({ bytes, at, end }, out, {
        floor,
        blockBytesMax: frame.blockBytesMax,
      });
    }
    if (frame.hasBlockChecksum) {
      if (uint32(bytes, end) !== xxhash32(bytes, at, end)) {
        throw corrupt("a block has a wrong checksum");
      }
      at = end + 4;
    } else {
      at = end;
    }
  }
  return checkContent(bytes, at, { frame, out, contentAt });
}

function checkContent(
  bytes: Uint8Array,
  at: number,
  { frame, out, contentAt }: {
    frame: Frame;
    out: InflateBuffer;
    contentAt: number;
  },
): number {
  const size = out.length - contentAt;
  if (frame.contentSize !== undefined && frame.contentSize !== size) {
    throw corrupt(`it claims ${frame.contentSize} bytes and holds ${size}`);
  }
  if (!frame.hasContentChecksum) return at;
  if (uint32(bytes, at) !== xxhash32(out.bytes, contentAt, out.length)) {
    throw corrupt("its content has a wrong checksum");
  }
  return at + 4;
}

function inflateBlock(
  input: { bytes: Uint8Array; at: number; end: number },
  out: InflateBuffer,
  { floor, blockBytesMax }: { floor: number; blockBytesMax: number },
): void {
  const { bytes, end } = input;
  let at = input.at;
  // No more than 255 bytes come from one, so a claim allocates little.
  const most = Math.min(blockBytesMax, (end - at) * 255 + 32);
  const room = Math.min(most, out.maxBytes - out.length);
  out.reserve(room);
  const to = out.bytes;
  const limit = out.length + room;
  let toAt = out.length;
  for (;;) {
    if (at >= end) throw corrupt("a block ends without literals");
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < end) literals += more = bytes[at++]!;
    }
    if (literals > end - at) throw corrupt("literals reach past their block");
    if (literals > limit - toAt) throw overflow(out, room < most);
    copyLiterals({ from: bytes, at, to, toAt, length: literals });
    at += literals;
    toAt += literals;
    if (at === end) break;
    if (at + 2 > end) throw corrupt("a match is cut short");
    const distance = bytes[at]! | bytes[at + 1]! << 8;
    at += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255 && at < end) length += more = bytes[at++]!;
    }
    length += 4;
    if (distance === 0 || distance > toAt - floor) {
      throw corrupt("a match points before the content");
    }
    if (length > limit - toAt) throw overflow(out, room < most);
    copyMatch(to, toAt, { distance, length });
    toAt += length;
  }
  out.length = toAt;
}

function overflow(out: InflateBuffer, isCapped: boolean): CompressionError {
  return isCapped ? tooLarge(out.maxBytes) : corrupt("a block is too long");
}

/** Compresses one block; returns its length, which may pass that of the input. */
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
  const window = {
    floor: start,
    lastAt: end - MATCH_FREE_LAST,
    end: end - LITERALS_LAST,
  };
  let anchor = start;
  let to = at;
  while (matcher.find(anchor, window)) {
    const literals = matcher.at - anchor;
    const length = matcher.length - 4;
    out[to++] = Math.min(literals, 15) << 4 | Math.min(length, 15);
    to = putLength(out, to, literals);
    copyLiterals({
      from: bytes,
      at: anchor,
      to: out,
      toAt: to,
      length: literals,
    });
    to += literals;
    const distance = matcher.at - matcher.from;
    out[to++] = distance;
    out[to++] = distance >> 8;
    to = putLength(out, to, length);
    anchor = matcher.at + matcher.length;
  }
  const literals = end - anchor;
  out[to++] = Math.min(literals, 15) << 4;
  to = putLength(out, to, literals);
  copyLiterals({
    from: bytes,
    at: anchor,
    to: out,
    toAt: to,
    length: literals,
  });
  return to + literals - at;
}

/** Writes what of a length does not fit into its half of the token. */
function putLength(out: Uint8Array, start: number, length: number): number {
  if (length < 15) return start;
  let at = start;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) out[at++] = 255;
  out[at++] = rest;
  return at;
}

function uint32(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw corrupt("it is cut short");
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
    bytes[at + 3]! << 24) >>> 0;
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function corrupt(why: string): CompressionError {
  return new CompressionError("corrupt", `LZ4: ${why}`);
}
