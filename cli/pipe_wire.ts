/**
 * How records cross to a command and its answers back: lines of values, of keys
 * and values, of JSON envelopes, or values behind their length. It must never
 * let one record look like two.
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import type { ByteSink } from "./byte_sink.ts";
import type { Flags } from "./command.ts";
import { type Enveloped, readEnvelope } from "./envelope.ts";
import {
  decodeFramed,
  framedFormat,
  type Framing,
  framingOf,
} from "./framing.ts";
import { envelopeFormat, plainFormat } from "./record_format.ts";
import { find } from "./record_reader.ts";
import { parseDelimiter } from "./units.ts";

/** A record that can't cross; the command has not seen it. */
export class Uncrossable extends Error {
  override readonly name = "Uncrossable";
}

/** What a command says of a record; the key only where the form has one. */
export type Answer = Omit<Enveloped, "key" | "partition"> & {
  readonly key?: Uint8Array | string | null;
};

/** One of the forms. */
export interface Wire {
  /** What ends a record; `undefined` where its length stands before it. */
  readonly delimiter: Uint8Array | undefined;
  /** Prints a record; throws {@linkcode Uncrossable}. */
  print(record: ConsumerRecord, sink: ByteSink): void;
  /** Reads an answer; throws with what is wrong with it. */
  read(bytes: Uint8Array | null): Answer;
}

/** The form that the flags ask for. */
export function wireOf(flags: Flags): Wire {
  const framing = framingOf(flags.text("framing"));
  const isJson = flags.has("json");
  for (const [one, others] of EXCLUSIVE) {
    for (const other of others) flags.refuseBoth(one, other);
  }
  if (framing === "length") {
    for (const other of ["null", "delimiter"]) {
      flags.refuseBoth("framing", other);
    }
    return framed(framing, new Uint8Array(0));
  }
  const delimiter = flags.has("null")
    ? new Uint8Array(1)
    : parseDelimiter(flags.text("delimiter") ?? "\\n", "-D");
  if (framing !== undefined) return framed(framing, delimiter);
  if (isJson) {
    return { delimiter, print: envelopeFormat(delimiter), read: enveloped };
  }
  const keyDelimiter = flags.text("key-delimiter");
  return keyDelimiter === undefined
    ? plain(delimiter)
    : keyed(delimiter, parseDelimiter(keyDelimiter, "-K"));
}

const EXCLUSIVE: readonly (readonly [string, readonly string[]])[] = [
  ["json", ["framing", "delimiter", "key-delimiter"]],
  ["framing", ["key-delimiter"]],
  ["null", ["delimiter"]],
];

function framed(framing: Framing, delimiter: Uint8Array): Wire {
  return {
    delimiter: framing === "length" ? undefined : delimiter,
    print: framedFormat(framing, delimiter),
    read: (bytes) => valueOnly(bytes && decodeFramed(framing, bytes)),
  };
}

function enveloped(bytes: Uint8Array | null): Answer {
  const { key, value, headers, timestamp } = readEnvelope(bytes!);
  return { key, value, headers: headers ?? [], timestamp };
}

function plain(delimiter: Uint8Array): Wire {
  const print = plainFormat(delimiter, { isTerminal: false });
  return {
    delimiter,
    print(record, sink) {
      refuseWithin(record.value, delimiter, "its value holds what ends a line");
      print(record, sink);
    },
    read: valueOnly,
  };
}

function keyed(delimiter: Uint8Array, keyDelimiter: Uint8Array): Wire {
  const { print } = plain(delimiter);
  return {
    delimiter,
    print(record, sink) {
      refuseWithin(record.key, delimiter, "its key holds what ends a line");
      refuseWithin(record.key, keyDelimiter, "its key holds what ends a key");
      if (record.key !== null) sink.push(record.key);
      sink.push(keyDelimiter);
      print(record, sink);
    },
    read(bytes) {
      const line = bytes!;
      const at = find(line, keyDelimiter, { from: 0, to: line.length });
      if (at < 0) throw new Error("it has no key");
      const key = at === 0 ? null : line.subarray(0, at);
      return { ...valueOnly(line.subarray(at + keyDelimiter.length)), key };
    },
  };
}

function valueOnly(value: Uint8Array | null): Answer {
  return { value, headers: undefined, timestamp: undefined };
}

function refuseWithin(
  bytes: Uint8Array | null,
  delimiter: Uint8Array,
  why: string,
): void {
  if (bytes === null) return;
  if (find(bytes, delimiter, { from: 0, to: bytes.length }) < 0) return;
  throw new Uncrossable(`${why}: use -J, -0, -D or --framing length`);
}
