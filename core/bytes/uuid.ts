/**
 * UUIDs as Kafka prints them: 22 characters of url-safe base64 without
 * padding, so that they compare and key maps as plain strings. Owns the
 * conversion to and from the 16 wire bytes; makes no random ones itself.
 *
 * @module
 */

/** 22 characters of url-safe base64, e.g. `"AAAAAAAAAAAAAAAAAAAAAQ"`. */
export type Uuid = string;

/** "No id" on the wire: sixteen zero bytes. */
export const ZERO_UUID: Uuid = "AAAAAAAAAAAAAAAAAAAAAA";

/** The id of `__cluster_metadata`: 0-1. */
export const METADATA_TOPIC_ID: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ";

const ALPHABET =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CODES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));
const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) VALUES[CODES[i]!] = i;

/** Reads the 16 bytes at `offset` as a {@linkcode Uuid}. */
export function uuidFromBytes(bytes: Uint8Array, offset = 0): Uuid {
  const codes = new Array<number>(22);
  let at = 0;
  for (let i = 0; i < 15; i += 3) {
    const word = bytes[offset + i]! << 16 | bytes[offset + i + 1]! << 8 |
      bytes[offset + i + 2]!;
    codes[at++] = CODES[word >>> 18]!;
    codes[at++] = CODES[word >>> 12 & 63]!;
    codes[at++] = CODES[word >>> 6 & 63]!;
    codes[at++] = CODES[word & 63]!;
  }
  const last = bytes[offset + 15]!;
  codes[at++] = CODES[last >>> 2]!;
  codes[at] = CODES[last << 4 & 63]!;
  return String.fromCharCode(...codes);
}

/** Whether `text` is a well-formed {@linkcode Uuid}. */
export function isUuid(text: string): boolean {
  if (text.length !== 22) return false;
  for (let i = 0; i < 22; i++) {
    const code = text.charCodeAt(i);
    if (code > 127 || VALUES[code]! < 0) return false;
  }
  return (VALUES[text.charCodeAt(21)]! & 15) === 0;
}

/** Writes `uuid` as 16 bytes at `offset`; throws `TypeError` when malformed. */
export function uuidToBytes(uuid: Uuid, into: Uint8Array, offset = 0): void {
  if (!isUuid(uuid)) {
    throw new TypeError(
      `Cannot encode uuid: "${uuid}" is not 22 characters of url-safe base64`,
    );
  }
  let bits = 0;
  let word = 0;
  let at = offset;
  for (let i = 0; i < 22; i++) {
    word = word << 6 | VALUES[uuid.charCodeAt(i)]!;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      into[at++] = word >>> bits;
      word &= (1 << bits) - 1;
    }
  }
}

/**
 * Makes a random (version 4) {@linkcode Uuid} from 16 random bytes; never one
 * that begins with `-`, so that it can stand on a command line.
 */
export function uuidFromRandom(random: { bytes(n: number): Uint8Array }): Uuid {
  for (;;) {
    const bytes = random.bytes(16);
    bytes[6] = bytes[6]! & 0x0f | 0x40;
    bytes[8] = bytes[8]! & 0x3f | 0x80;
    const uuid = uuidFromBytes(bytes);
    if (!uuid.startsWith("-")) return uuid;
  }
}
