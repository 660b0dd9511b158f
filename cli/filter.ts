/**
 * A command of the user's as a filter of records: one for each batch, or one
 * that lives on and answers line by line or up to a barrier. Its stdin and
 * stdout are pumped at once, so that neither side can wait for the other. It
 * must never take an answer for one of another batch.
 *
 * @module
 */
import type { ConsumerRecord } from "../net/client.ts";
import { ByteSink } from "./byte_sink.ts";
import { Uncrossable, type Wire } from "./pipe_wire.ts";
import { readFramed, readRecords, type TakeFramed } from "./record_reader.ts";
import {
  monoMs,
  random64,
  type RunningCommand,
  sleep,
  startCommand,
} from "./terminal.ts";

const CHUNK_BYTES = 64 * 1024;

/** How a command takes part: see `kf pipe --help`. */
export type FilterMode = "spawn" | "line" | "frame";

/** Why a batch got no good answer. */
export class FilterFailed extends Error {
  override readonly name = "FilterFailed";
  constructor(
    message: string,
    /** Its exit code; `null` when it did not end by itself. */
    readonly exitCode: number | null,
    /** The last of what it said on stderr. */
    readonly stderr: string,
  ) {
    super(message);
  }
}

/** Takes one answer: of the record at `index`, where each has one. */
export type TakeAnswer = (
  bytes: Uint8Array | null,
  index: number,
) => Promise<void> | undefined;

/** A command that records go through. */
export interface Filter {
  /** Gives it a batch and takes its answers; throws {@linkcode FilterFailed}. */
  run(records: readonly ConsumerRecord[], take: TakeAnswer): Promise<void>;
  /** Throws when it has said more since than it was asked for. */
  check(): void;
  /** Lets it end. */
  close(): Promise<void>;
}

/** Makes a filter of a command; it starts with the first batch. */
export function filterOf(
  words: readonly string[],
  { mode, wire, answerMs }: {
    readonly mode: FilterMode;
    readonly wire: Wire;
    /** How long a command that lives on may say nothing. */
    readonly answerMs: number;
  },
): Filter {
  return mode === "spawn"
    ? new SpawnFilter(words, wire)
    : new LivingFilter(words, { isLine: mode === "line", wire, answerMs });
}

/** One command for each batch. */
class SpawnFilter implements Filter {
  readonly #words: readonly string[];
  readonly #wire: Wire;

  constructor(words: readonly string[], wire: Wire) {
    this.#words = words;
    this.#wire = wire;
  }

  async run(
    records: readonly ConsumerRecord[],
    take: TakeAnswer,
  ): Promise<void> {
    const chunks = printed(records, this.#wire);
    const command = startCommand(this.#words);
    let index = 0;
    try {
      await Promise.all([
        feed(command, chunks).then(() => command.endInput()),
        readAll(command, this.#wire, (bytes) => take(bytes, index++)),
      ]);
    } catch (error) {
      command.kill();
      await command.ended;
      throw error;
    }
    const { code, signal } = await command.ended;
    if (code !== 0 || signal !== null) throw ended(command, { code, signal });
  }

  /** It has ended: there can be nothing more. */
  check(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What a batch waits for. */
interface Asked {
  readonly count: number;
  readonly take: TakeAnswer;
  readonly barrier: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  answers: number;
  answeredMs: number;
}

/**
 * One command for all batches.
 *
 * 1. `#asked` is set exactly while a batch is with the command; what it says
 *    without being asked ends it.
 */
class LivingFilter implements Filter {
  readonly #words: readonly string[];
  readonly #isLine: boolean;
  readonly #wire: Wire;
  readonly #answerMs: number;
  readonly #name = random64().toString(16);
  #batches = 0;
  #command: RunningCommand | undefined;
  #reading: Promise<void> = Promise.resolve();
  #asked: Asked | undefined;
  #stray: string | undefined;

  constructor(
    words: readonly string[],
    options: { isLine: boolean; wire: Wire; answerMs: number },
  ) {
    this.#words = words;
    this.#isLine = options.isLine;
    this.#wire = options.wire;
    this.#answerMs = options.answerMs;
  }

  async run(
    records: readonly ConsumerRecord[],
    take: TakeAnswer,
  ): Promise<void> {
    const barrier = `{"kf.barrier":"${this.#name}-${this.#batches++}"}`;
    const chunks = printed(records, this.#wire);
    if (!this.#isLine) chunks.push(barrierBytes(barrier, this.#wire));
    const command = this.#command ??= this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const asked: Asked = {
      count: records.length,
      take,
      barrier,
      resolve,
      reject,
      answers: 0,
      answeredMs: monoMs(),
    };
    this.#asked = asked;
    const over = new AbortController();
    try {
      this.check();
      await Promise.all([
        feed(command, chunks),
        Promise.race([promise, this.#watch(asked, over.signal)]),
      ]);
    } catch (error) {
      this.#asked = undefined;
      await this.#kill();
      throw error;
    } finally {
      over.abort();
      this.#asked = undefined;
    }
  }

  check(): void {
    if (this.#stray !== undefined) throw this.#failed(this.#stray);
  }

  async close(): Promise<void> {
    const command = this.#command;
    if (command === undefined) return;
    this.#command = undefined;
    await command.endInput();
    const over = new AbortController();
    await Promise.race([
      command.ended,
      sleep(this.#answerMs, over.signal).then(() => command.kill()),
    ]);
    over.abort();
    await command.ended;
    await this.#reading.catch(() => {});
  }

  #start(): RunningCommand {
    const command = startCommand(this.#words);
    this.#stray = undefined;
    this.#reading = this.#readOn(command);
    return command;
  }

  async #readOn(command: RunningCommand): Promise<void> {
    try {
      await readAll(command, this.#wire, (bytes) => this.#answered(bytes));
      const how = await command.ended;
      if (command === this.#command) {
        this.#fail(ended(command, how, this.#left));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What a command that ended has left unanswered. */
  get #left(): string {
    const asked = this.#asked;
    if (asked === undefined) return "";
    return this.#isLine
      ? ` after ${asked.answers} answers to ${asked.count} records`
      : " before it gave the barrier back";
  }

  #fail(error: unknown): void {
    if (this.#asked) this.#asked.reject(error);
    else if (error instanceof Error) this.#stray = error.message;
  }

  #answered(bytes: Uint8Array | null): Promise<void> | undefined {
    const asked = this.#asked;
    if (asked === undefined) {
      this.#stray = this.#isLine
        ? "the command gave more answers than it got records"
        : "the command said something after it gave the barrier back";
      return undefined;
    }
    asked.answeredMs = monoMs();
    if (!this.#isLine && isText(bytes, asked.barrier)) {
      this.#asked = undefined;
      asked.resolve();
      return undefined;
    }
    const waits = asked.take(bytes, asked.answers++);
    if (this.#isLine && asked.answers === asked.count) {
      this.#asked = undefined;
      if (waits === undefined) asked.resolve();
      else return waits.then(asked.resolve, asked.reject);
    }
    return waits;
  }

  /** Ends the wait for a command that says nothing: it mostly keeps its answers back. */
  async #watch(asked: Asked, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const leftMs = asked.answeredMs + this.#answerMs - monoMs();
      if (leftMs <= 0) {
        throw this.#failed(
          `the command said nothing for ${this.#answerMs} ms with ${
            this.#isLine
              ? `${asked.count - asked.answers} of ${asked.count} answers`
              : "the barrier"
          } to come. Does it keep its output back? (stdbuf -oL, sed -u, jq --unbuffered, python -u)`,
        );
      }
      await sleep(leftMs, over);
    }
  }

  #failed(message: string): FilterFailed {
    return new FilterFailed(message, null, this.#command?.stderrTail() ?? "");
  }

  async #kill(): Promise<void> {
    const command = this.#command;
    this.#command = undefined;
    command?.kill();
    await command?.ended;
    await this.#reading.catch(() => {});
  }
}

/** The batch as bytes; a record that can't cross is named by its offset. */
function printed(
  records: readonly ConsumerRecord[],
  wire: Wire,
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const sink = new ByteSink();
  for (const record of records) {
    try {
      wire.print(record, sink);
    } catch (error) {
      if (!(error instanceof Uncrossable)) throw error;
      throw new FilterFailed(
        `the record at offset ${record.offset} can't be given to it: ${error.message}`,
        null,
        "",
      );
    }
    if (sink.length < CHUNK_BYTES) continue;
    chunks.push(sink.view().slice());
    sink.length = 0;
  }
  if (sink.length > 0) chunks.push(sink.view().slice());
  return chunks;
}

function barrierBytes(barrier: string, { delimiter }: Wire): Uint8Array {
  const sink = new ByteSink(256);
  if (delimiter === undefined) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setInt32(0, barrier.length);
    sink.push(length);
  }
  sink.text(barrier);
  if (delimiter !== undefined) sink.push(delimiter);
  return sink.view().slice();
}

/** Writes until all is written or the command reads no more. */
async function feed(
  command: RunningCommand,
  chunks: readonly Uint8Array[],
): Promise<void> {
  for (const chunk of chunks) {
    if (!await command.write(chunk)) return;
  }
}

async function readAll(
  command: RunningCommand,
  { delimiter }: Wire,
  take: TakeFramed,
): Promise<void> {
  try {
    if (delimiter === undefined) await readFramed(command.output, { take });
    else await readRecords(command.output, { delimiter, take });
  } finally {
    command.output.close();
  }
}

function ended(
  command: RunningCommand,
  { code, signal }: { code: number; signal: string | null },
  when = "",
): FilterFailed {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  return new FilterFailed(
    `the command ended with ${how}${when}`,
    signal === null ? code : null,
    command.stderrTail(),
  );
}

const decoder = new TextDecoder();

function isText(bytes: Uint8Array | null, text: string): boolean {
  return bytes !== null && bytes.length === text.length &&
    decoder.decode(bytes) === text;
}
