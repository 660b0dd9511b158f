/**
 * A network inside the process, for tests: the Transport seam over bounded
 * byte queues. Ordered within a connection. It must never deliver a byte that
 * was not written, nor buffer more than its bound per direction.
 *
 * @module
 */
import {
  type Address,
  type Connection,
  DialError,
  type Listener,
  type Transport,
} from "./transport.ts";

const PIPE_BYTES_MAX = 64 * 1024;

/**
 * One direction of a connection.
 *
 * Invariants:
 * 1. `#length` ≤ {@linkcode PIPE_BYTES_MAX}.
 * 2. At most one reader and one writer wait.
 */
class Pipe {
  readonly #ring = new Uint8Array(PIPE_BYTES_MAX);
  #start = 0;
  #length = 0;
  #isEnded = false;
  #isBroken = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#length === 0) {
      if (this.#isBroken) throw new Error("Connection reset");
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    const contiguous = Math.min(this.#length, PIPE_BYTES_MAX - this.#start);
    const n = Math.min(into.length, contiguous);
    into.set(this.#ring.subarray(this.#start, this.#start + n));
    this.#start = (this.#start + n) % PIPE_BYTES_MAX;
    this.#length -= n;
    this.#wakeWriter?.();
    return n;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#isEnded || this.#isBroken) throw new Error("Broken pipe");
      const free = PIPE_BYTES_MAX - this.#length;
      if (free === 0) {
        await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        continue;
      }
      const end = (this.#start + this.#length) % PIPE_BYTES_MAX;
      const n = Math.min(free, bytes.length - at, PIPE_BYTES_MAX - end);
      this.#ring.set(bytes.subarray(at, at + n), end);
      this.#length += n;
      at += n;
      this.#wakeReader?.();
    }
  }

  /** No more bytes come; what is buffered can still be read. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  /** The reading side closed: buffered bytes are gone. */
  break(): void {
    this.#isBroken = true;
    this.#length = 0;
    this.end();
  }
}

class MemoryConnection implements Connection {
  constructor(
    readonly local: Address,
    readonly remote: Address,
    readonly incoming: Pipe,
    readonly outgoing: Pipe,
  ) {}

  read(into: Uint8Array): Promise<number | null> {
    return this.incoming.read(into);
  }

  writeAll(bytes: Uint8Array): Promise<void> {
    return this.outgoing.write(bytes);
  }

  close(): void {
    this.outgoing.end();
    this.incoming.break();
  }
}

class MemoryListener implements Listener {
  readonly #queue: Connection[] = [];
  readonly #onClose: () => void;
  #isClosed = false;
  #wake: (() => void) | undefined;

  constructor(readonly address: Address, onClose: () => void) {
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
    if (this.#isClosed) return;
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

/** A network of its own: only what listens on it can be dialled on it. */
export function memoryTransport(): Transport {
  const listeners = new Map<number, MemoryListener>();
  let nextPort = 40_000;

  function listen({ host, port }: Address): Listener {
    const bound = port === 0 ? nextPort++ : port;
    if (listeners.has(bound)) {
      throw new Error(
        `Cannot listen on ${host}:${bound}: the port is taken by another process`,
      );
    }
    const address = { host, port: bound };
    const listener = new MemoryListener(
      address,
      () => listeners.delete(bound),
    );
    listeners.set(bound, listener);
    return listener;
  }

  function dial(address: Address): Promise<Connection> {
    const listener = listeners.get(address.port);
    if (listener === undefined) {
      return Promise.reject(
        new DialError(
          "tcp",
          `Cannot connect to ${address.host}:${address.port}: nothing listens there`,
        ),
      );
    }
    const [there, back] = [new Pipe(), new Pipe()];
    const local = { host: address.host, port: nextPort++ };
    listener.offer(new MemoryConnection(address, local, there, back));
    return Promise.resolve(new MemoryConnection(local, address, back, there));
  }

  return { listen, dial };
}
