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
import { decodeFramed, type Framing, framingOf } from "../framing.ts";
import { say, sayTyped } from "../output.ts";
import { Pace, parseRate } from "../pace.ts";
import { Progress } from "../progress.ts";
import {
  find,
  readFramed,
  readRecords,
  readWhole,
  type TakeFramed,
} from "../record_reader.ts";
import { Failures, isIdempotent, meetTopic, openProducer } from "../sending.ts";
import type { Settings } from "../settings.ts";
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
  readonly framing: Framing | undefined;
  readonly isFilePerRecord: boolean;
}

/** What brokers allow by default: an input may be long. */
const TRANSACTION_MS = 15 * 60_000;

/** What an envelope says itself, so that no flag may say otherwise. */
const ENVELOPED_FLAGS = [
  "key",
  "key-delimiter",
  "header",
  "empty-as-null",
  "timestamp",
];

/** What says itself where a record ends, so that no flag may. */
const ENDINGS = ["delimiter", "null"];
const ENDS: readonly (readonly [string, readonly string[]])[] = [
  ["file-per-record", [...ENDINGS, "framing", "envelope"]],
  ["framing", ["envelope"]],
];

/** Runs `kf produce`. */
export async function run(call: Call): Promise<void> {
  const { flags, settings } = call;
  const [shape, paths] = readShape(call);
  const delimiter = readDelimiter(flags);
  const isWhole = flags.text("txn") !== undefined;
  const producer = await openProducer(settings, {
    "acks": flags.text("acks"),
    "enable.idempotence": isIdempotent(flags.text("acks")),
    "compression.type": flags.text("compression"),
    ...(isWhole
      ? {
        "transactional.id": flags.text("txn"),
        "transaction.timeout.ms": TRANSACTION_MS,
      }
      : {}),
  });
  const interrupts = takeInterrupts();
  const spoiled = new AbortController();
  const signal = AbortSignal.any([interrupts.signal, spoiled.signal]);
  const perSecond = flags.parsed("rate", parseRate);
  const intake = new Intake(producer, shape, {
    progress: new Progress("sent", settings),
    pace: perSecond === undefined ? undefined : new Pace(perSecond, signal),
    stop: signal,
    onFailed: () => spoiled.abort(),
    isWhole,
  });
  const isTyped = paths.includes("-") && isTerminal.stdin();
  try {
    // Who types should not do so in vain, and a file is one record at least.
    if (isTyped || isWhole || shape.isFilePerRecord) await intake.meet();
    if (isWhole) {
      await producer.initTransactions();
      producer.beginTransaction();
    }
    if (isTyped) sayTyped("records", "-", settings);
    for (const path of paths) {
      if (signal.aborted) break;
      intake.begin(path, paths.length > 1);
      await read(path, { shape, delimiter, intake, signal });
    }
    await producer.flush();
    if (isWhole) await endWhole(producer, signal, settings);
  } finally {
    await producer.close();
    intake.end();
    interrupts.release();
  }
  if (intake.failures.count > 0) throw new ItemsFailed("records failed");
  if (isWhole && signal.aborted) throw new ItemsFailed("interrupted");
}

/** Commits all of the input, or gives up what was written of it. */
async function endWhole(
  producer: Producer,
  signal: AbortSignal,
  settings: Settings,
): Promise<void> {
  if (signal.aborted) {
    await producer.abortTransaction();
    return say("transaction aborted: none of its records count", settings);
  }
  try {
    await producer.commitTransaction();
  } catch (error) {
    if (producer.transactionError !== undefined) throw error;
    throw new Error(
      `${
        sentenceOf(error)
      }. Whether the transaction was committed is not known`,
      { cause: error },
    );
  }
}

async function read(
  path: string,
  options: {
    shape: Shape;
    delimiter: Uint8Array;
    intake: Intake;
    signal: AbortSignal;
  },
): Promise<void> {
  const { shape, delimiter, intake, signal } = options;
  const { take } = intake;
  let source: Source | undefined;
  try {
    source = await openSource(path);
    if (shape.isFilePerRecord) await readWhole(source, { take, signal });
    else if (shape.framing === "length") {
      await readFramed(source, { take, signal });
    } else await readRecords(source, { delimiter, take, signal });
  } catch (error) {
    // One file is one record here: the others are none the worse for it.
    if (!shape.isFilePerRecord) throw error;
    intake.failures.add(path, error);
  } finally {
    source?.close();
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
  const framing = framingOf(flags.text("framing"));
  for (const [name, others] of ENDS) {
    for (const other of others) flags.refuseBoth(name, other);
  }
  if (framing === "length") {
    for (const other of ENDINGS) flags.refuseBoth("framing", other);
  }
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
    framing,
    isFilePerRecord: flags.has("file-per-record"),
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
  readonly #pace: Pace | undefined;
  readonly #stop: AbortSignal;
  readonly #onFailed: () => void;
  readonly #isWhole: boolean;
  #isMet = false;
  #line = 0;
  #name = "line";
  /** One callback per source: a closure per record would be most of the memory. */
  #onDone: OnDone = () => {};

  constructor(
    producer: Producer,
    shape: Shape,
    options: {
      progress: Progress;
      pace: Pace | undefined;
      stop: AbortSignal;
      onFailed: () => void;
      isWhole: boolean;
    },
  ) {
    this.#producer = producer;
    this.#shape = shape;
    this.#progress = options.progress;
    this.#pace = options.pace;
    this.#stop = options.stop;
    this.#onFailed = options.onFailed;
    this.#isWhole = options.isWhole;
  }

  /** A new source, whose lines count from 1. */
  begin(path: string, isNamed: boolean): void {
    this.#line = 0;
    const { isFilePerRecord, framing } = this.#shape;
    const line = framing === "length" ? "record" : "line";
    const name = isFilePerRecord ? path : isNamed ? `${path}: ${line}` : line;
    this.#name = name;
    this.#onDone = (error, _metadata, line) => {
      if (error !== undefined) this.#fail(line, error, name);
    };
  }

  /** Finds the topic, unless it has been found. */
  async meet(): Promise<void> {
    if (this.#isMet) return;
    await meetTopic(this.#producer, this.#shape.topic, this.#stop);
    this.#isMet = true;
  }

  /** Sends one record; waits when the producer's buffer is full. */
  readonly take: TakeFramed = (bytes) => {
    if (!this.#isMet) return this.meet().then(() => this.take(bytes));
    const line = ++this.#line;
    this.#progress.records++;
    this.#progress.bytes += bytes?.length ?? 0;
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
    const isReady = this.#producer.ready();
    const isDue = this.#pace?.next();
    return isDue === undefined ? isReady : isDue.then(() => isReady);
  };

  /** The record that the bytes stand for. */
  #read(bytes: Uint8Array | null): Enveloped {
    const shape = this.#shape;
    const { keyDelimiter, headers, timestamp, framing } = shape;
    if (bytes === null) {
      return { key: shape.key, value: null, headers, timestamp };
    }
    if (shape.isEnvelope) return readEnvelope(bytes);
    const decode = (part: Uint8Array) =>
      framing === undefined ? part : decodeFramed(framing, part);
    let key: Uint8Array | string | null = shape.key;
    let value: Uint8Array | null = bytes;
    if (keyDelimiter !== undefined) {
      const at = find(bytes, keyDelimiter, { from: 0, to: bytes.length });
      if (at >= 0) {
        key = decode(bytes.subarray(0, at));
        value = bytes.subarray(at + keyDelimiter.length);
      }
    }
    value = value.length === 0 && shape.isEmptyNull ? null : decode(value);
    return { key, value, headers, timestamp };
  }

  /** Says what is left to say. */
  end(): void {
    this.failures.end();
    this.#progress.end();
  }

  #fail(line: number | undefined, error: unknown, name = this.#name): void {
    // The others fail on account of the first: it has spoiled them all.
    if (this.#isWhole && this.failures.count > 0) return;
    const number = this.#shape.isFilePerRecord ? undefined : line;
    this.failures.add(name, error, number);
    if (this.#isWhole) this.#onFailed();
  }
}
