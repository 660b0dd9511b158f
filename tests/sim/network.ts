/**
 * A simulated network between hosts: bytes arrive late, in pieces, in order
 * within a connection and never across; directions between hosts may be
 * clogged, connections reset, machines gone without a word. Owns every byte
 * under way; it must never deliver one that was not written.
 *
 * @module
 */
import {
  type Address,
  type Connection,
  DialError,
  type Listener,
  type Transport,
} from "../../net/tcp/transport.ts";
import type { Chance } from "./chance.ts";
import type { Death, SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

const WINDOW_BYTES = 64 * 1024;
const RETRY_MS = 100;

/** How long bytes take, usually and at worst. */
export type Latency = readonly [number, number];

/** A request that is on its way. */
export interface SentRequest {
  readonly from: string;
  readonly to: Address;
  readonly apiKey: number;
}

/** The network of a run. */
export class SimNetwork {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly connections = new Set<SimConnection>();
  latencyMs: Latency = [0.2, 5];
  /** Says how much later than others a request, and all behind it, comes. */
  holdBack: ((request: SentRequest) => number) | undefined;
  readonly #listeners = new Map<string, SimListener>();
  readonly #hosts = new Map<string, SimProcess>();
  readonly #clogs = new Map<string, number>();
  readonly #slow = new Map<string, Latency>();
  #nextPort = 40_000;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.scheduler = scheduler;
    this.chance = chance;
  }

  /** What `process` reaches others with, as its host from now on. */
  transport(process: SimProcess): Transport {
    this.#hosts.set(process.host, process);
    process.onDeath((death) => this.#died(process, death));
    return {
      listen: (address) => this.#listen(address, process),
      dial: (address, signal) => this.#dial(address, process, signal),
    };
  }

  /** Nothing gets from one host to the other for `ms`. */
  clog(from: string, to: string, ms: number): void {
    this.#clogs.set(`${from} ${to}`, this.scheduler.nowMs + ms);
  }

  /** From now on bytes from one host to the other take this long. */
  slow(from: string, to: string, latencyMs: Latency): void {
    this.#slow.set(`${from} ${to}`, latencyMs);
  }

  /** Everything flows again. */
  heal(): void {
    this.#clogs.clear();
    this.#slow.clear();
    this.holdBack = undefined;
  }

  /** Whether a process runs there. */
  isUp(host: string): boolean {
    return this.#hosts.get(host)?.isAlive === true;
  }

  /** When the next bytes from one host to the other may arrive. */
  arrivalMs(from: string, to: string): number {
    const now = this.scheduler.nowMs;
    const [usual, worst] = this.#slow.get(`${from} ${to}`) ?? this.latencyMs;
    const clear = Math.max(now, this.#clogs.get(`${from} ${to}`) ?? 0);
    return clear + this.chance.delayMs(usual, worst);
  }

  #died(process: SimProcess, death: Death): void {
    for (const [key, listener] of this.#listeners) {
      if (listener.process === process) this.#listeners.delete(key);
    }
    for (const connection of [...this.connections]) {
      if (connection.process !== process) continue;
      this.connections.delete(connection);
      // A machine without power says nothing; a kernel closes for its dead.
      if (death === "killed") connection.sendReset();
    }
  }

  #listen({ host, port }: Address, process: SimProcess): Listener {
    const bound = port === 0 ? this.#nextPort++ : port;
    const key = `${process.host}:${bound}`;
    if (this.#listeners.has(key)) {
      throw new Error(`Cannot listen on ${host}:${bound}: the port is taken`);
    }
    const listener = new SimListener({ host, port: bound }, process, () => {
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
    });
    this.#listeners.set(key, listener);
    return listener;
  }

  #dial(
    remote: Address,
    process: SimProcess,
    signal: AbortSignal | undefined,
  ): Promise<Connection> {
    const { scheduler } = this;
    const later = Promise.withResolvers<Connection>();
    const fail = (why: string, isLate: boolean) =>
      later.reject(
        new DialError(
          "tcp",
          `Cannot connect to ${remote.host}:${remote.port}: ${why}`,
          { isLate },
        ),
      );
    const onAbort = () => fail("no connection in time", true);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const attempt = () => {
      if (signal?.aborted) return;
      // Nobody says that a machine is off: the call goes out again.
      if (!this.isUp(remote.host)) {
        scheduler.after(RETRY_MS, attempt, process);
        return;
      }
      signal?.removeEventListener("abort", onAbort);
      const key = `${remote.host}:${remote.port}`;
      const listener = this.#listeners.get(key);
      if (listener === undefined) return fail("nothing listens there", false);
      const local = { host: process.host, port: this.#nextPort++ };
      later.resolve(this.#connect(process, local, listener));
    };
    const atMs = this.arrivalMs(process.host, remote.host);
    scheduler.after(atMs - scheduler.nowMs, attempt, process);
    return later.promise;
  }

  #connect(
    process: SimProcess,
    local: Address,
    listener: SimListener,
  ): Connection {
    const here = new SimConnection(this, process, {
      local,
      remote: listener.address,
      isDialed: true,
    });
    const there = new SimConnection(this, listener.process, {
      local: listener.address,
      remote: local,
      isDialed: false,
    });
    here.peer = there;
    there.peer = here;
    this.connections.add(here).add(there);
    listener.offer(there);
    return here;
  }
}

class SimListener implements Listener {
  readonly address: Address;
  readonly process: SimProcess;
  readonly #onClose: () => void;
  readonly #queue: Connection[] = [];
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(address: Address, process: SimProcess, onClose: () => void) {
    this.address = address;
    this.process = process;
    this.#onClose = onClose;
  }

  async accept(): Promise<Connection | null> {
    for (;;) {
      const next = this.#queue.shift();
      if (next !== undefined) return next;
      if (this.#isClosed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  close(): void {
    if (this.#isClosed || !this.process.isAlive) return;
    this.#isClosed = true;
    this.#onClose();
    for (const connection of this.#queue.splice(0)) connection.close();
    this.#wake?.();
  }

  offer(connection: Connection): void {
    this.#queue.push(connection);
    this.#wake?.();
  }
}

/**
 * One end of a connection.
 *
 * Invariants:
 * 1. What is unread or under way towards it is at most a window.
 * 2. After its process died it does nothing any more.
 */
class SimConnection implements Connection {
  readonly process: SimProcess;
  readonly local: Address;
  readonly remote: Address;
  peer!: SimConnection;
  readonly #network: SimNetwork;
  readonly #arrived: Uint8Array[] = [];
  /** Bytes towards this end that nobody read yet. */
  #unread = 0;
  /** Whether requests leave here, and answers come. */
  readonly #isDialed: boolean;
  #lastArrivalMs = 0;
  #state: "open" | "ended" | "reset" | "closed" = "open";
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(
    network: SimNetwork,
    process: SimProcess,
    { local, remote, isDialed }: {
      readonly local: Address;
      readonly remote: Address;
      readonly isDialed: boolean;
    },
  ) {
    this.#network = network;
    this.process = process;
    this.local = local;
    this.remote = remote;
    this.#isDialed = isDialed;
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const first = this.#arrived[0];
      if (first !== undefined && this.#state !== "closed") {
        return this.#take(first, into);
      }
      if (this.#state === "ended") return null;
      if (this.#state !== "open") throw new Error("Connection reset by peer");
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  async writeAll(bytes: Uint8Array): Promise<void> {
    this.#heedHold(bytes);
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "reset" || this.#state === "closed") {
        throw new Error("Broken pipe");
      }
      if (!this.process.isAlive) return new Promise(() => {});
      const free = WINDOW_BYTES - this.peer.#unread;
      if (free <= 0) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        continue;
      }
      const most = this.#network.chance.odds(0.05) ? 20 : WINDOW_BYTES;
      const n = Math.min(free, most, bytes.length - at);
      this.#send(bytes.slice(at, at + n));
      at += n;
    }
  }

  close(): void {
    if (this.#state === "closed" || !this.process.isAlive) return;
    const wasOpen = this.#state === "open" || this.#state === "ended";
    this.#become("closed");
    this.#network.connections.delete(this);
    if (wasOpen) this.#later(() => this.peer.#onEnd());
  }

  /** Both ends learn at once, or soon, that the connection is broken. */
  reset(): void {
    this.sendReset();
    this.#onReset();
  }

  /** The other end will learn that this one is gone. */
  sendReset(): void {
    const { host } = this.local;
    const atMs = this.#network.arrivalMs(host, this.remote.host);
    const { scheduler } = this.#network;
    scheduler.after(atMs - scheduler.nowMs, () => this.peer.#onReset());
  }

  /** Who dials writes a whole request at a time. */
  #heedHold(request: Uint8Array): void {
    const { holdBack, scheduler } = this.#network;
    if (holdBack === undefined || !this.#isDialed) return;
    const apiKey = request[4]! << 8 | request[5]!;
    const { local: { host: from }, remote: to } = this;
    const heldMs = scheduler.nowMs + holdBack({ from, to, apiKey });
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, heldMs);
  }

  #take(first: Uint8Array, into: Uint8Array): number {
    const n = Math.min(first.length, into.length);
    into.set(first.subarray(0, n));
    if (n === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(n);
    this.#unread -= n;
    this.peer.#wakeWriter?.();
    return n;
  }

  #send(bytes: Uint8Array): void {
    const { peer } = this;
    peer.#unread += bytes.length;
    this.#later(() => {
      if (!peer.process.isAlive || peer.#state === "closed") {
        // Its machine, up again, knows nothing of this connection.
        if (this.#network.isUp(this.remote.host)) peer.sendReset();
        return;
      }
      if (peer.#state !== "open") return;
      this.#network.scheduler.note(
        `${bytes.length} bytes ${this.local.host} → ${this.remote.host}`,
      );
      peer.#arrived.push(bytes);
      peer.#wakeReader?.();
    });
  }

  /** Runs `fn` at the other end, after everything that was sent before. */
  #later(fn: () => void): void {
    const { scheduler } = this.#network;
    const { host } = this.local;
    this.#lastArrivalMs = Math.max(
      this.#lastArrivalMs,
      this.#network.arrivalMs(host, this.remote.host),
    );
    scheduler.after(this.#lastArrivalMs - scheduler.nowMs, fn);
  }

  #onEnd(): void {
    if (this.#state === "open") this.#become("ended");
  }

  #onReset(): void {
    if (this.#state === "closed") return;
    this.#arrived.length = 0;
    this.#become("reset");
    this.#network.connections.delete(this);
  }

  #become(state: "ended" | "reset" | "closed"): void {
    this.#state = state;
    if (!this.process.isAlive) return;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }
}
