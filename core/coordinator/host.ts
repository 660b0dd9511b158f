/**
 * The one host of all coordinators: takes inputs one at a time, lets the
 * machine decide, applies and appends the records, and hands out replies and
 * effects once the log has committed them. Owns the order and the waiting; it
 * must never look into an input, a record or a reply.
 *
 * @module
 */
import type { Clock } from "../env/env.ts";
import { KafkaError } from "../errors.ts";
import { invariant } from "../invariant.ts";
import { buildBatch, type RecordInput } from "../record/builder.ts";
import type { DecideContext, Decision, Machine, OwnBatch } from "./machine.ts";

/** The log that a coordinator writes to; it alone appends to it. */
export interface CoordinatorLog {
  /** Offset that the next record gets. */
  readonly logEndOffset: number;
  /** Records below it are committed. */
  readonly highWatermark: number;
  /** Appends a batch and returns its last offset, or throws. */
  append(batch: Uint8Array, ownBatch?: OwnBatch): number;
}

/** A record as the log holds it. */
export interface StoredRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
}

/** What a {@linkcode CoordinatorHost} is made of. */
export interface CoordinatorOptions<Input, Rec, Reply, Effect> {
  readonly log: CoordinatorLog;
  readonly clock: Pick<Clock, "wallMs" | "endOfTurn">;
  /** A machine that knows nothing yet. */
  readonly create: () => Machine<Input, Rec, Reply, Effect>;
  /** The record's bytes; undefined for what lives in memory only. */
  readonly encode: (record: Rec) => StoredRecord | undefined;
  /** Carries out an effect whose records are committed. */
  readonly onEffect: (effect: Effect) => void;
  /** The state was discarded after a failure: load again, or give up. */
  readonly onDiscarded?: (error: unknown) => void;
  /** Key and value bytes that one batch gathers at most. */
  readonly batchBytesMax?: number;
  /** Whether the records of one decision must share a batch of their own. */
  readonly isBatchPerDecision?: boolean;
}

/** A decided input that waits for its records to be committed. */
interface Waiting<Reply, Effect> {
  /** Last offset that must be committed; undefined while being gathered. */
  lastOffset: number | undefined;
  readonly reply: Reply;
  readonly effects: readonly Effect[];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

const BATCH_BYTES_MAX = 512 * 1024;

/**
 * Hosts one machine over one log.
 *
 * Invariants:
 * 1. Replies and effects leave in the order of the decisions, none before
 *    every record decided up to it lies below the high watermark.
 * 2. The machine has applied exactly the records that were appended or are
 *    gathered for the append at the end of this turn. Those with a batch
 *    of their own are appended first, since the log may refuse them.
 * 3. After a failure nothing is decided until `load()`.
 */
export class CoordinatorHost<Input, Rec, Reply, Effect> {
  readonly #options: CoordinatorOptions<Input, Rec, Reply, Effect>;
  #machine: Machine<Input, Rec, Reply, Effect> | undefined;
  #waiting: Waiting<Reply, Effect>[] = [];
  #released = 0;
  #gathered: RecordInput[] = [];
  #gatheredBytes = 0;
  #isFlushScheduled = false;
  #lastOffset = -1;
  #highWatermark = 0;
  #isReleasing = false;

  constructor(options: CoordinatorOptions<Input, Rec, Reply, Effect>) {
    this.#options = options;
  }

  /** Whether inputs are taken. */
  get isLoaded(): boolean {
    return this.#machine !== undefined;
  }

  /** Replays `records` into a new machine and takes inputs from now on. */
  load(records: Iterable<Rec>): void {
    const { log, create } = this.#options;
    const machine = create();
    for (const record of records) machine.apply(record);
    this.#machine = machine;
    this.#lastOffset = log.logEndOffset - 1;
    this.#highWatermark = log.highWatermark;
  }

  /**
   * Decides `input`; resolves with the reply when it is committed. Rejects
   * with COORDINATOR_LOAD_IN_PROGRESS before `load()`, and with the failure
   * when the records could not be committed.
   */
  submit(input: Input): Promise<Reply> {
    const machine = this.#machine;
    if (machine === undefined) return Promise.reject(notLoaded());
    let decision: Decision<Rec, Reply, Effect>;
    try {
      decision = machine.decide(input, this.#context());
    } catch (error) {
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const { reply, effects } = decision;
    const waiting: Waiting<Reply, Effect> = {
      lastOffset: this.#lastOffset,
      reply,
      effects,
      resolve,
      reject,
    };
    try {
      this.#record(machine, decision);
    } catch (error) {
      reject(error);
      return promise;
    }
    if (this.#gathered.length > 0) waiting.lastOffset = undefined;
    else waiting.lastOffset = this.#lastOffset;
    this.#waiting.push(waiting);
    this.#release();
    return promise;
  }

  /** Everything below `highWatermark` is committed. */
  committed(highWatermark: number): void {
    if (highWatermark <= this.#highWatermark) return;
    this.#highWatermark = highWatermark;
    this.#release();
  }

  /** Discards the state: whoever waits is told `error`. */
  fail(error: unknown): void {
    if (this.#machine === undefined) return;
    this.#machine = undefined;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const waiting = this.#waiting.slice(this.#released);
    this.#waiting = [];
    this.#released = 0;
    for (const { reject } of waiting) reject(error);
    this.#options.onDiscarded?.(error);
  }

  #context(): DecideContext {
    const { clock, log } = this.#options;
    return {
      nowMs: clock.wallMs(),
      nextOffset: log.logEndOffset + this.#gathered.length,
    };
  }

  /** A failure discards the state, unless the log refuses an own batch. */
  #record(
    machine: Machine<Input, Rec, Reply, Effect>,
    { records, ownBatch }: Decision<Rec, Reply, Effect>,
  ): void {
    try {
      if (ownBatch === undefined) return this.#take(machine, records);
      if (this.#gathered.length > 0) this.#flush();
    } catch (error) {
      this.fail(error);
      throw error;
    }
    const batch = buildBatch(this.#stored(records), ownBatch);
    this.#append(batch, ownBatch);
    for (const record of records) machine.apply(record);
  }

  /** Applies the records and gathers their bytes for the log. */
  #take(
    machine: Machine<Input, Rec, Reply, Effect>,
    records: readonly Rec[],
  ): void {
    if (records.length === 0) return;
    const { isBatchPerDecision } = this.#options;
    const max = this.#options.batchBytesMax ?? BATCH_BYTES_MAX;
    const stored = this.#stored(records);
    let bytes = 0;
    for (const { key, value } of stored) {
      bytes += (key?.length ?? 0) + (value?.length ?? 0);
    }
    if (this.#gathered.length > 0 && this.#gatheredBytes + bytes > max) {
      this.#flush();
    }
    for (const record of records) machine.apply(record);
    if (stored.length === 0) return;
    for (const record of stored) this.#gathered.push(record);
    this.#gatheredBytes += bytes;
    if (isBatchPerDecision || this.#gatheredBytes >= max) this.#flush();
    else this.#scheduleFlush();
  }

  /** The records as the log holds them, without what lives in memory only. */
  #stored(records: readonly Rec[]): RecordInput[] {
    const { encode, clock } = this.#options;
    const timestamp = clock.wallMs();
    const stored: RecordInput[] = [];
    for (const record of records) {
      const encoded = encode(record);
      if (encoded !== undefined) stored.push({ timestamp, ...encoded });
    }
    return stored;
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#options.clock.endOfTurn(() => {
      this.#isFlushScheduled = false;
      if (this.#machine === undefined || this.#gathered.length === 0) return;
      try {
        this.#flush();
      } catch (error) {
        this.fail(error);
        return;
      }
      this.#release();
    });
  }

  /** Appends what was gathered as one batch. */
  #flush(): void {
    const records = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#append(buildBatch(records));
    for (let i = this.#waiting.length - 1; i >= this.#released; i--) {
      const waiting = this.#waiting[i]!;
      if (waiting.lastOffset !== undefined) break;
      waiting.lastOffset = this.#lastOffset;
    }
  }

  #append(batch: Uint8Array, ownBatch?: OwnBatch): void {
    const { log } = this.#options;
    const lastOffset = log.append(batch, ownBatch);
    invariant(lastOffset > this.#lastOffset, "an append moves the log's end");
    this.#lastOffset = lastOffset;
    this.#highWatermark = Math.max(this.#highWatermark, log.highWatermark);
  }

  /** Hands out what is committed; effects may submit again. */
  #release(): void {
    if (this.#isReleasing) return;
    this.#isReleasing = true;
    try {
      while (this.#released < this.#waiting.length) {
        const { lastOffset, effects, resolve, reply } = this
          .#waiting[this.#released]!;
        if (lastOffset === undefined || lastOffset >= this.#highWatermark) {
          break;
        }
        this.#released++;
        resolve(reply);
        for (const effect of effects) this.#options.onEffect(effect);
      }
    } finally {
      this.#isReleasing = false;
    }
    if (this.#released === this.#waiting.length || this.#released > 1024) {
      this.#waiting.splice(0, this.#released);
      this.#released = 0;
    }
  }
}

function notLoaded(): KafkaError {
  return new KafkaError(
    "COORDINATOR_LOAD_IN_PROGRESS",
    "Cannot serve the request yet: the coordinator is loading its state",
  );
}
