/**
 * Kept inputs: `corpus/TARGET.txt`, one input a line, under a comment that says
 * why it is kept. A line is JSON strings and hex, put one behind the other.
 *
 * @module
 */

import { joined } from "./target.ts";

const FOLDER = new URL("./corpus/", import.meta.url);
const ENCODER = new TextEncoder();
const PRINTABLE = /^[\x20-\x7e\n]+$/;
/** What is printed as text; the rest is hex. */
const TEXT_CHARS_MIN = 4;

/** The inputs kept for a target. */
export function corpusOf(target: string): Uint8Array[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(new URL(`${target}.txt`, FOLDER));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").filter((line) => line !== "" && line[0] !== "#")
    .map(parseInput);
}

/** The bytes of a line. */
function parseInput(line: string): Uint8Array {
  const parts = line.match(/"(?:[^"\\]|\\.)*"|[0-9a-f]+/g) ?? [];
  const bytes = parts.map((part) =>
    part[0] === '"'
      ? ENCODER.encode(JSON.parse(part) as string)
      : Uint8Array.fromHex(part)
  );
  return joined(bytes);
}

/** The line of an input. */
export function inputText(input: Uint8Array): string {
  const latin1 = Array.from(input, (byte) => String.fromCharCode(byte)).join(
    "",
  );
  const runs = latin1.match(/[\x20-\x7e\n]+|[^\x20-\x7e\n]+/g) ?? [];
  const parts: string[] = [];
  let hex = "";
  for (const run of runs) {
    if (PRINTABLE.test(run) && run.length >= TEXT_CHARS_MIN) {
      if (hex !== "") parts.push(hex);
      hex = "";
      parts.push(JSON.stringify(run));
    } else {
      hex += Uint8Array.from(run, (char) => char.charCodeAt(0)).toHex();
    }
  }
  if (hex !== "") parts.push(hex);
  return parts.join(" ") || '""';
}
