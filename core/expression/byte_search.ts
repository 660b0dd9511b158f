/**
 * Bytes within bytes. UTF-8 has no text within another but as its bytes, so
 * that text can be looked for in records without decoding them.
 *
 * @module
 */

/** Whether `part` stands anywhere in `bytes`. */
export function holdsBytes(bytes: Uint8Array, part: Uint8Array): boolean {
  if (part.length === 0) return true;
  const [first] = part;
  const last = bytes.length - part.length;
  for (let at = bytes.indexOf(first!); at >= 0 && at <= last;) {
    if (haveBytesAt(bytes, { part, at })) return true;
    at = bytes.indexOf(first!, at + 1);
  }
  return false;
}

/** Whether `part` stands in `bytes` at that place. */
export function haveBytesAt(
  bytes: Uint8Array,
  wanted: { part: Uint8Array; at: number },
): boolean {
  const { part, at } = wanted;
  for (let i = 0; i < part.length; i++) {
    if (bytes[at + i] !== part[i]) return false;
  }
  return true;
}
