/**
 * `kf pipe`: a command of the user's as an exactly-once filter from one topic to
 * another. What crosses is `pipe_wire.ts`, the command's life `filter.ts`, the
 * transactions `exactly_once.ts`; here is what to do when it fails.
 *
 * @module
 */
import type { ConsumerRecord, KafkaError, Producer } from "../../net/client.ts";
import type { Call } from "../command.ts";
import { deadLetter } from "../dead_letters.ts";
import { type Batch, type Check, ExactlyOnce } from "../exactly_once.ts";
import { ItemsFailed, sentenceOf, UsageError } from "../failure.ts";
import {
  type Filter,
  FilterFailed,
  type FilterMode,
  filterOf,
} from "../filter.ts";
import { findTarget } from "../landing.ts";
import { say } from "../output.ts";
import { type Answer, type Wire, wireOf } from "../pipe_wire.ts";
import { Progress } from "../progress.ts";
import { creationLike, findSource } from "../reading.ts";
import { type Settings, settingsOf } from "../settings.ts";
import { printErr, sleep, takeInterrupts } from "../terminal.ts";
import { parseCount, parseDuration } from "../units.ts";

const BATCH_RECORDS = 500;
const LINGER_MS = 100;
const ANSWER_MS = 30_000;
const RETRY_MS = { first: 250, max: 30_000 } as const;

/** What was asked for. */
interface Wish {
  readonly from: string;
  readonly to: string;
  readonly group: string;
  readonly mode: FilterMode;
  readonly onError: "stop" | "retry" | "dlq";
  readonly deadLetters: string;
  readonly batchRecords: number;
  readonly lingerMs: number;
  readonly answerMs: number;
  readonly isEndedAtEnd: boolean;
  readonly wire: Wire;
  readonly words: readonly string[];
}

/** Runs `kf pipe`. */
export async function run(call: Call): Promise<void> {
  const { settings } = call;
  const wish = readWish(call);
  const partitions = await prepare(wish, settings);
  const interrupts = takeInterrupts();
  const progress = new Progress("piped", settings);
  const pipe = new Pipe(wish, {
    settings,
    partitions,
    progress,
    stop: interrupts.signal,
  });
  try {
    await pipe.run();
  } finally {
    interrupts.release();
    if (progress.records > 0) progress.end();
  }
}

function readWish({ flags, args }: Call): Wish {
  const from = flags.text("from");
  const to = flags.text("to");
  if (!from || !to) {
    throw new UsageError("Cannot pipe without --from TOPIC and --to TOPIC");
  }
  if (from === to) throw new UsageError(`Cannot pipe "${from}" into itself`);
  const onError = (flags.text("on-error") ?? "stop") as Wish["onError"];
  if (flags.text("dlq") !== undefined && onError !== "dlq") {
    throw new UsageError("Cannot use --dlq without --on-error dlq");
  }
  return {
    from,
    to,
    group: flags.text("group") ?? `kf-pipe.${from}.${to}`,
    mode: (flags.text("mode") ?? "spawn") as FilterMode,
    onError,
    deadLetters: flags.text("dlq") ?? `${from}.dlq`,
    batchRecords: flags.parsed(
      "batch",
      (text) => parseCount(text, { name: "a batch", min: 1, max: 1_000_000 }),
    ) ?? BATCH_RECORDS,
    lingerMs: flags.parsed("linger", parseDuration) ?? LINGER_MS,
    answerMs: flags.parsed("answer-timeout", parseDuration) ?? ANSWER_MS,
    isEndedAtEnd: flags.has("exit-at-end"),
    wire: wireOf(flags),
    words: args,
  };
}

/** The topics that are written to, made like the source; gives their partitions. */
async function prepare(
  { from, to, onError, deadLetters }: Wish,
  settings: Settings,
): Promise<{ readonly to: number }> {
  const own = settingsOf("producer", settings);
  const origin = await findSource(settingsOf("consumer", settings), from);
  const { partitions } = await creationLike(own, origin);
  const { ends } = await findTarget(own, to, { partitions });
  if (onError === "dlq") await findTarget(own, deadLetters, { partitions });
  return { to: ends.length };
}

/**
 * A pipe at work.
 *
 * 1. `#suspects` has, by partition, the offset up to which a failed batch is
 *    halved until the record is found that fails alone.
 */
class Pipe {
  readonly #wish: Wish;
  readonly #settings: Settings;
  readonly #partitions: number;
  readonly #progress: Progress;
  readonly #stop: AbortSignal;
  readonly #filter: Filter;
  readonly #suspects = new Map<number, { count: number; end: number }>();
  #failures = 0;
  #deadLetters = 0;

  constructor(
    wish: Wish,
    { settings, partitions, progress, stop }: {
      settings: Settings;
      partitions: { readonly to: number };
      progress: Progress;
      stop: AbortSignal;
    },
  ) {
    this.#wish = wish;
    this.#settings = settings;
    this.#partitions = partitions.to;
    this.#progress = progress;
    this.#stop = stop;
    this.#filter = filterOf(wish.words, wish);
  }

  async run(): Promise<void> {
    const { from, group, batchRecords, lingerMs, isEndedAtEnd } = this.#wish;
    const work = await ExactlyOnce.open(this.#settings, {
      topic: from,
      group,
      countOf: (partition) =>
        this.#suspects.get(partition)?.count ?? batchRecords,
      countMax: batchRecords,
      lingerMs,
      isEndedAtEnd,
      stop: this.#stop,
    });
    try {
      for (let batch; (batch = await work.next()) !== undefined;) {
        await this.#pipe(work, batch);
      }
    } finally {
      await this.#filter.close();
      await work.close();
    }
    if (this.#deadLetters === 0) return;
    const { deadLetters } = this.#wish;
    say(
      `${this.#deadLetters} records went to "${deadLetters}"`,
      this.#settings,
    );
  }

  async #pipe(work: ExactlyOnce, batch: Batch): Promise<void> {
    try {
      const isDone = await work.commit(
        batch,
        (producer) => this.#filtered(batch, producer),
      );
      if (isDone) this.#done(batch);
    } catch (error) {
      // Ctrl-C reaches the command, too: what it left undone is done next time.
      if (this.#stop.aborted) return;
      if (!isOfRecords(error)) throw error;
      await this.#failed(work, batch, error);
    }
  }

  /** The command's answers to a batch, on their way. */
  async #filtered(batch: Batch, producer: Producer): Promise<Check> {
    const { mode, wire, to } = this.#wish;
    const { records } = batch;
    const timestamp = records.reduce(
      (latest, each) => Math.max(latest, each.timestamp),
      -1,
    );
    let failure: KafkaError | undefined;
    const onDone = (error: KafkaError | undefined) => void (failure ??= error);
    await this.#filter.run(records, (bytes, index) => {
      if (failure !== undefined) throw failure;
      const answer = read(wire, bytes, index);
      const made = mode === "line"
        ? answerTo(records[index]!, answer)
        : { timestamp, key: null, ...said(answer) };
      producer.append({
        ...made,
        topic: to,
        partition: batch.partition % this.#partitions,
      }, onDone);
      return producer.ready();
    });
    return () => {
      if (failure !== undefined) throw failure;
      this.#filter.check();
    };
  }

  #done({ partition, records }: Batch): void {
    this.#failures = 0;
    this.#progress.records += records.length;
    for (const { key, value } of records) {
      this.#progress.bytes += (key?.length ?? 0) + (value?.length ?? 0);
    }
    this.#progress.tick();
    const suspect = this.#suspects.get(partition);
    if (suspect !== undefined && records.at(-1)!.offset + 1 >= suspect.end) {
      this.#suspects.delete(partition);
    }
  }

  /** What `--on-error` says. Nothing of the batch counts so far. */
  async #failed(
    work: ExactlyOnce,
    batch: Batch,
    error: Error,
  ): Promise<void> {
    const { onError, from } = this.#wish;
    const { partition, records } = batch;
    const [first, last] = [records[0]!.offset, records.at(-1)!.offset];
    const which = `${from}-${partition} offset ${
      first === last ? first : `${first} to ${last}`
    }`;
    const what = `Cannot pipe ${which}: ${sentenceOf(error)}`;
    if (onError === "stop") {
      printErr(`kf: ${what}. Nothing of this batch was committed\n`);
      throw new ItemsFailed("a batch failed");
    }
    if (onError === "dlq") {
      if (records.length > 1) {
        const end = this.#suspects.get(partition)?.end ?? last + 1;
        const count = Math.ceil(records.length / 2);
        this.#suspects.set(partition, { count, end });
        return;
      }
      return await this.#bury(work, batch, error);
    }
    const waitMs = Math.min(
      RETRY_MS.max,
      RETRY_MS.first * 2 ** Math.min(this.#failures++, 10),
    );
    say(`${what}. Trying again in ${waitMs} ms`, this.#settings);
    await sleep(waitMs, this.#stop);
  }

  /** The record that fails alone goes to the dead letters. */
  async #bury(work: ExactlyOnce, batch: Batch, error: Error): Promise<void> {
    const { group, deadLetters } = this.#wish;
    const record = batch.records[0]!;
    const reason = error instanceof FilterFailed
      ? error
      : { exitCode: null, stderr: "" };
    const letter = deadLetter(record, deadLetters, {
      group,
      message: sentenceOf(error),
      exitCode: reason.exitCode,
      stderr: reason.stderr,
    });
    const isDone = await work.commit(batch, (producer) => {
      let failure: KafkaError | undefined;
      producer.append(letter, (error) => failure = error);
      return Promise.resolve(() => {
        if (failure !== undefined) throw failure;
      });
    });
    if (!isDone) return;
    this.#deadLetters++;
    this.#done(batch);
  }
}

/** Whether the records, or what the command made of them, are at fault. */
function isOfRecords(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return error instanceof FilterFailed || error instanceof BadAnswer ||
    ["MESSAGE_TOO_LARGE", "INVALID_RECORD", "INVALID_TIMESTAMP"].some((name) =>
      "error" in error && error.error === name
    );
}

/** An answer that is none in the form that was agreed on. */
class BadAnswer extends Error {
  override readonly name = "BadAnswer";
}

function read(wire: Wire, bytes: Uint8Array | null, index: number): Answer {
  try {
    return wire.read(bytes);
  } catch (error) {
    throw new BadAnswer(
      `answer ${index + 1} of the command can't be read: ${sentenceOf(error)}`,
    );
  }
}

/** What an answer says, without what it leaves open. */
function said({ key, value, headers, timestamp }: Answer) {
  return {
    value,
    ...(key === undefined ? {} : { key }),
    ...(headers === undefined ? {} : { headers }),
    ...(timestamp === undefined ? {} : { timestamp }),
  };
}

/** The record with another value, and whatever else the answer says. */
function answerTo(record: ConsumerRecord, answer: Answer) {
  const isEmpty = answer.value === null || answer.value.length === 0;
  return {
    key: record.key,
    headers: record.headers.map(({ key, value }) => [key, value] as const),
    timestamp: record.timestamp,
    ...said(answer),
    value: record.value === null && isEmpty ? null : answer.value,
  };
}
