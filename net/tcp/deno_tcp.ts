/**
 * The real network: Deno's TCP sockets behind the Transport seam. The one file
 * in net that names Deno. It must never let a socket error escape as a
 * rejection nobody awaits, and never close a resource twice.
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
  return error instanceof Error ? error.message : String(error);
}

function listen({ host, port }: Address): Listener {
  try {
    return new DenoListener(Deno.listen({ hostname: host, port }));
  } catch (error) {
    throw new Error(
      `Cannot listen on ${host}:${port}: ${listenProblem(error)}`,
      { cause: error },
    );
  }
}

function dialFailure(
  { host, port }: Address,
  error: unknown,
  signal: AbortSignal | undefined,
): DialError {
  const target = `${host}:${port}`;
  const reason = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (signal?.aborted || error instanceof Deno.errors.TimedOut) {
    return new DialError(
      "timeout",
      `Cannot connect to ${target}: no answer in time`,
      options,
    );
  }
  if (/resolve|lookup|getaddrinfo|nodename|name or service/i.test(reason)) {
    return new DialError(
      "dns",
      `Cannot connect to ${target}: "${host}" does not resolve to an address`,
      options,
    );
  }
  const why = error instanceof Deno.errors.ConnectionRefused
    ? "nothing listens there"
    : reason;
  return new DialError("tcp", `Cannot connect to ${target}: ${why}`, options);
}

async function dial(
  address: Address,
  signal?: AbortSignal,
): Promise<Connection> {
  try {
    const conn = await Deno.connect({
      hostname: address.host,
      port: address.port,
      ...(signal ? { signal } : {}),
    });
    return new DenoConnection(conn);
  } catch (error) {
    throw dialFailure(address, error, signal);
  }
}

/** The network of this machine. */
export function denoTransport(): Transport {
  return { listen, dial };
}
