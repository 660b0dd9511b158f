/**
 * One client connection: one reader, one writer. Owns the order of answers
 * (a reply slot per request), their coalescing into one write per turn, and
 * back-pressure. It must never decode a body, nor let one connection's failure
 * reach another.
 *
 * @module
 */
import type { ReadBuffers } from "../../core/bytes/read_buffers.ts";
import type { Writer } from "../../core/bytes/writer.ts";
import type { Clock, Trace } from "../../core/env/env.ts";
import { messageOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { FrameReader, type ReceiveMemory } from "../tcp/framing.ts";
import type { Address, Connection } from "../tcp/transport.ts";
import { responseWriter } from "../wire/headers.ts";
import type { Turn } from "./turn.ts";

/** A writer that grew larger is not kept for the next answers. */
const KEPT_WRITER_BYTES_MAX = 16 * 1024;

/** Takes whole frames; `reply` has been reserved for the answer. */
export type OnFrame = (
  frame: Uint8Array,
  reply: Reply,
  connection: ClientConnection,
) => void;

/** What a connection needs of its broker. */
export interface ConnectionOptions {
  readonly turn: Turn;
  readonly clock: Clock;
  readonly trace: Trace;
  readonly memory: ReceiveMemory;
  /** Get back what large answers lay in. */
  readonly readBuffers: ReadBuffers;
  readonly frameBytesMax: number;
  readonly onFrame: OnFrame;
}

/** An answer, to be written when its turn has come. */
export interface Writable {
  /** Appends whole frames; a throw closes the connection. */
  writeTo(writer: Writer): void;
}

/** The place of one answer in the order of a connection. */
export class Reply {
  readonly #connection: ClientConnection;
  /** Undefined: not answered yet; null: nothing is sent. */
  answer: Writable | null | undefined = undefined;

  constructor(connection: ClientConnection) {
    this.#connection = connection;
  }

  /** Answers with `answer`, or with nothing. */
  settle(answer: Writable | null): void {
    if (this.answer !== undefined) return;
    this.answer = answer;
    this.#connection.onSettled();
  }
}

/**
 * One connection.
 *
 * Invariants:
 * 1. Answers leave in the order in which their requests came.
 * 2. One write is in flight at most; its bytes aren't touched until it ends:
 *    `#sending` holds them, answers meanwhile gather in `#gathering`.
 * 3. Reading stops while more than `connectionRequestsMax` requests or
 *    `connectionResponseBytesMax` bytes of answers wait.
 */
export class ClientConnection {
  readonly remote: Address;
  readonly local: Address;
  readonly #connection: Connection;
  readonly #options: ConnectionOptions;
  readonly #frames: FrameReader;
  #replies: Reply[] = [];
  #gathering: Writer | undefined;
  #sending: Writer | undefined;
  #sendingBytes = 0;
  #isClosed = false;
  #isWriting = false;
  #isTurnAsked = false;
  #isDraining = false;
  #lastActiveMs: number;
  #receivedMs = 0;
  #wakeReader: (() => void) | undefined;
  #onClosed: (() => void) | undefined;

  constructor(connection: Connection, options: ConnectionOptions) {
    this.#connection = connection;
    this.#options = options;
    this.remote = connection.remote;
    this.local = connection.local;
    this.#lastActiveMs = options.clock.monoMs();
    this.#frames = new FrameReader(connection, options);
  }

  /** Monotonic time at which the newest bytes came. */
  get receivedMs(): number {
    return this.#receivedMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether nothing moved since `sinceMs` and no handler works for it. */
  isIdleSince(sinceMs: number): boolean {
    if (this.#lastActiveMs > sinceMs) return false;
    return this.#replies.length === 0 || this.#isWriting;
  }

  /** Whether a frame was begun and nothing more of it came since `sinceMs`. */
  isStalledSince(sinceMs: number): boolean {
    return this.#lastActiveMs <= sinceMs && this.#frames.isAwaitingRest;
  }

  /** Reads and hands on frames until either side closes. */
  async run(): Promise<void> {
    try {
      while (this.#takeAll() ? await this.#fill() : await this.#room());
    } catch (error) {
      if (!this.#isClosed) this.close(messageOf(error));
    } finally {
      this.#frames.release();
      this.#endIfDrained();
      if (!this.#isDraining) this.close("the client closed it");
      else if (!this.#isClosed) await this.#closed();
    }
  }

  #closed(): Promise<void> {
    return new Promise((resolve) => this.#onClosed = resolve);
  }

  /** Stops reading; closes when everything that was read is answered. */
  drain(): void {
    this.#isDraining = true;
    this.#endIfDrained();
  }

  /** Closes at once. Idempotent. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames.close();
    this.#connection.close();
    this.#replies = [];
    this.#gathering = undefined;
    this.#wakeReader?.();
    this.#onClosed?.();
    this.#options.trace("debug", "A connection closed", {
      remote: `${this.remote.host}:${this.remote.port}`,
      reason,
    });
  }

  /** A reply was settled: what is next in order goes out this turn. */
  onSettled(): void {
    if (this.#isTurnAsked || this.#isClosed) return;
    if (this.#replies[0]?.answer === undefined) return;
    this.#isTurnAsked = true;
    this.#options.turn.write(this);
  }

  /** Moves settled replies to the writer; called once per turn. */
  endTurn(): void {
    this.#isTurnAsked = false;
    if (this.#isClosed) return;
    const replies = this.#replies;
    let n = 0;
    try {
      for (; n < replies.length; n++) {
        const { answer } = replies[n]!;
        if (answer === undefined) break;
        answer?.writeTo(this.#gathering ??= responseWriter());
      }
    } catch (error) {
      this.#options.trace("error", "An answer could not be written", { error });
      this.close("its answer could not be written");
      return;
    }
    this.#replies = n === replies.length ? [] : replies.slice(n);
    if (!this.#isWriting && this.#gatheredBytes > 0) this.#startWriting();
    this.#afterProgress();
  }

  /** Receives more; false when reading is over. */
  async #fill(): Promise<boolean> {
    if (this.#isClosed || this.#isDraining) return false;
    if (!(await this.#frames.fill())) return false;
    this.#lastActiveMs = this.#receivedMs = this.#options.clock.monoMs();
    return !this.#isClosed;
  }

  /** Hands on every whole frame that is here; false when there is no room. */
  #takeAll(): boolean {
    while (!this.#isClosed && !this.#isDraining) {
      if (!this.#hasRoom()) return false;
      const frame = this.#frames.take();
      if (frame === undefined) break;
      const reply = new Reply(this);
      this.#replies.push(reply);
      this.#options.onFrame(frame, reply, this);
    }
    return true;
  }

  /** Waits for room, or for the end. */
  async #room(): Promise<boolean> {
    await new Promise<void>((resolve) => this.#wakeReader = resolve);
    return true;
  }

  #hasRoom(): boolean {
    return this.#replies.length < LIMITS.connectionRequestsMax &&
      this.#gatheredBytes + this.#sendingBytes <
        LIMITS.connectionResponseBytesMax;
  }

  get #gatheredBytes(): number {
    return this.#gathering?.length ?? 0;
  }

  #startWriting(): void {
    this.#isWriting = true;
    this.#write().catch((error) => this.close(messageOf(error)));
  }

  async #write(): Promise<void> {
    try {
      while (this.#gatheredBytes > 0 && !this.#isClosed) {
        const writer = this.#gathering!;
        this.#gathering = this.#sending;
        this.#sending = writer;
        this.#sendingBytes = writer.length;
        await this.#send(writer);
        this.#sending = writer.capacity <= KEPT_WRITER_BYTES_MAX
          ? writer
          : undefined;
        this.#sending?.reset();
        this.#wakeIfRoom();
      }
    } finally {
      this.#isWriting = false;
    }
    this.#afterProgress();
  }

  async #send(writer: Writer): Promise<void> {
    for (const bytes of writer.parts()) {
      if (this.#isClosed) return;
      await this.#connection.writeAll(bytes);
      this.#options.readBuffers.giveBack(bytes);
      this.#lastActiveMs = this.#options.clock.monoMs();
      this.#sendingBytes -= bytes.length;
      this.#wakeIfRoom();
    }
  }

  #afterProgress(): void {
    this.#wakeIfRoom();
    this.#endIfDrained();
  }

  #wakeIfRoom(): void {
    if (this.#wakeReader === undefined || !this.#hasRoom()) return;
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake();
  }

  #endIfDrained(): void {
    if (!this.#isDraining || this.#isClosed) return;
    const isDone = this.#replies.length === 0 && this.#gatheredBytes === 0 &&
      !this.#isWriting;
    if (isDone) this.close("the broker stops");
    else this.#wakeReader?.();
  }
}
