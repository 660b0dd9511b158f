/**
 * The real network: Deno's TCP sockets behind the Transport seam. The one file
 * in net that names Deno. It must never let a socket error escape as a
 * rejection nobody awaits, and never close a resource twice.
 *
 * @module
 */
import { messageOf } from "../../core/errors.ts";
import {
  type Address,
  type Connection,
  DialError,
  type Listener,
  type Transport,
} from "./transport.ts";

const ACCEPT_BACKOFF_MS = [5, 20, 100, 500];

function addressOf(addr: Deno.Addr): Address {
  const { hostname, port } = addr as Deno.NetAddr;
  return { host: hostname, port };
}

/**
 * One socket.
 *
 * Invariants:
 * 1. At most one write loop runs at a time.
 * 2. The Deno handle is closed exactly once.
 */
class DenoConnection implements Connection {
  readonly local: Address;
  readonly remote: Address;
  readonly #conn: Deno.TcpConn;
  #isClosed = false;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.local = addressOf(conn.localAddr);
    this.remote = addressOf(conn.remoteAddr);
    try {
      conn.setNoDelay(true);
    } catch {
      // The peer is gone already; the first read says so.
    }
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into);
  }

  async writeAll(bytes: Uint8Array): Promise<void> {
    let at = await this.#conn.write(bytes);
    while (at < bytes.length) {
      at += await this.#conn.write(bytes.subarray(at));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }
}

/** Whether accepting may work again in a moment: descriptors or memory ran out. */
function isPassing(error: unknown): boolean {
  return !(error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.Interrupted);
}

class DenoListener implements Listener {
  readonly address: Address;
  readonly #listener: Deno.TcpListener;
  #isClosed = false;
  #failures = 0;
  #wake: (() => void) | undefined;

  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.address = addressOf(listener.addr);
  }

  async accept(): Promise<Connection | null> {
    while (!this.#isClosed) {
      try {
        const conn = await this.#listener.accept();
        this.#failures = 0;
        return new DenoConnection(conn);
      } catch (error) {
        if (this.#isClosed || !isPassing(error)) return null;
        await this.#backOff();
      }
    }
    return null;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake?.();
    this.#listener.close();
  }

  #backOff(): Promise<void> {
    const last = ACCEPT_BACKOFF_MS.length - 1;
    const ms = ACCEPT_BACKOFF_MS[Math.min(this.#failures++, last)];
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface Accepted {
  readonly by: Listener;
  readonly connection: Connection | null;
}

/**
 * Several listeners as one: the loopback addresses of both families. Its
 * address is the first one's.
 */
class JoinedListener implements Listener {
  readonly address: Address;
  readonly #listeners: readonly Listener[];
  /** At most one accept of each is under way. */
  readonly #accepting = new Map<Listener, Promise<Accepted>>();
  #isClosed = false;

  constructor(listeners: readonly [Listener, ...Listener[]]) {
    this.#listeners = listeners;
    this.address = listeners[0].address;
  }

  async accept(): Promise<Connection | null> {
    if (this.#isClosed) return null;
    for (const by of this.#listeners) {
      if (this.#accepting.has(by)) continue;
      const accepted = by.accept().then((connection) => ({ by, connection }));
      this.#accepting.set(by, accepted);
    }
    const { by, connection } = await Promise.race(this.#accepting.values());
    this.#accepting.delete(by);
    return connection;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.close();
    // What came at the last moment is nobody's.
    for (const accepted of this.#accepting.values()) {
      accepted.then(({ connection }) => connection?.close());
    }
  }
}

/** Both loopback addresses at one port; the second one where there is one. */
function listenOnLoopback(port: number): Listener {
  const first = listenOn({ host: "127.0.0.1", port });
  try {
    const second = listenOn({ host: "::1", port: first.address.port });
    return new JoinedListener([first, second]);
  } catch (error) {
    const isTaken = error instanceof Error &&
      error.cause instanceof Deno.errors.AddrInUse;
    // A port of the system's choice is the first one's; one that was asked for
    // must not lead half of the clients elsewhere.
    if (!isTaken || port === 0) return first;
    first.close();
    throw error;
  }
}

function listenProblem(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is taken by another process";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "this machine does not have that address";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "not permitted (ports below 1024 need privileges)";
  }
  return messageOf(error);
}

function listen(address: Address): Listener {
  return address.host === "localhost"
    ? listenOnLoopback(address.port)
    : listenOn(address);
}

function listenOn({ host, port }: Address): Listener {
  try {
    return new DenoListener(Deno.listen({ hostname: host, port }));
  } catch (error) {
    throw new Error(
      `Cannot listen on ${host}:${port}: ${listenProblem(error)}`,
      { cause: error },
    );
  }
}

/** A dial that takes longer is looked at: is it the name, or the host? */
const SLOW_MS = 100;

/** A name's own look-up, beside a dial that is slow. */
class NameWatch {
  /** Whether the name has no address yet, as far as is known. */
  isPending = false;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(host: string) {
    this.#timer = setTimeout(() => {
      this.isPending = true;
      this.#lookUp(host);
    }, SLOW_MS);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  async #lookUp(host: string): Promise<void> {
    try {
      // Loaded when there is trouble only. It asks as the dial does.
      const { lookup } = await import("node:dns/promises");
      await lookup(host);
      this.isPending = false;
    } catch {
      // It has none.
    }
  }
}

function dialFailure(
  { host, port }: Address,
  error: unknown,
  { isLate, isNamePending }: { isLate: boolean; isNamePending: boolean },
): DialError {
  const start = `Cannot connect to ${host}:${port}: `;
  const reason = messageOf(error);
  const options = { cause: error };
  if (isLate || error instanceof Deno.errors.TimedOut) {
    const late = { ...options, isLate: true };
    return isNamePending
      ? new DialError("dns", `${start}no address of "${host}" in time`, late)
      : new DialError("tcp", `${start}no connection in time`, late);
  }
  if (/resolve|lookup|getaddrinfo|nodename|name or service/i.test(reason)) {
    return new DialError(
      "dns",
      `${start}"${host}" does not resolve to an address`,
      options,
    );
  }
  const why = error instanceof Deno.errors.ConnectionRefused
    ? "nothing listens there"
    : reason;
  return new DialError("tcp", `${start}${why}`, options);
}

async function dial(
  address: Address,
  signal?: AbortSignal,
): Promise<Connection> {
  const { host, port } = address;
  const isName = !/^[\d.]+$|:/.test(host);
  const watch = isName ? new NameWatch(host) : undefined;
  try {
    const conn = await Deno.connect({
      hostname: host,
      port,
      ...(signal ? { signal } : {}),
    });
    return new DenoConnection(conn);
  } catch (error) {
    throw dialFailure(address, error, {
      isLate: signal?.aborted === true,
      isNamePending: watch?.isPending === true,
    });
  } finally {
    watch?.end();
  }
}

/** The network of this machine. */
export function denoTransport(): Transport {
  return { listen, dial };
}
