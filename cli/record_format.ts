/**
 * How a record is printed: `-f` formats compiled once into a list of steps
 * that write bytes, and the JSON envelope. The verbs that kcat has too print
 * the same bytes as kcat. It never touches stdout.
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import type { ByteSink } from "./byte_sink.ts";
import { UsageError } from "./failure.ts";
import { rfc3339 } from "./terminal.ts";
import { parseEscapes } from "./units.ts";

/** Prints one record into a sink. */
export type PrintRecord = (record: ConsumerRecord, sink: ByteSink) => void;

type PrintBytes = (bytes: Uint8Array | null, sink: ByteSink) => void;
type PrintNumber = (value: number, sink: ByteSink) => void;

const BYTES_VERBS: Readonly<
  Record<string, (record: ConsumerRecord) => Uint8Array | null>
> = {
  k: (record) => record.key,
  v: (record) => record.value,
  s: (record) => record.value,
};

const NUMBER_VERBS: Readonly<
  Record<string, (record: ConsumerRecord) => number>
> = {
  p: (record) => record.partition,
  o: (record) => record.offset,
  T: (record) => record.timestamp,
  K: (record) => record.key?.length ?? -1,
  V: (record) => record.value?.length ?? -1,
  S: (record) => record.value?.length ?? -1,
};

/** The value, then `delimiter`: what is printed when no format is asked for. */
export function plainFormat(
  delimiter: Uint8Array,
  options: { isTerminal: boolean },
): PrintRecord {
  if (options.isTerminal) {
    return (record, sink) => {
      printEscaped(record.value, sink);
      sink.push(delimiter);
    };
  }
  if (delimiter.length === 1) {
    const end = delimiter[0]!;
    return (record, sink) => {
      if (record.value !== null) sink.push(record.value);
      sink.byte(end);
    };
  }
  return (record, sink) => {
    if (record.value !== null) sink.push(record.value);
    sink.push(delimiter);
  };
}

/** Compiles a format; an unknown verb is a usage error. */
export function compileFormat(
  format: string,
  options: { isTerminal: boolean },
): PrintRecord {
  const steps: PrintRecord[] = [];
  let literal = "";
  const endLiteral = () => {
    if (literal === "") return;
    const bytes = parseEscapes(literal);
    steps.push((_record, sink) => sink.push(bytes));
    literal = "";
  };
  for (let i = 0; i < format.length; i++) {
    if (format[i] !== "%") {
      literal += format[i];
      continue;
    }
    const verb = format[++i];
    if (verb === undefined) throw new UsageError(unknownVerb("%", format));
    if (verb === "%") {
      literal += "%";
      continue;
    }
    const modifier = /^\{([^}]*)\}/.exec(format.slice(i + 1));
    if (modifier !== null) i += modifier[0].length;
    endLiteral();
    steps.push(verbStep(verb, modifier?.[1], { format, ...options }));
  }
  endLiteral();
  if (steps.length === 1) return steps[0]!;
  return (record, sink) => {
    for (let i = 0; i < steps.length; i++) steps[i]!(record, sink);
  };
}

function verbStep(
  verb: string,
  modifier: string | undefined,
  options: { format: string; isTerminal: boolean },
): PrintRecord {
  if (verb in BYTES_VERBS) {
    const get = BYTES_VERBS[verb]!;
    const print = bytesPrinter(verb, modifier, options);
    return (record, sink) => print(get(record), sink);
  }
  if (verb in NUMBER_VERBS) {
    const get = NUMBER_VERBS[verb]!;
    if (verb === "T" && modifier === "rfc3339") {
      return (record, sink) => sink.text(rfc3339(record.timestamp));
    }
    const print = numberPrinter(verb, modifier, options.format);
    return (record, sink) => print(get(record), sink);
  }
  if (modifier === undefined) {
    if (verb === "t") return (record, sink) => sink.text(record.topic);
    if (verb === "h") return headersPrinter(options.isTerminal);
    if (verb === "R") {
      const print = fixedPrinter(4, false);
      return (record, sink) => print(record.value?.length ?? -1, sink);
    }
  }
  const text = modifier === undefined ? `%${verb}` : `%${verb}{${modifier}}`;
  throw new UsageError(unknownVerb(text, options.format));
}

function unknownVerb(verb: string, format: string): string {
  return `Unknown verb "${verb}" in format "${format}": see kf consume --help`;
}

function bytesPrinter(
  verb: string,
  modifier: string | undefined,
  options: { format: string; isTerminal: boolean },
): PrintBytes {
  if (modifier === undefined) {
    if (options.isTerminal) return printEscaped;
    return (bytes, sink) => {
      if (bytes !== null) sink.push(bytes);
    };
  }
  if (modifier === "hex") {
    return (bytes, sink) => {
      for (const byte of bytes ?? []) sink.text(HEX[byte]!);
    };
  }
  if (modifier === "base64") {
    return (bytes, sink) => {
      if (bytes !== null) sink.text(bytes.toBase64());
    };
  }
  throw new UsageError(unknownVerb(`%${verb}{${modifier}}`, options.format));
}

const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);

function numberPrinter(
  verb: string,
  modifier: string | undefined,
  format: string,
): PrintNumber {
  if (modifier === undefined || modifier === "ascii") {
    return (value, sink) => sink.text(String(value));
  }
  const match = /^(big|little)(8|16|32|64)$|^(byte)$/.exec(modifier);
  if (match === null) {
    throw new UsageError(unknownVerb(`%${verb}{${modifier}}`, format));
  }
  if (match[3] !== undefined) return fixedPrinter(1, false);
  return fixedPrinter(Number(match[2]) / 8, match[1] === "little");
}

/** Two's complement in `size` bytes; larger numbers lose their high bytes. */
function fixedPrinter(size: number, isLittle: boolean): PrintNumber {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  return (value, sink) => {
    view.setBigInt64(0, BigInt(value), isLittle);
    sink.push(isLittle ? bytes.subarray(0, size) : bytes.subarray(8 - size));
  };
}

/** `name=value,name=value`; a null value prints as NULL, as kcat does. */
function headersPrinter(isTerminal: boolean): PrintRecord {
  return (record, sink) => {
    const { headers } = record;
    for (let i = 0; i < headers.length; i++) {
      if (i > 0) sink.byte(44);
      const { key, value } = headers[i]!;
      sink.text(key);
      sink.byte(61);
      if (value === null) sink.text("NULL");
      else if (isTerminal) printEscaped(value, sink);
      else sink.push(value);
    }
  };
}

/** Control bytes as `\xNN`, so that a record can't drive the terminal. */
function printEscaped(bytes: Uint8Array | null, sink: ByteSink): void {
  if (bytes === null) return;
  let from = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    const next = bytes[i + 1] ?? 0;
    const isC1 = byte === 0xc2 && next >= 0x80 && next < 0xa0;
    const isControl = byte < 0x20 && byte !== 9 && byte !== 10;
    if (!isControl && !isC1 && byte !== 0x7f) continue;
    sink.push(bytes.subarray(from, i));
    sink.text(`\\x${HEX[byte]}`);
    if (isC1) sink.text(`\\x${HEX[bytes[++i]!]}`);
    from = i + 1;
  }
  sink.push(bytes.subarray(from));
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as JSON holds them: text, `{base64}` when they are none, or null. */
export function envelopeText(
  bytes: Uint8Array | null,
): string | { base64: string } | null {
  if (bytes === null) return null;
  try {
    return strict.decode(bytes);
  } catch {
    return { base64: bytes.toBase64() };
  }
}

/**
 * A value that is JSON as it stands, on one line: numbers keep all of their
 * digits. Anything else as in the envelope.
 */
function nestedValue(bytes: Uint8Array | null): string {
  const text = envelopeText(bytes);
  if (typeof text !== "string") return JSON.stringify(text);
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  // Within strings JSON has no line ends.
  return text.replace(/[\r\n]+/g, " ");
}

/**
 * One JSON object, then `delimiter`. Loses nothing, unless a value that is JSON
 * is to stand in it as such: see `kf consume --help`.
 */
export function envelopeFormat(
  delimiter: Uint8Array,
  options: { nestsJson: boolean } = { nestsJson: false },
): PrintRecord {
  const { nestsJson } = options;
  return (record, sink) => {
    const value = nestsJson
      ? nestedValue(record.value)
      : JSON.stringify(envelopeText(record.value));
    sink.text(
      `{"topic":${JSON.stringify(record.topic)}` +
        `,"partition":${record.partition},"offset":${record.offset}` +
        `,"timestamp":${record.timestamp}` +
        `,"key":${JSON.stringify(envelopeText(record.key))}` +
        `,"value":${value},"headers":`,
    );
    const headers = record.headers.length === 0 ? "[]" : JSON.stringify(
      record.headers.map(({ key, value }) => [key, envelopeText(value)]),
    );
    sink.text(headers);
    sink.byte(0x7d);
    sink.push(delimiter);
  };
}
