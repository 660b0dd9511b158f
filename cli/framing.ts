/**
 * Values that aren't lines of text: as hex or base64, one a line, or as bytes
 * behind their length. The same names mean the same bytes for `kf consume` and
 * `kf produce`. It must never take broken input for a value.
 *
 * @module
 */
import type { PrintRecord } from "./record_format.ts";

/** The choices of `--framing`. */
export const FRAMINGS = ["length", "hex", "base64"] as const;

/** How values stand in a stream. */
export type Framing = typeof FRAMINGS[number];

/** The framing of that name. */
export function framingOf(name: string | undefined): Framing | undefined {
  return FRAMINGS.find((framing) => framing === name);
}

/** Prints a value; `delimiter` ends hex and base64. */
export function framedFormat(
  framing: Framing,
  delimiter: Uint8Array,
): PrintRecord {
  if (framing === "length") {
    const prefix = new Uint8Array(4);
    const view = new DataView(prefix.buffer);
    return ({ value }, sink) => {
      // A null value has the length -1.
      view.setInt32(0, value?.length ?? -1);
      sink.push(prefix);
      if (value !== null) sink.push(value);
    };
  }
  return ({ value }, sink) => {
    if (value !== null) {
      sink.text(framing === "hex" ? value.toHex() : value.toBase64());
    }
    sink.push(delimiter);
  };
}

const ascii = new TextDecoder("latin1");

/** The bytes that hex or base64 stand for; what is around them may be blank. */
export function decodeFramed(framing: Framing, text: Uint8Array): Uint8Array {
  if (framing === "length") return text;
  const trimmed = ascii.decode(text).trim();
  try {
    return framing === "hex"
      ? Uint8Array.fromHex(trimmed)
      : Uint8Array.fromBase64(trimmed);
  } catch (error) {
    throw new Error(`it is no ${framing}`, { cause: error });
  }
}
