/**
 * One client connection: one reader, one writer. Owns the order of answers
 * (a reply slot per request), their coalescing into one write per turn, and
 * back-pressure. It must never decode a body, nor let one connection's failure
 * reach another.
 *
 * @module
 */
import type { Clock, Trace } from "../../core/env/env.ts";
import { LIMITS } from "../../core/limits.ts";
import { FrameReader, type ReceiveMemory } from "../tcp/framing.ts";
import type { Address, Connection } from "../tcp/transport.ts";
import type { Turn } from "./turn.ts";

/** From this size on an answer is written where it lies. */
const COALESCE_BYTES_MAX = 64 * 1024;
/** At most this much is gathered into one write. */
const GATHERED_BYTES_MAX = 256 * 1024;

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
  readonly frameBytesMax: number;
  readonly onFrame: OnFrame;
}

/** The place of one answer in the order of a connection. */
export class Reply {
  readonly #connection: ClientConnection;
  /** Undefined: not answered yet; null: nothing is sent. */
  bytes: Uint8Array | null | undefined = undefined;

  constructor(connection: ClientConnection) {
    this.#connection = connection;
  }

  /** Answers with a whole frame, or with nothing. */
  settle(bytes: Uint8Array | null): void {
    if (this.bytes !== undefined) return;
    this.bytes = bytes;
    this.#connection.onSettled();
  }
}

/**
 * One connection.
 *
 * Invariants:
 * 1. Answers leave in the order in which their requests came.
 * 2. One write is in flight at most; its bytes aren't touched until it ends.
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
  #out: Uint8Array[] = [];
  #outBytes = 0;
  #isClosed = false;
  #isWriting = false;
  #isTurnAsked = false;
  #isDraining = false;
  #lastActiveMs: number;
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
      do {
        if (!(await this.#takeAll())) break;
      } while (await this.#fill());
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
    this.#out = [];
    this.#outBytes = 0;
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
    if (this.#replies[0]?.bytes === undefined) return;
    this.#isTurnAsked = true;
    this.#options.turn.write(this);
  }

  /** Moves settled replies to the writer; called once per turn. */
  endTurn(): void {
    this.#isTurnAsked = false;
    let n = 0;
    for (; n < this.#replies.length; n++) {
      const bytes = this.#replies[n]!.bytes;
      if (bytes === undefined) break;
      if (bytes === null) continue;
      this.#out.push(bytes);
      this.#outBytes += bytes.length;
    }
    this.#replies.splice(0, n);
    if (!this.#isWriting && this.#out.length > 0) this.#startWriting();
    this.#afterProgress();
  }

  async #fill(): Promise<boolean> {
    if (!(await this.#frames.fill())) return false;
    this.#lastActiveMs = this.#options.clock.monoMs();
    return !this.#isClosed;
  }

  /** Hands on every whole frame that is here. False when reading is over. */
  async #takeAll(): Promise<boolean> {
    for (;;) {
      if (this.#isClosed || this.#isDraining) return false;
      const frame = this.#frames.take();
      if (frame === undefined) return true;
      const reply = new Reply(this);
      this.#replies.push(reply);
      this.#options.onFrame(frame, reply, this);
      while (!this.#hasRoom() && !this.#isClosed && !this.#isDraining) {
        await new Promise<void>((resolve) => this.#wakeReader = resolve);
      }
    }
  }

  #hasRoom(): boolean {
    return this.#replies.length < LIMITS.connectionRequestsMax &&
      this.#outBytes < LIMITS.connectionResponseBytesMax;
  }

  #startWriting(): void {
    this.#isWriting = true;
    this.#write().catch((error) => this.close(messageOf(error)));
  }

  async #write(): Promise<void> {
    try {
      while (this.#out.length > 0 && !this.#isClosed) {
        const bytes = this.#gather();
        await this.#connection.writeAll(bytes);
        this.#lastActiveMs = this.#options.clock.monoMs();
        this.#outBytes = Math.max(0, this.#outBytes - bytes.length);
        this.#wakeIfRoom();
      }
    } finally {
      this.#isWriting = false;
    }
    this.#afterProgress();
  }

  /** The next bytes to write: one large answer, or many small ones joined. */
  #gather(): Uint8Array {
    const out = this.#out;
    let bytes = 0;
    let n = 0;
    while (n < out.length && out[n]!.length < COALESCE_BYTES_MAX) {
      if (bytes + out[n]!.length > GATHERED_BYTES_MAX) break;
      bytes += out[n++]!.length;
    }
    if (n <= 1) return out.shift()!;
    const gathered = new Uint8Array(bytes);
    let at = 0;
    for (let i = 0; i < n; i++) {
      gathered.set(out[i]!, at);
      at += out[i]!.length;
    }
    this.#out = out.slice(n);
    return gathered;
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
    const isDone = this.#replies.length === 0 && this.#out.length === 0 &&
      !this.#isWriting;
    if (isDone) this.close("the broker stops");
    else this.#wakeReader?.();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
