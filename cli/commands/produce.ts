/**
 * `kf produce`: records from stdin or files into a topic. It reads bytes, not
 * characters, and names every record that failed by its line.
 *
 * @module
 */
import type { OnDone, Producer } from "../../net/client.ts";
import type { Call, Flags } from "../command.ts";
import { type Enveloped, readEnvelope } from "../envelope.ts";
import { ItemsFailed, sentenceOf, UsageError } from "../failure.ts";
import { say } from "../output.ts";
import { Progress } from "../progress.ts";
import { find, readRecords, type TakeRecord } from "../record_reader.ts";
import { Failures, isIdempotent, openProducer } from "../sending.ts";
import {
  isTerminal,
  openSource,
  type Source,
  takeInterrupts,
} from "../terminal.ts";
import {
  parseCount,
  parseDelimiter,
  parsePair,
  parseTimestamp,
} from "../units.ts";

/** What every record of one run has in common. */
interface Shape {
  readonly topic: string;
  readonly partition: number | undefined;
  readonly timestamp: number | undefined;
  readonly headers: [string, string][] | undefined;
  readonly key: string | null;
  readonly keyDelimiter: Uint8Array | undefined;
  readonly isEmptyNull: boolean;
  readonly isEnvelope: boolean;
}

/** What an envelope says itself, so that no flag may say otherwise. */
const ENVELOPED_FLAGS = [
  "key",
  "key-delimiter",
  "header",
  "empty-as-null",
  "timestamp",
];

/** Runs `kf produce`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const [shape, paths] = readShape(call);
  const delimiter = readDelimiter(flags);
  if (paths.includes("-") && isTerminal.stdin()) {
    say(
      "reading records from the terminal, one per line; Ctrl-D ends",
      settings,
    );
  }
  const producer = await openProducer(settings, {
    "acks": flags.text("acks"),
    "enable.idempotence": isIdempotent(flags.text("acks")),
    "compression.type": flags.text("compression"),
  });
  const interrupts = takeInterrupts();
  const intake = new Intake(producer, shape, new Progress("sent", settings));
  try {
    for (const path of paths) {
      if (interrupts.signal.aborted) break;
      intake.begin(path, paths.length > 1);
      const source = await open(path);
      try {
        await readRecords(source, {
          delimiter,
          take: intake.take,
          signal: interrupts.signal,
        });
      } finally {
        source.close();
      }
    }
    await producer.flush();
  } finally {
    await producer.close();
    intake.end();
    interrupts.release();
  }
  if (intake.failures.count > 0) throw new ItemsFailed("records failed");
}

async function open(path: string): Promise<Source> {
  try {
    return await openSource(path);
  } catch (error) {
    throw new Error(`Cannot open "${path}": ${sentenceOf(error)}`, {
      cause: error,
    });
  }
}

function readDelimiter(flags: Flags): Uint8Array {
  flags.refuseBoth("delimiter", "null");
  if (flags.has("null")) return new Uint8Array(1);
  return parseDelimiter(flags.text("delimiter") ?? "\\n", "-D");
}

function readShape(call: Call): [Shape, string[]] {
  const { flags, settings } = call;
  for (const name of ENVELOPED_FLAGS) flags.refuseBoth("envelope", name);
  const named = flags.text("topic");
  const paths = [...call.args];
  const topic = named ?? paths.shift() ?? settings.topic;
  if (topic === "") {
    throw new UsageError("Cannot write to a topic without name");
  }
  if (named === undefined && call.args.length === 0) {
    say(`writing to topic "${topic}"`, settings);
  }
  const headers = flags.all("header").map((text) =>
    parsePair(text, "a header")
  );
  const keyDelimiter = flags.text("key-delimiter");
  const shape: Shape = {
    topic,
    partition: flags.parsed(
      "partition",
      (text) => parseCount(text, { name: "a partition", max: 0x7fffffff }),
    ),
    timestamp: flags.parsed("timestamp", parseTimestamp),
    headers: headers.length === 0 ? undefined : headers,
    key: flags.text("key") ?? null,
    keyDelimiter: keyDelimiter === undefined
      ? undefined
      : parseDelimiter(keyDelimiter, "-K"),
    isEmptyNull: flags.has("empty-as-null"),
    isEnvelope: flags.text("envelope") === "json",
  };
  return [shape, paths.length === 0 ? ["-"] : paths];
}

/** Turns bytes into records and keeps count of what became of them. */
class Intake {
  /** Records that failed. */
  readonly failures: Failures = new Failures();
  readonly #producer: Producer;
  readonly #shape: Shape;
  readonly #progress: Progress;
  #line = 0;
  #name = "line";
  /** One callback per source: a closure per record would be most of the memory. */
  #onDone: OnDone = () => {};

  constructor(producer: Producer, shape: Shape, progress: Progress) {
    this.#producer = producer;
    this.#shape = shape;
    this.#progress = progress;
  }

  /** A new source, whose lines count from 1. */
  begin(path: string, isNamed: boolean): void {
    this.#line = 0;
    const name = isNamed ? `${path}: line` : "line";
    this.#name = name;
    this.#onDone = (error, _metadata, line) => {
      if (error !== undefined) this.#fail(line, error, name);
    };
  }

  /** Sends one record; waits when the producer's buffer is full. */
  readonly take: TakeRecord = (bytes) => {
    const line = ++this.#line;
    this.#progress.records++;
    this.#progress.bytes += bytes.length;
    try {
      const { key, value, headers, timestamp } = this.#read(bytes);
      this.#producer.append({
        topic: this.#shape.topic,
        partition: this.#shape.partition,
        key,
        value,
        headers,
        timestamp,
        tag: line,
      }, this.#onDone);
    } catch (error) {
      this.#fail(line, error);
    }
    if ((line & 1023) === 0) this.#progress.tick();
    return this.#producer.ready();
  };

  /** The record that the bytes stand for. */
  #read(bytes: Uint8Array): Enveloped {
    const shape = this.#shape;
    if (shape.isEnvelope) return readEnvelope(bytes);
    const { keyDelimiter, headers, timestamp } = shape;
    let key: Uint8Array | string | null = shape.key;
    let value: Uint8Array | null = bytes;
    if (keyDelimiter !== undefined) {
      const at = find(bytes, keyDelimiter, { from: 0, to: bytes.length });
      if (at >= 0) {
        key = bytes.subarray(0, at);
        value = bytes.subarray(at + keyDelimiter.length);
      }
    }
    if (value.length === 0 && shape.isEmptyNull) value = null;
    return { key, value, headers, timestamp };
  }

  /** Says what is left to say. */
  end(): void {
    this.failures.end();
    if (this.#progress.records > 0) this.#progress.end();
  }

  #fail(line: number | undefined, error: unknown, name = this.#name): void {
    this.failures.add(`Cannot write ${name} ${line}`, error);
  }
}
